// The view of one file: probes it, and puts together the stage, the engine and the description below.
import * as api from "./api.js";
import { breadcrumb } from "./breadcrumb.js";
import { addControls } from "./controls.js";
import { announce, h } from "./dom.js";
import { Engine } from "./engine.js";
import * as format from "./format.js";
import { joined, summary } from "./media-names.js";
import { addMediaSession } from "./media-session.js";
import { baseName, folderOf, libraryLink, stem } from "./paths.js";
import { problemNote } from "./problem-note.js";
import { asProblem } from "./problem.js";
import { ResumePoint } from "./resume-point.js";
import { SignalPath } from "./signal-path.js";
import { Source } from "./source.js";
import { Stage } from "./stage.js";
import { streamTable } from "./stream-table.js";
import { Subtitles } from "./subtitles.js";
import { tracksOf } from "./tracks.js";

/** @import { Probe } from "./api-types.js" */
/** @import { Shown, ViewContext } from "./app.js" */

/**
 * @param {HTMLElement} main
 * @param {string} path
 * @param {ViewContext} context
 * @returns {Promise<Shown | null>}
 */
export async function show(main, path, context) {
  const { signal } = context;
  const title = stem(baseName(path));
  const heading = h("h1", { tabindex: -1 }, title);
  const stage = new Stage();
  const about = h("div.about", {}, heading);
  const folder = folderOf(path);
  main.replaceChildren(h("div.theatre", {}, breadcrumb(folder, false), stage.node, about));
  leaveWithBackspace(folder, signal);

  let probe;
  try {
    probe = await api.probe(path, signal);
  } catch (error) {
    if (signal.aborted) return null;
    stage.node.replaceWith(problemNote(asProblem(error), () => show(main, path, context)));
    return { title, heading };
  }
  begin(stage, about, title, probe, signal);
  return { title, heading };
}

/**
 * @param {string} folder
 * @param {AbortSignal} signal
 */
function leaveWithBackspace(folder, signal) {
  /** @param {KeyboardEvent} event */
  const leave = (event) => {
    const typing = event.target instanceof Element && event.target.matches("input, select, textarea");
    if (event.key !== "Backspace" || typing) return;
    event.preventDefault();
    location.hash = libraryLink(folder);
  };
  document.addEventListener("keydown", leave, { signal });
}

/**
 * @param {Stage} stage
 * @param {HTMLElement} about
 * @param {string} title
 * @param {Probe} probe
 * @param {AbortSignal} signal
 */
function begin(stage, about, title, probe, signal) {
  const { path } = probe;
  const tracks = tracksOf(probe);
  const video = h("video", { playsinline: true, preload: "auto", "aria-label": title, tabindex: -1 });
  const canvas = h("canvas", { "aria-hidden": "true", hidden: true });
  const captions = h("div.captions", { "aria-live": "off" });
  const source = new Source(video, canvas, probe, signal);
  const engine = new Engine(video, source, probe, signal);
  const subtitles = new Subtitles(captions, path, () => engine.position, signal);
  /** @param {string} text */
  const toast = (text) => stage.toast(text);
  stage.fill({ video, canvas, captions, name: baseName(path), track: tracks.video });
  stage.follow(video, engine, signal);
  addControls({ stage: stage.node, video, source, engine, subtitles, path, tracks, toast }, signal);
  addMediaSession(title, tracks.video && api.mediaUrl(path, "thumbnail.jpg", { width: 320 }), video, engine, signal);

  const signalPath = new SignalPath(probe, tracks);
  engine.on("way", (way) => signalPath.show(way, engine.choice, source.offset));
  const facts = joined(summary(probe), format.bytes(probe.size), probe.duration ? format.clock(probe.duration) : "");
  about.append(h("p.dim", {}, facts), ...signalPath.nodes, ...streamTable(probe.streams));

  const resumePoint = new ResumePoint(path, video, source, engine, signal);
  const from = resumePoint.position;
  void engine.choose(from, true);
  if (from) stage.toast(`Resumed at ${format.clock(from)}`, { name: "Start over", run: () => engine.seek(0) });
  announce(`${title}, ${format.spoken(probe.duration)}`);
}
