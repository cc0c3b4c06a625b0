// One ended stream on the dashboard: a line that opens to show the details.
import { h } from "./dom.js";
import * as format from "./format.js";
import { joined } from "./media-names.js";
import { baseName, stem } from "./paths.js";
import { explain } from "./reasons.js";

/** @import { Ending } from "./api-types.js" */

/** The headings of the columns. */
export const COLUMNS = ["Reason", "File", "Kill time", "Duration", "Sent", "Ended"];

/** @param {Ending} ending */
export function endingRow(ending) {
  const { meaning, tone } = explain(ending.reason);
  const name = stem(baseName(ending.path));
  const killTime = ending.kill_ms === null ? "–" : format.milliseconds(ending.kill_ms).join(" ");
  const ended = new Date(ending.ended);
  const line = h(
    "summary",
    {},
    h("span", {}, h(`span.badge.${tone}`, { title: meaning }, ending.reason)),
    h("span.file", {}, name, h("span.dim", {}, ` ${joined(ending.format, hardwareOf(ending))}`)),
    figure("kill time", killTime),
    figure("duration", format.duration(ending.duration_s)),
    figure("sent", format.bytes(ending.bytes_sent)),
    h("time.num", { datetime: ended.toISOString() }, format.ago(ended)),
  );
  return h("li", {}, h("details", {}, line, details(ending)));
}

/**
 * A figure with a label, for narrow screens and screen readers.
 * @param {string} label
 * @param {string} text
 */
const figure = (label, text) => h("span.num", {}, h("span.label", {}, `${label} `), text);

/** @param {Ending} ending */
function details(ending) {
  const rows = Object.entries({
    Meaning: explain(ending.reason).meaning,
    Path: ending.path,
    Format: ending.format,
    Engine: ending.engine,
    Exit: exitOf(ending),
    "Signals sent": ending.signals_sent.join(", ") || "none",
    Client: ending.client,
    Started: new Date(ending.started).toLocaleString("en"),
    Ended: new Date(ending.ended).toLocaleString("en"),
    Stream: ending.id,
    Request: ending.request_id,
  }).filter(([, value]) => value);
  const list = rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)));
  const output = ending.stderr_tail.trim();
  return h(
    "div.detail",
    {},
    h("dl", {}, list),
    output && h("pre", { tabindex: 0, "aria-label": "Last output of the transcoder" }, output),
  );
}

/** @param {Ending} ending */
function hardwareOf({ engine }) {
  return engine === "software" ? null : engine;
}

/** @param {Ending} ending */
function exitOf({ signal, exit_code: code }) {
  if (signal !== null) return `signal ${signal}`;
  return code === null ? "unknown" : `exit status ${code}`;
}
