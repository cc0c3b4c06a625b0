// The keyboard of the library: arrow keys move between the links of a grid, "/" searches, Backspace goes to the folder above.

/**
 * `links` are in their order; `leave` goes to the folder above and returns whether there is one.
 * @typedef {{ search: HTMLInputElement, links: () => HTMLElement[], leave: () => boolean }} Grid
 */

/**
 * @param {Grid} grid
 * @param {AbortSignal} signal
 */
export function listenToGridKeys({ search, links, leave }, signal) {
  /** @param {KeyboardEvent} event */
  const run = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target instanceof Element && event.target.matches("input, select, textarea")) return;
    if (event.key === "/") {
      event.preventDefault();
      search.focus();
      search.select();
    } else if (event.key === "Backspace") {
      if (leave()) event.preventDefault();
    } else if (/^(Arrow(Left|Right|Up|Down)|Home|End)$/.test(event.key)) {
      const next = target(links(), event.key);
      if (next === null) return;
      event.preventDefault();
      next?.focus({ preventScroll: true });
      next?.scrollIntoView({ block: "nearest" });
    }
  };
  document.addEventListener("keydown", run, { signal });
}

/**
 * The link that a key moves to: undefined if there is none in that direction, null if the key does nothing here.
 * @param {HTMLElement[]} links
 * @param {string} key
 */
function target(links, key) {
  const at = links.findIndex((link) => link === document.activeElement);
  if (!links.length || (at < 0 && /^(Home|End)$/.test(key))) return null;
  return at < 0 ? links[0] : neighbour(links, at, key);
}

/**
 * @param {HTMLElement[]} links
 * @param {number} at
 * @param {string} key
 */
function neighbour(links, at, key) {
  switch (key) {
    case "Home":
      return links[0];
    case "End":
      return links.at(-1);
    case "ArrowLeft":
      return links[at - 1];
    case "ArrowRight":
      return links[at + 1];
    case "ArrowUp":
      return nearest(links.slice(0, at).reverse(), links[at]);
    default:
      return nearest(links.slice(at + 1), links[at]);
  }
}

/**
 * The link in the next row that is closest to the column of a link. Links at the same height are a row.
 * @param {HTMLElement[]} links  from the near ones to the far ones
 * @param {HTMLElement | undefined} from
 */
function nearest(links, from) {
  const start = from?.getBoundingClientRect();
  if (!start) return undefined;
  /** @param {DOMRect} box */
  const distance = (box) => Math.abs(box.left - start.left);
  let best;
  /** @type {number | null} */
  let row = null;
  for (const link of links) {
    const box = link.getBoundingClientRect();
    if (Math.abs(box.top - start.top) < 4) continue;
    if (row !== null && Math.abs(box.top - row) >= 4) break;
    row = box.top;
    if (!best || distance(box) < distance(best.box)) best = { link, box };
  }
  return best?.link;
}
