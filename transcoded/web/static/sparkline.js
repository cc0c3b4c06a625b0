// Bars: the page's one motif. A stream is a row of segments; so are its bit rate, its picture before it has one, its mark.
import { svg } from "./dom.js";

const WIDTH = 4;
const GAP = 2;

/** A row of bars that shows the last `count` values given to push(). Returns {node, push}. */
export function sparkline(count = 44, height = 40) {
  const path = svg("path");
  const node = svg("svg", { class: "spark", viewBox: `0 0 ${count * (WIDTH + GAP) - GAP} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" }, path);
  const values = [];
  return {
    node,
    push(value) {
      values.push(Math.max(0, value || 0));
      if (values.length > count) values.shift();
      const top = Math.max(...values, 1);
      const from = count - values.length;
      path.setAttribute("d", values.map((each, at) => {
        const tall = Math.max(1.5, each / top * height);
        return `M${(from + at) * (WIDTH + GAP)} ${height}v${-tall.toFixed(1)}h${WIDTH}V${height}z`;
      }).join(""));
    },
  };
}

/** A drawing in place of a picture: bars whose heights follow from the name, so that a file always looks the same. */
export function placeholder(name, sound = false) {
  let seed = 2166136261;
  for (let at = 0; at < name.length; at += 1) seed = Math.imul(seed ^ name.charCodeAt(at), 16777619);
  const random = () => {
    seed = Math.imul(seed ^ (seed >>> 15), 2246822507) + 0x9e3779b9 | 0;
    return ((seed ^ (seed >>> 13)) >>> 0) / 4294967296;
  };
  const count = 27;
  let d = "";
  let level = random();
  for (let at = 0; at < count; at += 1) {
    level = level * 0.55 + random() * 0.45;
    const edge = Math.sin(Math.PI * (at + 1) / (count + 1));
    const tall = 6 + (sound ? 92 : 56) * level * (0.35 + 0.65 * edge);
    d += `M${(320 - count * 8) / 2 + at * 8 + 2} ${(90 - tall / 2).toFixed(1)}v${tall.toFixed(1)}`;
  }
  return svg("svg", { class: sound ? "drawn sound" : "drawn", viewBox: "0 0 320 180", "aria-hidden": "true" }, svg("path", { d }));
}
