// A failure, in words: what the server's problem document says, and a way on.
import { h } from "./dom.js";

export function problemNote(problem, retry = null) {
  const needsKey = problem.status === 401;
  return h("div.note.bad", { role: "alert" },
    h("h2", {}, needsKey ? "A key is needed" : problem.title || "Something failed"),
    problem.detail && h("p", {}, problem.detail),
    retry && !needsKey && h("p", {}, h("button", { type: "button", onclick: retry }, "Try again")));
}
