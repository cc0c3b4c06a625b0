// The folders above a folder or file, as links.
import { h } from "./dom.js";
import { libraryLink } from "./paths.js";

/**
 * @param {string} path  of a folder; "" is the library itself
 * @param {boolean} isCurrent  whether the folder is what is shown, so that it needs no link
 */
export function breadcrumb(path, isCurrent) {
  const names = path ? path.split("/") : [];
  const steps = [
    { name: "Library", to: "" },
    ...names.map((name, at) => ({ name, to: names.slice(0, at + 1).join("/") })),
  ];
  const items = steps.map(({ name, to }) => {
    const current = isCurrent && to === path;
    return h("li", {}, current ? h("span", { "aria-current": "page" }, name) : h("a", { href: libraryLink(to) }, name));
  });
  return h("nav.crumbs", { "aria-label": "Breadcrumb" }, h("ol", {}, items));
}
