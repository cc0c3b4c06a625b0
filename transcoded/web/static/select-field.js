// A labelled menu of the settings panel.
import { h } from "./dom.js";

/** @typedef {{ value: string, text: string, disabled?: boolean }} Option */

/**
 * `node` is the row with its label, `select` the menu in it.
 * @param {string} label
 * @param {Option[]} options
 * @param {(value: string) => unknown} run  called with the value that the viewer chose
 */
export function selectField(label, options, run) {
  const id = `set-${label.toLowerCase()}`;
  const items = options.map(({ value, text, disabled }) => h("option", { value, disabled }, text));
  const select = h("select", { id }, items);
  select.addEventListener("change", () => run(select.value));
  return { node: h("div.field", {}, h("label", { for: id }, label), select), select };
}
