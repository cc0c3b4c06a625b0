// The keyboard shortcuts of the player, and the dialog that lists them.
import { h } from "./dom.js";

const LIST = [
  ["Space or k", "Play or pause"],
  ["← →", "5 seconds back or forward"],
  ["j l", "10 seconds back or forward"],
  ["0 – 9", "Go to 0 % – 90 %"],
  ["↑ ↓", "Volume"],
  ["m", "Mute"],
  ["c", "Subtitles"],
  ["f", "Full screen"],
  ["Backspace", "Back to the folder"],
  ["?", "Show this list"],
];

/** The dialog that lists the shortcuts. */
export function shortcutList() {
  const lines = LIST.map(([keys, act]) => h("div", {}, h("dt", {}, h("kbd", {}, keys)), h("dd", {}, act)));
  return h(
    "dialog.help",
    { "aria-labelledby": "help-title" },
    h("h2", { id: "help-title" }, "Keyboard shortcuts"),
    h("dl", {}, lines),
    h("form", { method: "dialog" }, h("button.primary", {}, "Close")),
  );
}

/**
 * `acts` by key; letters are in lower case. `seekTo` takes a share of the length and returns whether the length is known;
 * `close` closes what is open and returns whether something was. `slider` uses the arrow keys itself while it has the focus.
 * @typedef {object} Keyboard
 * @property {HTMLElement} stage
 * @property {HTMLElement} slider
 * @property {Record<string, () => unknown>} acts
 * @property {(share: number) => boolean} seekTo
 * @property {() => boolean} close
 * @property {() => boolean} isBlocked
 * @property {() => void} used  called after a key that did something
 */

/**
 * @param {Keyboard} keyboard
 * @param {AbortSignal} signal
 */
export function listenToKeys({ stage, slider, acts, seekTo, close, isBlocked, used }, signal) {
  /** @param {KeyboardEvent} event */
  const run = (event) => {
    const { target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || isBlocked() || !(target instanceof Element)) return;
    if (event.key === "Escape" && close()) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (target.matches("select, textarea") || (key === " " && target.closest("button, a, summary"))) return;
    if (target === slider && key.startsWith("Arrow")) return;
    if (/^Arrow(Up|Down)$/.test(key) && !stage.contains(target)) return; // the page scrolls
    const act = Object.hasOwn(acts, key) ? acts[key] : undefined;
    if (act) act();
    else if (!/^[0-9]$/.test(key) || !seekTo(Number(key) / 10)) return;
    event.preventDefault();
    used();
  };
  document.addEventListener("keydown", run, { signal });
}
