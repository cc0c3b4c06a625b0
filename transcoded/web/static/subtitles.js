// Subtitles that the page draws itself. The browser parses WebVTT; the cues are kept in seconds of the file, so they fit
// whatever position a live stream started at, and they are drawn above the control bar.
import { mediaUrl } from "./api.js";
import { whyItFailed } from "./diagnosis.js";
import { h } from "./dom.js";
import { Problem } from "./problem.js";

/** @import { SubtitleStream } from "./api-types.js" */

/** Milliseconds after which the page checks again which cues are to be shown. */
const INTERVAL = 120;

export class Subtitles {
  #box;
  #path;
  #position;
  #signal;
  /** @type {VTTCue[]} */
  #cues = [];
  #shown = "";
  #turn = 0;

  /**
   * @param {HTMLElement} box  where they are drawn
   * @param {string} path
   * @param {() => number} position
   * @param {AbortSignal} signal  the end of the view
   */
  constructor(box, path, position, signal) {
    this.#box = box;
    this.#path = path;
    this.#position = position;
    this.#signal = signal;
    const timer = setInterval(() => this.#draw(), INTERVAL);
    signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  }

  /**
   * Show a text stream, or none. Rejects with a Problem where the server has none.
   * @param {SubtitleStream | null} stream
   */
  async choose(stream) {
    const turn = ++this.#turn;
    this.#cues = [];
    this.#draw();
    if (!stream) return;
    const cues = await this.#load(stream);
    if (turn === this.#turn) this.#cues = cues;
  }

  /**
   * @param {SubtitleStream} stream
   * @returns {Promise<VTTCue[]>}
   */
  #load(stream) {
    const src = mediaUrl(this.#path, `subtitles/${stream.position}.vtt`);
    const node = h("track", { kind: "subtitles", srclang: stream.language ?? "und", src });
    h("video", { preload: "none" }, node); // not the player's: its source may change meanwhile
    const loaded = new Promise((resolve, reject) => {
      node.addEventListener("load", () => resolve(cuesOf(node.track)));
      node.addEventListener("error", () => {
        const unknown = new Problem(0, "No subtitles", "They could not be read.");
        whyItFailed(src, this.#signal).then((problem) => reject(problem ?? unknown), reject);
      });
    });
    node.track.mode = "hidden"; // this starts the request
    return loaded;
  }

  #draw() {
    const now = this.#position();
    const active = this.#cues.filter((cue) => cue.startTime <= now && now < cue.endTime);
    const key = active.map((cue) => `${cue.startTime} ${cue.text}`).join("\n");
    if (key === this.#shown) return;
    this.#shown = key;
    this.#box.replaceChildren(...active.map((cue) => h("p", {}, h("span", {}, cue.getCueAsHTML()))));
  }
}

/**
 * @param {TextTrack} track
 * @returns {VTTCue[]}
 */
const cuesOf = (track) => Array.from(track.cues ?? []).filter((cue) => cue instanceof VTTCue);
