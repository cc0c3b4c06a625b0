// The view of a folder of the library.
import * as api from "./api.js";
import { breadcrumb } from "./breadcrumb.js";
import { h } from "./dom.js";
import { FolderList } from "./folder-list.js";
import { baseName } from "./paths.js";
import { problemNote } from "./problem-note.js";
import { asProblem } from "./problem.js";

/** @import { ViewContext } from "./app.js" */

/** Milliseconds before placeholders are shown: most folders are there sooner. */
const PATIENCE = 150;

/**
 * @param {HTMLElement} main
 * @param {string} path
 * @param {ViewContext} context
 */
export async function show(main, path, context) {
  const { signal } = context;
  const title = path ? baseName(path) : "Library";
  const heading = h("h1", { tabindex: -1 }, title);
  const summary = h("p.summary", { role: "status" });
  const body = h("div.grid", { "aria-busy": "true" });
  const head = h("div.head", {}, h("div", {}, heading, summary));
  main.replaceChildren(...(path ? [breadcrumb(path, true)] : []), head, body);
  const waiting = setTimeout(() => {
    body.append(...Array.from({ length: 8 }, () => h("div.skeleton")));
  }, PATIENCE);

  let entries;
  try {
    entries = await api.library(path, signal);
  } catch (error) {
    if (signal.aborted) return null;
    body.removeAttribute("class");
    body.replaceChildren(problemNote(asProblem(error), () => show(main, path, context)));
    return { title, heading };
  } finally {
    clearTimeout(waiting);
    body.removeAttribute("aria-busy");
  }
  body.removeAttribute("class");
  const list = new FolderList(path, entries, summary, signal);
  if (entries.length) head.append(list.tools);
  body.replaceChildren(...(entries.length ? list.nodes : [emptyNote(path)]));
  return { title, heading, focus: list.lastOpened };
}

/** @param {string} path */
function emptyNote(path) {
  if (path) return h("div.note", {}, h("p", {}, "This folder has no media files."));
  const code = h("code", {}, "--media name=/path/to/folder");
  const how = h("p.dim", {}, "Start the daemon with ", code, " to share a folder.");
  return h("div.note", {}, h("p", {}, "No media yet."), how);
}
