// The icons of buttons and links. Each is one path on a grid of 24 units, stroked with the colour of the text.
import { find, svg } from "./dom.js";

const ICONS = {
  play: "M8 5.5v13l10.5-6.5z",
  pause: "M9 5.5v13M15 5.5v13",
  back: "M4.5 5v4.5H9M4.8 9.5a8 8 0 1 1-.6 4.5",
  forward: "M19.5 5v4.5H15M19.2 9.5a8 8 0 1 0 .6 4.5",
  volume: "M4 9.5v5h3.5L12 18.5v-13L7.5 9.500zM15.500 9a4.500 4.500 0 0 1 0 6M18 6.500a8 8 0 0 1 0 11",
  muted: "M4 9.5v5h3.5L12 18.5v-13L7.5 9.500zM16 9.500l5 5M21 9.500l-5 5",
  captions: "M4 6h16v12H4zM7.500 14.500h4M14 14.500h2.500M7.500 11h2M12 11h4.500",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.800v4.400M9 14.800v4.400",
  expand: "M4.500 9V4.500H9M15 4.500h4.500V9M19.500 15v4.500H15M9 19.500H4.500V15",
  shrink: "M9 4.500V9H4.500M19.500 9H15V4.500M15 19.500V15h4.500M4.500 15H9v4.500",
  folder: "M3.500 6.500h6l2 2.500h9v9.500h-17z",
  search: "M10.500 4.500a6 6 0 1 1 0 12 6 6 0 0 1 0-12M15 15l5 5",
  stop: "M7 7h10v10H7z",
  chevron: "M9 6l6 6-6 6",
};

/** @typedef {keyof typeof ICONS} IconName */

/** @param {IconName} name */
export function icon(name) {
  return svg(
    "svg",
    { viewBox: "0 0 24 24", class: `icon icon-${name}`, "aria-hidden": "true" },
    svg("path", { d: ICONS[name] }),
  );
}

/**
 * Show another icon in a button.
 * @param {HTMLButtonElement} button
 * @param {IconName} name
 */
export function setIcon(button, name) {
  find(button, "path", SVGPathElement).setAttribute("d", ICONS[name]);
}
