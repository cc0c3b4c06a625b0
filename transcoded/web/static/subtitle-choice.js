// Which subtitles are shown. A menu of the settings, a button of the bar and a key change the same choice.
import { trackLabel } from "./media-names.js";
import { asProblem } from "./problem.js";
import { selectField } from "./select-field.js";
import { toolButton } from "./tool.js";

/** @import { SubtitleStream } from "./api-types.js" */
/** @import { Subtitles } from "./subtitles.js" */

/**
 * @param {SubtitleStream[]} streams
 * @param {Subtitles} subtitles
 * @param {(text: string) => void} toast
 */
export function subtitleChoice(streams, subtitles, toast) {
  const texts = streams.filter((stream) => stream.text);
  /** @param {SubtitleStream} stream */
  const label = (stream) => trackLabel(stream, streams.indexOf(stream) + 1);
  const options = streams.map((stream) => {
    const text = stream.text ? label(stream) : `${label(stream)} · images, not shown`;
    return { value: String(stream.position), text, disabled: !stream.text };
  });
  const field = selectField("Subtitles", [{ value: "", text: "Off" }, ...options], (value) => {
    return show(texts.find((stream) => String(stream.position) === value) ?? null);
  });
  const button = toolButton("captions", "Subtitles", next, "c");
  button.hidden = !texts.length;
  button.setAttribute("aria-pressed", "false");

  /** @param {SubtitleStream | null} stream */
  function mark(stream) {
    field.select.value = stream ? String(stream.position) : "";
    button.setAttribute("aria-pressed", String(stream !== null));
  }

  /** @param {SubtitleStream | null} stream */
  async function show(stream) {
    mark(stream);
    try {
      await subtitles.choose(stream);
    } catch (error) {
      mark(null);
      const problem = asProblem(error);
      const missing = problem.status === 404;
      toast(missing ? "The server has no such subtitles." : problem.detail || "The subtitles could not be read.");
    }
  }

  /** Show the next subtitles, or none after the last. */
  function next() {
    if (!texts.length) {
      toast("This file has no subtitles that can be shown.");
      return;
    }
    const at = texts.findIndex((stream) => String(stream.position) === field.select.value);
    const stream = texts[at + 1] ?? null;
    void show(stream);
    toast(stream ? `Subtitles: ${label(stream)}` : "Subtitles off");
  }

  return { field: streams.length ? field.node : null, button, next };
}
