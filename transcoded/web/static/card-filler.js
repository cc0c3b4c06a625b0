// Fills the cards of files with thumbnails and details as they come near the screen, a few at a time and the newest first.
// If a card leaves the screen before that, its requests are dropped.
import * as api from "./api.js";
import { h } from "./dom.js";
import * as format from "./format.js";
import { summary } from "./media-names.js";
import { placeholder } from "./placeholder.js";
import { asProblem } from "./problem.js";
import { limiter } from "./promises.js";
import * as resume from "./resume.js";
import { tracksOf } from "./tracks.js";

/** @import { Entry, Probe } from "./api-types.js" */
/** @import { FileCard } from "./cards.js" */
/** @import { Problem } from "./problem.js" */

const AUDIO_FILE =
  /\.(mp3|m4a|aac|flac|opus|ogg|oga|wav|wma|aif|aiff|ape|wv|mka|ac3|dts|caf|m4b|voc|rf64|dsf|dff|tta|amr)$/i;
const MARGIN = "240px";
const MAX_PROBES = 2;
const MAX_THUMBNAILS = 2;
/** Statuses that stay the same for a version of a file. */
const LASTING = new Set([404, 415]);

/** @type {Map<string, Probe | Problem>} by path and time of change, for this visit of the page */
const known = new Map();

export class CardFiller {
  #probes = limiter(MAX_PROBES);
  #thumbnails = limiter(MAX_THUMBNAILS);
  /** @type {WeakMap<Element, FileCard>} */
  #cards = new WeakMap();
  /** @type {Map<FileCard, AbortController>} the cards that are being filled */
  #work = new Map();
  #observer = new IntersectionObserver((changes) => this.#moved(changes), { rootMargin: MARGIN });

  /** @param {AbortSignal} signal */
  constructor(signal) {
    signal.addEventListener("abort", () => this.reset(), { once: true });
  }

  /** @param {FileCard} card */
  watch(card) {
    if (!card.entry.readable) {
      drawPlaceholder(card);
      return;
    }
    this.#cards.set(card.node, card);
    this.#observer.observe(card.node);
  }

  /** Forget all cards. */
  reset() {
    this.#observer.disconnect();
    for (const stop of this.#work.values()) stop.abort();
    this.#work.clear();
  }

  /** @param {IntersectionObserverEntry[]} changes */
  #moved(changes) {
    for (const { target, isIntersecting } of changes) {
      const card = this.#cards.get(target);
      if (!card) continue;
      if (isIntersecting) {
        void this.#fill(card);
      } else {
        this.#work.get(card)?.abort();
        this.#work.delete(card);
      }
    }
  }

  /** @param {FileCard} card */
  async #fill(card) {
    if (this.#work.has(card)) return;
    const stop = new AbortController();
    const { signal } = stop;
    this.#work.set(card, stop);
    if (!card.frame.firstChild) drawPlaceholder(card);
    try {
      const probe = await this.#probe(card.entry, signal);
      describe(card, probe);
      if (tracksOf(probe).video) await this.#thumbnails(() => addThumbnail(card, signal), signal);
    } catch (error) {
      if (signal.aborted) return;
      const playable = asProblem(error).status !== 415;
      card.details.textContent = playable ? format.bytes(card.entry.size) : "Not playable";
      card.node.classList.toggle("unplayable", !playable);
    } finally {
      if (this.#work.get(card) === stop) this.#work.delete(card);
    }
    this.#cards.delete(card.node);
    this.#observer.unobserve(card.node);
  }

  /**
   * @param {Entry} entry
   * @param {AbortSignal} signal
   * @returns {Promise<Probe>}
   */
  async #probe({ path, mtime }, signal) {
    const key = `${mtime} ${path}`;
    const old = known.get(key);
    if (old instanceof Error) throw old;
    if (old) return old;
    try {
      const probe = await this.#probes(() => api.probe(path, signal), signal);
      known.set(key, probe);
      return probe;
    } catch (error) {
      const problem = asProblem(error);
      if (LASTING.has(problem.status)) known.set(key, problem);
      throw error;
    }
  }
}

/** @param {FileCard} card */
function drawPlaceholder({ frame, entry }) {
  frame.append(placeholder(entry.name, AUDIO_FILE.test(entry.name)));
  const left = resume.get(entry.path);
  if (!left?.duration) return;
  const bar = h("span.watched");
  bar.style.setProperty("--done", `${Math.min(100, (100 * left.at) / left.duration)}%`);
  frame.append(bar);
}

/**
 * @param {FileCard} card
 * @param {Probe} probe
 */
function describe({ details, frame, entry }, probe) {
  details.textContent = summary(probe) || format.bytes(entry.size);
  if (probe.duration && !frame.querySelector(".length")) {
    frame.append(h("span.length", {}, format.clock(probe.duration)));
  }
}

/**
 * Resolves once the thumbnail is there. If there is none, the placeholder stays.
 * @param {FileCard} card
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
function addThumbnail({ frame, entry }, signal) {
  return new Promise((resolve, reject) => {
    const image = h("img", { alt: "", width: 320, height: 180, decoding: "async" });
    image.onload = () => {
      frame.querySelector("svg")?.after(image);
      requestAnimationFrame(() => image.classList.add("shown"));
      resolve();
    };
    image.onerror = () => resolve();
    const abort = () => {
      image.onload = image.onerror = null;
      image.removeAttribute("src");
      reject(signal.reason);
    };
    signal.addEventListener("abort", abort, { once: true });
    image.src = api.mediaUrl(entry.path, "thumbnail.jpg", { width: 320 });
  });
}
