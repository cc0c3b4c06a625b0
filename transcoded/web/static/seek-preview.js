// The time and the thumbnail above the seek bar, for the position under the pointer.
import { mediaUrl } from "./api.js";
import { h } from "./dom.js";
import * as format from "./format.js";

/** Milliseconds that the pointer must rest before a thumbnail is fetched. */
const REST = 180;

export class SeekPreview {
  #bar;
  #path;
  #duration;
  #thumbnails;
  #timer = 0;
  #label = h("span");
  #node = h("div.bubble", { hidden: true, "aria-hidden": "true" });

  /**
   * @param {HTMLElement} bar  the seek bar, which the preview becomes a part of
   * @param {string} path
   * @param {() => number} duration
   * @param {boolean} thumbnails  whether the file has any
   * @param {AbortSignal} signal
   */
  constructor(bar, path, duration, thumbnails, signal) {
    this.#bar = bar;
    this.#path = path;
    this.#duration = duration;
    this.#thumbnails = thumbnails;
    bar.append(this.#node);
    bar.addEventListener("pointermove", (event) => this.#show(event));
    bar.addEventListener("pointerleave", () => {
      this.#node.hidden = true;
      clearTimeout(this.#timer);
    });
    signal.addEventListener("abort", () => clearTimeout(this.#timer), { once: true });
  }

  /** @param {PointerEvent} event */
  #show(event) {
    const duration = this.#duration();
    if (!Number.isFinite(duration) || event.pointerType === "touch") return;
    const box = this.#bar.getBoundingClientRect();
    const share = Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
    this.#node.hidden = false;
    this.#node.style.setProperty("--x", `${share * box.width}px`);
    if (!this.#label.isConnected) this.#node.append(this.#label);
    this.#label.textContent = format.clock(share * duration);
    clearTimeout(this.#timer);
    if (this.#thumbnails) this.#timer = setTimeout(() => this.#fetch(share, duration), REST);
  }

  /**
   * @param {number} share
   * @param {number} duration
   */
  #fetch(share, duration) {
    // A hundred thumbnails for each file at most, so that they can be cached.
    const time = Number(((Math.round(share * 100) / 100) * duration).toFixed(1));
    const query = { width: 320, time: Math.min(time, Math.max(0, duration - 1)) };
    const image = h("img", { alt: "", src: mediaUrl(this.#path, "thumbnail.jpg", query) });
    image.addEventListener("load", () => {
      if (this.#node.hidden) return;
      this.#node.querySelector("img")?.remove();
      this.#node.prepend(image);
    });
    image.addEventListener("error", () => {
      this.#thumbnails = false;
    });
  }
}
