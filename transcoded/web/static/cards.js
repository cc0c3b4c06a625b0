// The cards of a folder: links to its folders and files. The card of a file is filled later, by card-filler.js.
import { h } from "./dom.js";
import * as format from "./format.js";
import { icon } from "./icons.js";
import { libraryLink, playLink, stem } from "./paths.js";

/** @import { Entry } from "./api-types.js" */

/**
 * @typedef {object} Card
 * @property {Entry} entry
 * @property {HTMLLIElement} node
 * @property {HTMLAnchorElement} link
 */

/**
 * A card with a `frame` for the thumbnail, and a line for the `details`.
 * @typedef {Card & { frame: HTMLElement, details: HTMLElement }} FileCard
 */

/** For what the daemon has no permission to read. */
const UNREADABLE = "Cannot be read";

/**
 * @param {Entry} entry
 * @returns {Card}
 */
export function folderCard(entry) {
  const attributes = { href: libraryLink(entry.path), "data-path": entry.path };
  const note = !entry.readable && h("span.dim", {}, UNREADABLE);
  const link = h("a.folder", attributes, icon("folder"), h("span", {}, entry.name), note, icon("chevron"));
  return { entry, link, node: h("li", {}, link) };
}

/**
 * @param {Entry} entry
 * @returns {FileCard}
 */
export function fileCard(entry) {
  const frame = h("span.frame", { "aria-hidden": "true" });
  const size = entry.size === null ? "" : format.bytes(entry.size);
  const details = h("span.details", {}, entry.readable ? size : UNREADABLE);
  const attributes = { href: playLink(entry.path), "data-path": entry.path, title: entry.name };
  const link = h("a", attributes, frame, h("span.name", {}, stem(entry.name)), details);
  return { entry, link, frame, details, node: h(entry.readable ? "li.card" : "li.card.unplayable", {}, link) };
}
