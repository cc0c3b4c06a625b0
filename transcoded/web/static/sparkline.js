// A row of bars that shows the latest values of something, such as the bit rate of a stream.
import { svg } from "./dom.js";

const COUNT = 44;
const HEIGHT = 40;
const WIDTH = 4;
const GAP = 2;

/** `push` adds a value at the right. */
export function sparkline() {
  const path = svg("path");
  const viewBox = `0 0 ${COUNT * (WIDTH + GAP) - GAP} ${HEIGHT}`;
  const node = svg("svg", { class: "spark", viewBox, preserveAspectRatio: "none", "aria-hidden": "true" }, path);
  /** @type {number[]} */
  const values = [];
  return {
    node,
    /** @param {number} value */
    push(value) {
      values.push(Math.max(0, value || 0));
      if (values.length > COUNT) values.shift();
      const top = Math.max(...values, 1);
      const from = COUNT - values.length;
      const bars = values.map((each, at) => {
        const tall = Math.max(1.5, (each / top) * HEIGHT);
        return `M${(from + at) * (WIDTH + GAP)} ${HEIGHT}v-${tall.toFixed(1)}h${WIDTH}V${HEIGHT}z`;
      });
      path.setAttribute("d", bars.join(""));
    },
  };
}
