// The seek bar, the time next to it, and skipping. The engine seeks once the bar has come to rest.
import { h } from "./dom.js";
import * as format from "./format.js";

/** @import { Engine } from "./engine.js" */
/** @import { Source } from "./source.js" */

/** Milliseconds that the bar must rest before a seek. Each seek in a live stream opens another one. */
const REST = { dragged: { live: 600, other: 100 }, skipped: { live: 300, other: 0 } };
const EVENTS = ["timeupdate", "durationchange", "progress", "seeked", "emptied", "loadeddata"];

export class SeekBar {
  #engine;
  #source;
  #wake;
  #input = h("input.scrub", { type: "range", min: 0, step: "any", value: 0, "aria-label": "Position" });
  #now = h("span.now", {}, "0:00");
  #total = h("span");
  #timer = 0;
  /** Whether the viewer is choosing another position. */
  moving = false;
  /** The bar itself. */
  node = h("div.rail", {}, this.#input);
  /** The position and the length as a text. */
  time = h("span.time", {}, this.#now, h("span", { "aria-hidden": "true" }, " / "), this.#total);

  /**
   * @param {HTMLVideoElement} video
   * @param {Engine} engine
   * @param {Source} source
   * @param {() => void} wake  shows the control bar
   * @param {AbortSignal} signal
   */
  constructor(video, engine, source, wake, signal) {
    this.#engine = engine;
    this.#source = source;
    this.#wake = wake;
    for (const name of EVENTS) video.addEventListener(name, () => this.refresh(), { signal });
    engine.on("way", () => this.refresh());
    this.#input.addEventListener("input", () => this.#move(Number(this.#input.value), REST.dragged));
    this.#input.addEventListener("change", () => this.#land());
    signal.addEventListener("abort", () => clearTimeout(this.#timer), { once: true });
  }

  /** Show the current position and length. */
  refresh() {
    const { duration } = this.#engine;
    const known = Number.isFinite(duration);
    this.node.classList.toggle("endless", !known);
    this.#input.disabled = !known;
    if (known) this.#input.max = String(duration);
    this.#total.textContent = known ? format.clock(duration) : "live";
    if (!this.moving) this.#show(this.#engine.position);
  }

  /**
   * Seconds forward, or back if negative. Several skips in a row add up.
   * @param {number} by
   */
  skip(by) {
    this.seek((this.moving ? Number(this.#input.value) : this.#engine.position) + by);
  }

  /** @param {number} wish */
  seek(wish) {
    const { duration } = this.#engine;
    const to = Math.max(0, Math.min(wish, duration || Infinity));
    if (!Number.isFinite(duration)) {
      this.#engine.seek(to);
      return;
    }
    this.#move(to, REST.skipped);
    this.#wake();
  }

  /**
   * Show a position, and seek to it when no other follows.
   * @param {number} to
   * @param {{ live: number, other: number }} rest
   */
  #move(to, rest) {
    this.moving = true;
    this.#show(to);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#land(), this.#engine.way?.mode === "live" ? rest.live : rest.other);
  }

  #land() {
    clearTimeout(this.#timer);
    if (!this.moving) return;
    this.moving = false;
    this.#engine.seek(Number(this.#input.value));
  }

  /** @param {number} position */
  #show(position) {
    const { duration } = this.#engine;
    const known = Number.isFinite(duration);
    this.#input.value = String(position);
    this.#now.textContent = format.clock(position);
    const spoken = `${format.spoken(position)}${known ? ` of ${format.spoken(duration)}` : ""}`;
    this.#input.setAttribute("aria-valuetext", spoken);
    if (!known) return;
    /** @param {number} to */
    const share = (to) => `${Math.min(100, (100 * to) / duration)}%`;
    this.node.style.setProperty("--played", share(position));
    this.node.style.setProperty("--buffered", share(this.#source.bufferedUntil(position)));
  }
}
