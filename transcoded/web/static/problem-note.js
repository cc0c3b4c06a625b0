// A problem in words, with a button to try again.
import { h } from "./dom.js";

/** @import { Problem } from "./problem.js" */

/**
 * @param {Problem} problem
 * @param {() => unknown} retry
 */
export function problemNote(problem, retry) {
  const needsKey = problem.status === 401;
  return h(
    "div.note.bad",
    { role: "alert" },
    h("h2", {}, needsKey ? "A key is needed" : problem.title),
    problem.detail && h("p", {}, problem.detail),
    !needsKey && h("p", {}, h("button", { type: "button", onclick: retry }, "Try again")),
  );
}
