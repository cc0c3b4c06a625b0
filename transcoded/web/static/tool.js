// A button of the control bar, with its shortcut if it has one.
import { h } from "./dom.js";
import { icon } from "./icons.js";

/** @import { IconName } from "./icons.js" */

/**
 * @param {IconName} name
 * @param {string} label
 * @param {() => unknown} run
 * @param {string} [key]
 */
export function toolButton(name, label, run, key) {
  const button = h("button.tool", { type: "button", "aria-keyshortcuts": key, onclick: run }, icon(name));
  button.setAttribute("aria-label", label);
  button.title = key ? `${label} (${key})` : label;
  return button;
}
