// What the dashboard shows: the figures, the live streams, the queue and the latest endings. Events and polls bring the
// same things, in any order; each stream and each ending is shown once.
import * as api from "./api.js";
import { h } from "./dom.js";
import { COLUMNS, endingRow } from "./ending-row.js";
import * as format from "./format.js";
import { baseName, stem } from "./paths.js";
import { StreamCard } from "./stream-card.js";
import { Totals } from "./totals.js";

/** @import { Ending, Fallback, Queued, StreamInfo } from "./api-types.js" */

/** How many endings are shown. */
const MAX_ENDINGS = 50;
/** How many failures of hardware. */
const MAX_FALLBACKS = 5;

export class StreamBoard {
  #heading;
  #mayStop;
  #signal;
  #totals = new Totals();
  #queue = h("ol.queue", { "aria-label": "Requests that wait for a slot" });
  #live = h("div.live");
  #past = h("ul.endings");
  #fallbacks = h("ul.fallbacks", { "aria-labelledby": "hardware-title" });
  #hardware = h(
    "section",
    { "aria-labelledby": "hardware-title", hidden: true },
    h("h2", { id: "hardware-title" }, "Hardware"),
    this.#fallbacks,
  );
  #columns = h(
    "div.endings-head",
    { "aria-hidden": "true" },
    COLUMNS.map((name) => h("span", {}, name)),
  );
  #noLive = h(
    "p.quiet-note",
    {},
    "No stream is running. One appears here when a file is played that has to be transcoded.",
  );
  #noPast = h("p.quiet-note", {}, "No stream has ended yet.");
  /** @type {Map<string, StreamCard>} by the stream's id */
  #cards = new Map();
  /** @type {Ending[]} the newest first */
  #endings = [];

  /**
   * @param {HTMLElement} heading  gets the focus when the card that has it goes away
   * @param {boolean} mayStop
   * @param {AbortSignal} signal
   */
  constructor(heading, mayStop, signal) {
    this.#heading = heading;
    this.#mayStop = mayStop;
    this.#signal = signal;
    this.#totals.showCapacity({ units: 0, used: 0, waiting: 0 });
    this.#refresh();
  }

  get nodes() {
    const live = h("h2", { id: "live-title" }, "Live streams");
    const past = h("h2", { id: "past-title" }, "Recent endings");
    return [
      this.#totals.node,
      h("section", { "aria-labelledby": live.id }, live, this.#noLive, this.#live, this.#queue),
      this.#hardware,
      h("section", { "aria-labelledby": past.id }, past, this.#noPast, this.#columns, this.#past),
    ];
  }

  /** @param {StreamInfo} stream */
  showStream(stream) {
    if (this.#hasEnded(stream.id)) return;
    let card = this.#cards.get(stream.id);
    if (!card) {
      card = new StreamCard(stream, this.#mayStop, (ending) => this.showEnding(ending));
      this.#cards.set(stream.id, card);
      this.#live.append(card.node);
    }
    card.update(stream);
    this.#refresh();
  }

  /** @param {Ending} ending */
  showEnding(ending) {
    this.#removeCard(ending.id);
    if (!this.#hasEnded(ending.id)) {
      this.#endings.unshift(ending);
      this.#endings.length = Math.min(this.#endings.length, MAX_ENDINGS);
      this.#past.prepend(endingRow(ending));
      if (this.#past.children.length > MAX_ENDINGS) this.#past.lastElementChild?.remove();
    }
    this.#refresh();
  }

  /**
   * Hardware has failed, or is full, and its viewers did not notice.
   * @param {Fallback} fallback
   */
  showFallback({ engine, path, next, limited, why }) {
    const how = limited ? "has no session left" : "has failed";
    const tone = limited ? "warn" : "bad";
    const text = `${how} for ${stem(baseName(path))}; ${next} goes on`;
    this.#fallbacks.prepend(h("li", {}, h(`span.badge.${tone}`, {}, engine), ` ${text} `, h("span.dim", {}, why)));
    if (this.#fallbacks.children.length > MAX_FALLBACKS) this.#fallbacks.lastElementChild?.remove();
    this.#hardware.hidden = false;
  }

  /** Fetch what changes without an event: the slots and the queue. */
  async look() {
    const now = await api.streams(this.#signal);
    this.#totals.showCapacity(now.capacity);
    this.#showQueue(now.queue);
    return now;
  }

  /** Fetch everything. */
  async sync() {
    const [now, before] = await Promise.all([this.look(), api.endings(MAX_ENDINGS, this.#signal)]);
    const ids = new Set(now.streams.map(({ id }) => id));
    for (const id of [...this.#cards.keys()]) if (!ids.has(id)) this.#removeCard(id);
    for (const ending of before.endings.toReversed()) if (!this.#hasEnded(ending.id)) this.showEnding(ending);
    for (const stream of now.streams) this.showStream(stream);
    this.#refresh();
  }

  refreshTimes() {
    for (const time of this.#past.querySelectorAll("time")) time.textContent = format.ago(new Date(time.dateTime));
  }

  /** @param {Queued[]} queue */
  #showQueue(queue) {
    this.#queue.replaceChildren(...queue.map(({ client }) => h("li", {}, client)));
    this.#queue.hidden = !queue.length;
  }

  /** @param {string} id */
  #hasEnded(id) {
    return this.#endings.some((ending) => ending.id === id);
  }

  /** @param {string} id */
  #removeCard(id) {
    const card = this.#cards.get(id);
    if (!card) return;
    this.#cards.delete(id);
    if (card.node.contains(document.activeElement)) this.#heading.focus({ preventScroll: true });
    card.node.remove();
  }

  #refresh() {
    this.#noLive.hidden = this.#cards.size > 0;
    this.#noPast.hidden = this.#endings.length > 0;
    this.#columns.hidden = !this.#endings.length;
    const rate = [...this.#cards.values()].reduce((sum, card) => sum + card.rate, 0);
    this.#totals.showStreams(this.#cards.size, rate);
    this.#totals.showEndings(this.#endings);
  }
}
