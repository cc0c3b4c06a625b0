// The view of the dashboard: puts the board on the page and keeps it up to date.
import { h } from "./dom.js";
import { EventFeed } from "./event-feed.js";
import { problemNote } from "./problem-note.js";
import { asProblem } from "./problem.js";
import { StreamBoard } from "./stream-board.js";

/** @import { Shown, ViewContext } from "./app.js" */

/** Milliseconds between two updates of "2m ago". */
const CLOCK = 10_000;

/**
 * @param {HTMLElement} main
 * @param {string} _path  there is one dashboard for all
 * @param {ViewContext} context
 * @returns {Promise<Shown | null>}
 */
export async function show(main, _path, context) {
  const { signal, session } = context;
  const heading = h("h1", { tabindex: -1 }, "Dashboard");
  const status = h("p.summary", { role: "status" }, "Connecting");
  const board = new StreamBoard(heading, session.role !== "read", signal);
  main.replaceChildren(h("div.head", {}, h("div", {}, heading, status)), ...board.nodes);
  try {
    await board.sync();
  } catch (error) {
    if (signal.aborted) return null;
    const note = problemNote(asProblem(error), () => show(main, "", context));
    main.replaceChildren(h("div.head", {}, heading), note);
    return { title: "Dashboard", heading };
  }
  /** @type {(text: string, state: "live" | "lost") => void} */
  const showState = (text, state) => {
    if (status.textContent !== text) status.textContent = text;
    status.dataset.state = state;
  };
  new EventFeed(
    {
      stream: (stream) => board.showStream(stream),
      ended: (ending) => board.showEnding(ending),
      fellBack: (fallback) => board.showFallback(fallback),
      look: () => board.look(),
      sync: () => board.sync(),
      showState,
    },
    signal,
  );
  const clock = setInterval(() => board.refreshTimes(), CLOCK);
  signal.addEventListener("abort", () => clearInterval(clock), { once: true });
  return { title: "Dashboard", heading };
}
