// The mute button and the volume slider. The volume is kept for the next file, until the page is closed.
import { h } from "./dom.js";
import { setIcon } from "./icons.js";
import { toolButton } from "./tool.js";

const last = { volume: 1, muted: false };

export class VolumeControl {
  #video;
  #button;
  slider = h("input.volume", { type: "range", min: 0, max: 1, step: 0.05, "aria-label": "Volume" });
  node;

  /**
   * @param {HTMLVideoElement} video
   * @param {AbortSignal} signal
   */
  constructor(video, signal) {
    this.#video = video;
    this.#button = toolButton("volume", "Mute", () => this.toggleMute(), "m");
    this.node = h("div.volume-group", {}, this.#button, this.slider);
    this.slider.addEventListener("input", () => this.#set(Number(this.slider.value)));
    video.volume = last.volume;
    video.muted = last.muted;
    video.addEventListener("volumechange", () => this.#refresh(), { signal });
    this.#refresh();
  }

  toggleMute() {
    this.#video.muted = !this.#video.muted;
  }

  /**
   * @param {number} by  from -1 to 1
   * @returns {number} the new volume, from 0 to 1
   */
  change(by) {
    this.#set(Math.max(0, Math.min(1, this.#video.volume + by)));
    return this.#video.volume;
  }

  /** @param {number} volume */
  #set(volume) {
    this.#video.muted = false;
    this.#video.volume = volume;
  }

  #refresh() {
    const { volume, muted } = this.#video;
    Object.assign(last, { volume, muted });
    const silent = muted || volume === 0;
    setIcon(this.#button, silent ? "muted" : "volume");
    this.#button.setAttribute("aria-label", silent ? "Unmute" : "Mute");
    this.slider.value = String(silent ? 0 : volume);
    this.slider.style.setProperty("--level", `${Number(this.slider.value) * 100}%`);
  }
}
