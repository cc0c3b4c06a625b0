// The streams that a file holds, as a table that can be opened.
import { h } from "./dom.js";
import { channelsName, codecName, joined, languageName } from "./media-names.js";

/** @import { MediaStream } from "./api-types.js" */

const COLUMNS = ["#", "Kind", "Codec", "Detail", "Language and title", ""];

/**
 * The table; none for a file without streams.
 * @param {MediaStream[]} streams
 */
export function streamTable(streams) {
  if (!streams.length) return [];
  const head = COLUMNS.map((name) => (name ? h("th", { scope: "col" }, name) : h("td")));
  const rows = streams.map((stream) =>
    h(
      "tr",
      {},
      cells(stream).map((cell) => h("td", {}, cell)),
    ),
  );
  const table = h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows));
  const scroll = h("div.scroll", { tabindex: 0, role: "region", "aria-label": "Streams in this file" }, table);
  const summary = h("summary", {}, `${streams.length} stream${streams.length === 1 ? "" : "s"} in this file`);
  return [h("details.contents", {}, summary, scroll)];
}

/** @param {MediaStream} stream */
function cells(stream) {
  return [
    String(stream.index),
    stream.kind,
    codecName(stream.codec),
    detail(stream),
    joined(languageName(stream.language), stream.title),
    stream.default ? "default" : "",
  ];
}

/** @param {MediaStream} stream */
function detail(stream) {
  if (stream.kind === "audio") return channelsName(stream.channels);
  if (stream.kind !== "video") return "";
  const size = stream.width ? `${stream.width}×${stream.height}` : "";
  const rate = stream.fps ? `${Number(stream.fps.toFixed(2))} fps` : "";
  return [size, rate].filter(Boolean).join(", ");
}
