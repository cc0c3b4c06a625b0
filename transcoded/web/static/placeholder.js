// A drawing for a file without a thumbnail: bars with heights made from its name, so that it always looks the same.
import { svg } from "./dom.js";

const COUNT = 27;

/**
 * @param {string} name
 * @param {boolean} audioOnly  such a file never gets a thumbnail, so its bars are taller
 */
export function placeholder(name, audioOnly) {
  const random = randomFrom(name);
  let d = "";
  let level = random();
  for (let at = 0; at < COUNT; at += 1) {
    level = level * 0.55 + random() * 0.45;
    const edge = Math.sin((Math.PI * (at + 1)) / (COUNT + 1));
    const tall = 6 + (audioOnly ? 92 : 56) * level * (0.35 + 0.65 * edge);
    d += `M${(320 - COUNT * 8) / 2 + at * 8 + 2} ${(90 - tall / 2).toFixed(1)}v${tall.toFixed(1)}`;
  }
  const kind = audioOnly ? "drawn audio" : "drawn";
  return svg("svg", { class: kind, viewBox: "0 0 320 180", "aria-hidden": "true" }, svg("path", { d }));
}

/**
 * Numbers from 0 to 1 that look random and are the same for the same text (FNV-1a, then a mixer).
 * @param {string} text
 */
function randomFrom(text) {
  let seed = 2166136261;
  for (let at = 0; at < text.length; at += 1) seed = Math.imul(seed ^ text.charCodeAt(at), 16777619);
  return () => {
    seed = (Math.imul(seed ^ (seed >>> 15), 2246822507) + 0x9e3779b9) | 0;
    return ((seed ^ (seed >>> 13)) >>> 0) / 4294967296;
  };
}
