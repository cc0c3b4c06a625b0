// Elements without markup strings: nothing here parses HTML, so the name of a file can never become an element.

/**
 * A child of an element; null, undefined and false are left out.
 * @typedef {Node | string | null | undefined | false} Child
 */

/**
 * The value of an attribute; null, undefined and false are left out, true is an attribute without a value. A function is a
 * listener: its attribute is "on" and the name of an event.
 * @typedef {string | number | boolean | null | undefined | (() => unknown)} Attribute
 */

/**
 * @template {string} Tag
 * @typedef {Tag extends keyof HTMLElementTagNameMap ? HTMLElementTagNameMap[Tag] : HTMLElement} ElementNamed
 */

/**
 * The element of a selector such as "a" or "a.card".
 * @template {string} Selector
 * @typedef {Selector extends `${infer Tag}.${string}` ? ElementNamed<Tag> : ElementNamed<Selector>} ElementOf
 */

/**
 * A new element: `h("a.card", { href, onclick, "aria-label": "…" }, ...children)`.
 * @template {string} Selector
 * @param {Selector} selector  a tag and its classes
 * @param {Record<string, Attribute>} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {ElementOf<Selector>}
 */
export function h(selector, attributes = {}, ...children) {
  const [tag = "", ...classes] = selector.split(".");
  const node = document.createElement(tag);
  if (classes.length) node.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name.slice("on".length), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return /** @type {ElementOf<Selector>} */ (node);
}

const SVG = "http://www.w3.org/2000/svg";

/**
 * A new SVG element.
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string>} [attributes]
 * @param {...Node} children
 */
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/**
 * The first element for a selector. Throws if there is none of that kind: page and script do not fit together then.
 * @template {Element} Kind
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => Kind} kind
 */
export function find(root, selector, kind) {
  const node = root.querySelector(selector);
  if (!(node instanceof kind)) throw new Error(`The page has no ${kind.name} "${selector}".`);
  return node;
}

/**
 * Say something to a screen reader without moving the focus.
 * @param {string} text
 */
export function announce(text) {
  find(document, "#announcer", HTMLElement).textContent = text;
}
