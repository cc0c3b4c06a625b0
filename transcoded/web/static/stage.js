// The stage: the video and what is drawn over it: the still frame, the subtitles, the sign of waiting, the big button, a
// message and a toast.
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { placeholder } from "./placeholder.js";

/** @import { VideoStream } from "./api-types.js" */
/** @import { Engine } from "./engine.js" */

/** Milliseconds for which a toast is shown. */
const TOAST = 6000;
/** The big button is offered within so many seconds from the start. */
const START = 0.2;
/** Limits for the width of the stage by its height. Without a video it has the larger one. */
const MIN_RATIO = 1.2;
const MAX_RATIO = 2.4;

/**
 * @typedef {object} Contents
 * @property {HTMLVideoElement} video
 * @property {HTMLCanvasElement} canvas
 * @property {HTMLElement} captions
 * @property {string} name  of the file
 * @property {VideoStream | null} track
 */

export class Stage {
  #waiting = h(
    "div.pulse",
    { "aria-hidden": "true" },
    Array.from({ length: 5 }, () => h("i")),
  );
  #message = h("div.message", { role: "alert", hidden: true });
  #toast = h("div.toast", { role: "status", hidden: true });
  #toastTimer = 0;
  node = h("section.stage", { "aria-label": "Player" }, this.#waiting);

  /** @param {Contents} contents */
  fill({ video, canvas, captions, name, track }) {
    const ratio = track?.width ? Math.max(MIN_RATIO, Math.min(MAX_RATIO, track.width / track.height)) : MAX_RATIO;
    this.node.parentElement?.style.setProperty("--ratio", ratio.toFixed(4));
    const drawing = track ? [] : [placeholder(name, true)];
    this.node.replaceChildren(video, ...drawing, canvas, captions, this.#waiting, this.#message, this.#toast);
    this.#state("waiting");
  }

  /**
   * Show what happens to the video and to the engine.
   * @param {HTMLVideoElement} video
   * @param {Engine} engine
   * @param {AbortSignal} signal
   */
  follow(video, engine, signal) {
    /** @type {(names: string[], listener: () => void) => void} */
    const on = (names, listener) => {
      for (const name of names) video.addEventListener(name, listener, { signal });
    };
    on(["waiting", "loadstart", "seeking"], () => {
      if (this.#message.hidden && video.hasAttribute("src")) this.#state("waiting");
    });
    on(["playing", "canplay", "seeked"], () => {
      this.#state("ready");
      this.#message.hidden = true;
    });
    const button = h("button.big", { type: "button", "aria-label": "Play", hidden: true }, icon("play"));
    button.addEventListener("click", () => void video.play());
    this.#waiting.after(button);
    on(["pause"], () => {
      button.hidden = engine.position > START || !this.#message.hidden;
    });
    on(["play"], () => {
      button.hidden = true;
    });
    on(["canplay"], () => {
      button.hidden = !video.paused || engine.position > START;
    });

    engine.on("way", () => {
      this.#message.hidden = true;
      this.#state("waiting");
    });
    engine.on("problem", ({ title, detail }) => {
      button.hidden = true;
      const again = () => {
        this.#message.hidden = true;
        return engine.choose(engine.position, true);
      };
      const retry = h("button.primary", { type: "button", onclick: again }, "Try again");
      this.#fail(title, detail, h("p", {}, retry));
    });
    engine.on("waiting", ({ problem, left }) => {
      this.#fail("The server is busy", problem.detail, h("p.dim", {}, `Trying again in ${left} s`));
    });
    engine.on("finished", () => this.#state("ready"));
    signal.addEventListener("abort", () => clearTimeout(this.#toastTimer), { once: true });
  }

  /**
   * Say something for a while, with a button where there is something to do about it.
   * @param {string} text
   * @param {{ name: string, run: () => unknown }} [action]
   */
  toast(text, action) {
    const run = () => {
      this.#toast.hidden = true;
      action?.run();
    };
    const button = action ? [h("button", { type: "button", onclick: run }, action.name)] : [];
    this.#toast.replaceChildren(h("span", {}, text), ...button);
    this.#toast.hidden = false;
    clearTimeout(this.#toastTimer);
    this.#toastTimer = setTimeout(() => {
      this.#toast.hidden = true;
    }, TOAST);
  }

  /** @param {"waiting" | "ready" | "failed"} state */
  #state(state) {
    this.node.dataset.state = state;
  }

  /**
   * @param {string} title
   * @param {string} detail
   * @param {HTMLElement} last
   */
  #fail(title, detail, last) {
    this.#state("failed");
    this.#message.hidden = false;
    this.#message.replaceChildren(h("h2", {}, title), ...(detail ? [h("p", {}, detail)] : []), last);
  }
}
