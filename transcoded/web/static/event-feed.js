// Keeps the dashboard up to date while the page is visible: by server-sent events, and by polling if there are none.
import * as api from "./api.js";

/** @import { Ending, Fallback, StreamInfo } from "./api-types.js" */

/** Milliseconds between two polls. */
const POLL = 2000;
/** Milliseconds without an event after which everything is fetched. */
const QUIET = 4000;
/** After so many polls, events are tried again. */
const POLLS_PER_ATTEMPT = 15;

/**
 * `stream`, `ended` and `fellBack` take the data of an event. `look` fetches what changes without an event, `sync` fetches everything.
 * `showState` shows how the dashboard is kept up to date.
 * @typedef {object} Feed
 * @property {(stream: StreamInfo) => void} stream
 * @property {(ending: Ending) => void} ended
 * @property {(fallback: Fallback) => void} fellBack
 * @property {() => Promise<unknown>} look
 * @property {() => Promise<unknown>} sync
 * @property {(text: string, state: "live" | "lost") => void} showState
 */

export class EventFeed {
  #feed;
  #signal;
  /** @type {EventSource | null} */
  #source = null;
  #opened = false;
  #heard = 0;
  #polls = 0;

  /**
   * @param {Feed} feed
   * @param {AbortSignal} signal
   */
  constructor(feed, signal) {
    this.#feed = feed;
    this.#signal = signal;
    const timer = setInterval(() => void this.#poll(), POLL);
    const visibility = () => {
      if (document.hidden) {
        this.#stop();
        return;
      }
      this.#start();
      this.#sync();
    };
    document.addEventListener("visibilitychange", visibility, { signal });
    const end = () => {
      clearInterval(timer);
      this.#stop();
    };
    signal.addEventListener("abort", end, { once: true });
    this.#start();
  }

  #start() {
    if (this.#source || document.hidden || this.#signal.aborted) return;
    const { stream, ended, fellBack, showState } = this.#feed;
    const source = (this.#source = api.events());
    source.onopen = () => {
      this.#opened = true;
      this.#heard = Date.now();
      showState("Live", "live");
      this.#sync();
    };
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED) {
        showState("Reconnecting", "lost");
        return;
      }
      this.#source = null;
      this.#opened = false;
    };
    source.addEventListener("stream-started", (event) => this.#take(event, stream));
    source.addEventListener("stream-updated", (event) => this.#take(event, stream));
    source.addEventListener("stream-ended", (event) => this.#take(event, ended));
    source.addEventListener("engine-failed", (event) => this.#take(event, fellBack));
  }

  #stop() {
    this.#source?.close();
    this.#source = null;
  }

  /** Fetch everything. If that fails, the next poll shows it. */
  #sync() {
    this.#feed.sync().catch(() => null);
  }

  /**
   * @template Value
   * @param {MessageEvent<unknown>} event
   * @param {(value: Value) => void} run
   */
  #take(event, run) {
    this.#heard = Date.now();
    try {
      /** @type {unknown} */
      const value = JSON.parse(String(event.data));
      run(/** @type {Value} */ (value));
    } catch (error) {
      console.warn("transcoded: an event could not be read", error);
    }
  }

  async #poll() {
    if (document.hidden) return;
    const { look, sync, showState } = this.#feed;
    try {
      await (this.#source && this.#opened && Date.now() - this.#heard < QUIET ? look() : sync());
      if (this.#source) return;
      showState("Live, polling every 2 s", "live");
      this.#polls += 1;
      if (this.#polls % POLLS_PER_ATTEMPT === 0) this.#start();
    } catch {
      if (!this.#signal.aborted) showState("The server does not answer", "lost");
    }
  }
}
