// Subtitles drawn by the page: the browser parses WebVTT, the cues are kept in seconds of the file, so they fit
// whatever position a live stream began at, and they stay above the controls.
import * as api from "./api.js";
import { h } from "./dom.js";

export class Subtitles {
  #cues = [];
  #shown = "";
  #turn = 0;

  constructor(box, path, position, signal) {
    Object.assign(this, { box, path, position });
    const timer = setInterval(() => this.draw(), 120);
    signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  }

  /** Show text stream `number` (index among subtitle streams), or none for null. Rejects where the server has none. */
  choose(number, stream) {
    const turn = ++this.#turn;
    this.#cues = [];
    this.draw();
    if (number === null) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const track = h("track", { kind: "subtitles", srclang: stream?.language ?? "und", src: api.media(this.path, `subtitles/${number}.vtt`) });
      track.onload = () => {
        if (turn === this.#turn) this.#cues = Array.from(track.track.cues);
        resolve();
      };
      track.onerror = async () => reject(await api.whyItFailed(track.src) ?? new api.Problem(0, "No subtitles", "They could not be read."));
      h("video", { preload: "none" }, track); // loads in an element of its own: the player's may change its source meanwhile
      track.track.mode = "hidden";
    });
  }

  draw() {
    const now = this.position();
    const active = this.#cues.filter((cue) => cue.startTime <= now && now < cue.endTime);
    const key = active.map((cue) => `${cue.startTime} ${cue.text}`).join("\n");
    if (key === this.#shown) return;
    this.#shown = key;
    this.box.replaceChildren(...active.map((cue) => h("p", {}, h("span", {}, cue.getCueAsHTML()))));
  }
}
