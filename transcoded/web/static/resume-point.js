// Resumes a file where the viewer left it: reads the position at the start, and keeps it during playback.
import * as resume from "./resume.js";

/** @import { Engine } from "./engine.js" */
/** @import { Source } from "./source.js" */

/** Seconds of playback after which the position is kept again. */
const INTERVAL = 4;
/** A file that was left this close to its end, in seconds, starts from the beginning. */
const END = 5;

export class ResumePoint {
  #path;
  #engine;
  #kept = 0;
  /** Where to start, in seconds. */
  position;

  /**
   * @param {string} path
   * @param {HTMLVideoElement} video
   * @param {Source} source
   * @param {Engine} engine
   * @param {AbortSignal} signal  the end of the view
   */
  constructor(path, video, source, engine, signal) {
    this.#path = path;
    this.#engine = engine;
    const left = resume.get(path)?.at ?? 0;
    this.position = left > engine.duration - END ? 0 : left;
    const onTime = () => {
      const moved = Math.abs(engine.position - this.#kept);
      if (moved >= INTERVAL && source.attached) this.#keep();
    };
    video.addEventListener("timeupdate", onTime, { signal });
    engine.on("finished", () => resume.put(path, 0, 0));
    // The browser may keep the page for its back button, and must not keep a transcoder with it.
    const onHide = () => {
      this.#keep();
      engine.release();
    };
    window.addEventListener("pagehide", onHide, { signal });
    const onLeave = () => {
      if (engine.position > 1) this.#keep();
    };
    signal.addEventListener("abort", onLeave, { once: true });
  }

  #keep() {
    this.#kept = this.#engine.position;
    resume.put(this.#path, this.#kept, this.#engine.duration);
  }
}
