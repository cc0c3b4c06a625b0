// The tiles at the top of the dashboard: one figure each.
import { h } from "./dom.js";

export class Tile {
  #value = h("span.value", {}, "–");
  #unit = h("span.unit");
  #meter = h("i", { hidden: true });
  node;

  /** @param {string} name */
  constructor(name) {
    this.node = h("div.tile", {}, h("dt", {}, name), h("dd", {}, this.#value, " ", this.#unit, this.#meter));
  }

  /**
   * @param {string} value
   * @param {string} [unit]
   */
  set(value, unit = "") {
    this.#value.textContent = value;
    this.#unit.textContent = unit;
  }

  /** @param {number} share  how much of the meter is full, from 0 to 1 */
  fill(share) {
    this.#meter.hidden = false;
    this.#meter.style.setProperty("--share", `${100 * share}%`);
  }

  /** @param {boolean} alarm */
  alarm(alarm) {
    this.node.classList.toggle("alarm", alarm);
  }
}
