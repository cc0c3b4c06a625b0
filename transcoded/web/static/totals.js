// The figures of the dashboard, calculated from live and ended streams.
import { h } from "./dom.js";
import * as format from "./format.js";
import { explain } from "./reasons.js";
import { Tile } from "./tile.js";

/** @import { Capacity, Ending } from "./api-types.js" */

/** The API counts units, the page slots: a transcode takes one slot, a copy half a slot. */
const UNITS_PER_SLOT = 2;

export class Totals {
  #streams = new Tile("Streams now");
  #capacity = new Tile("Capacity");
  #waiting = new Tile("Waiting");
  #sending = new Tile("Sending");
  #killTime = new Tile("Median kill time");
  #failed = new Tile("Failed");
  node = h("dl.tiles", {}, [
    this.#streams.node,
    this.#capacity.node,
    this.#waiting.node,
    this.#sending.node,
    this.#killTime.node,
    this.#failed.node,
  ]);

  /**
   * @param {number} streams  how many are live
   * @param {number} rate  what they send together, in bytes per second
   */
  showStreams(streams, rate) {
    this.#streams.set(String(streams));
    this.#sending.set(...format.bitRate(rate));
  }

  /** @param {Capacity} capacity */
  showCapacity({ units, used, waiting }) {
    this.#capacity.set(String(used / UNITS_PER_SLOT), `of ${units / UNITS_PER_SLOT} slots`);
    this.#capacity.fill(units ? used / units : 0);
    this.#waiting.set(String(waiting), "queued");
  }

  /** @param {Ending[]} endings */
  showEndings(endings) {
    const times = endings.map((ending) => ending.kill_ms).filter((ms) => ms !== null);
    const median = times.sort((a, b) => a - b)[times.length >> 1];
    if (median === undefined) {
      this.#killTime.set("–");
    } else {
      const [number, unit] = format.milliseconds(median);
      this.#killTime.set(number, `${unit}, of ${times.length}`);
    }
    const failed = endings.filter(({ reason }) => explain(reason).tone === "bad").length;
    this.#failed.set(String(failed), endings.length ? `of the last ${endings.length}` : "");
    this.#failed.alarm(failed > 0);
  }
}
