// The player's view: what is played, how and why, around the stage that engine.js feeds and controls.js steers.
import * as api from "./api.js";
import { announce, h, icon } from "./dom.js";
import { Engine } from "./engine.js";
import { controls } from "./controls.js";
import * as format from "./format.js";
import { crumbs } from "./library.js";
import { tracks } from "./playback.js";
import { problemNote } from "./problem.js";
import * as resume from "./resume.js";
import { placeholder } from "./sparkline.js";
import { Subtitles } from "./subtitles.js";

export async function show(main, path, { signal }) {
  const title = format.stem(format.baseName(path));
  const heading = h("h1", { tabindex: "-1" }, title);
  const stage = h("section.stage", { "aria-label": "Player" }, h("div.pulse", { "aria-hidden": "true" }, ...Array.from({ length: 5 }, () => h("i"))));
  const about = h("div.about", {}, heading);
  const home = format.folderOf(path);
  main.replaceChildren(h("div.theatre", {}, crumbs(home, title), stage, about));

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Backspace" || event.target.matches("input, select, textarea")) return;
    event.preventDefault();
    location.hash = `#/library${home && `/${api.encodePath(home)}`}`;
  }, { signal });

  let probe;
  try {
    probe = await api.probe(path, signal);
  } catch (problem) {
    if (signal.aborted) return null;
    stage.replaceWith(problemNote(problem, () => show(main, path, { signal })));
    return { title, heading };
  }
  begin({ stage, about, path, title, probe, signal });
  return { title, heading };
}

function begin({ stage, about, path, title, probe, signal }) {
  const has = tracks(probe);
  const video = h("video", { playsinline: true, preload: "auto", "aria-label": title, tabindex: "-1" });
  const canvas = h("canvas.freeze", { "aria-hidden": "true", hidden: true });
  const captions = h("div.captions", { "aria-live": "off" });
  const message = h("div.message", { role: "alert", hidden: true });
  const toast = h("div.toast", { role: "status", hidden: true });
  const begun = h("button.big", { type: "button", "aria-label": "Play", hidden: true, onclick: () => video.play() }, icon("play"));
  const pulse = stage.firstElementChild;
  stage.classList.toggle("sound", !has.video);
  const ratio = has.video?.width ? Math.max(1.2, Math.min(2.4, has.video.width / has.video.height)) : 2.4;
  stage.parentElement.style.setProperty("--ratio", ratio.toFixed(4));
  stage.replaceChildren(...[video, has.video ? null : placeholder(path.slice(path.lastIndexOf("/") + 1), true), canvas, captions, pulse, begun, message, toast].filter(Boolean));
  stage.dataset.state = "waiting";

  const engine = new Engine(video, canvas, path, probe, signal);
  const subtitles = new Subtitles(captions, path, () => engine.position, signal);
  const bar = controls({ stage, video, engine, subtitles, path, probe, has, toast: say, signal });
  const signalPath = h("ol.signal", { "aria-label": "How it is played" });
  const why = h("p.why");
  about.append(h("p.dim", {}, [format.summary(probe), probe.size && format.bytes(probe.size), probe.duration && format.clock(probe.duration)].filter(Boolean).join(" · ")),
    signalPath, why, contents(probe));

  function say(text, ...actions) {
    toast.replaceChildren(h("span", {}, text), ...actions.map(([name, act]) => h("button", { type: "button", onclick: () => { toast.hidden = true; act(); } }, name)));
    toast.hidden = false;
    clearTimeout(say.timer);
    say.timer = setTimeout(() => { toast.hidden = true; }, 6000);
  }

  const state = (name) => { stage.dataset.state = name; };
  const on = (name, run) => video.addEventListener(name, run, { signal });
  for (const name of ["waiting", "loadstart", "seeking"]) on(name, () => { if (message.hidden && video.hasAttribute("src")) state("waiting"); });
  for (const name of ["playing", "canplay", "seeked"]) on(name, () => { state("ready"); message.hidden = true; });
  on("pause", () => { begun.hidden = engine.position > 0.2 || !message.hidden; });
  on("play", () => { begun.hidden = true; });
  on("canplay", () => { begun.hidden = !video.paused || engine.position > 0.2; });
  let kept = 0;
  on("timeupdate", () => {
    if (Math.abs(engine.position - kept) < 4 || !video.hasAttribute("src")) return;
    kept = engine.position;
    resume.put(path, kept, engine.duration);
  });

  engine.addEventListener("way", ({ detail: way }) => {
    message.hidden = true;
    state("waiting");
    describeWay(signalPath, why, { way, engine, probe, path, has });
  });
  engine.addEventListener("problem", ({ detail: problem }) => {
    state("failed");
    begun.hidden = true;
    message.hidden = false;
    message.replaceChildren(h("h2", {}, problem.title), problem.detail && h("p", {}, problem.detail),
      h("p", {}, h("button.primary", { type: "button", onclick: () => { message.hidden = true; engine.choose(engine.position, true); } }, "Try again")));
  });
  engine.addEventListener("waiting", ({ detail: { problem, left } }) => {
    state("failed");
    message.hidden = false;
    message.replaceChildren(h("h2", {}, "The server is busy"), problem.detail && h("p", {}, problem.detail), h("p.dim", {}, `Trying again in ${left} s`));
  });
  engine.addEventListener("finished", () => { resume.put(path, 0, 0); state("ready"); });

  // The page may be kept for the back button: do not keep a transcoder with it.
  window.addEventListener("pagehide", () => { resume.put(path, engine.position, engine.duration); engine.release(true); }, { signal });
  signal.addEventListener("abort", () => { clearTimeout(say.timer); if (engine.position > 1) resume.put(path, engine.position, engine.duration); }, { once: true });

  if (navigator.mediaSession) {
    const session = navigator.mediaSession;
    const acts = { play: () => video.play(), pause: () => engine.pause(), seekbackward: () => engine.seek(engine.position - 10), seekforward: () => engine.seek(engine.position + 10), seekto: ({ seekTime }) => engine.seek(seekTime) };
    session.metadata = new MediaMetadata({ title, artist: "transcoded", artwork: has.video ? [{ src: api.media(path, "thumbnail.jpg", { width: 320 }) }] : [] });
    for (const [name, act] of Object.entries(acts)) session.setActionHandler(name, act);
    signal.addEventListener("abort", () => { session.metadata = null; for (const name of Object.keys(acts)) session.setActionHandler(name, null); }, { once: true });
  }

  const left = resume.get(path)?.at ?? 0;
  const from = probe.duration && left > probe.duration - 5 ? 0 : left;
  engine.choose(from, true);
  if (from) say(`Resumed at ${format.clock(from)}`, ["Start over", () => engine.seek(0)]);
  announce(`${title}, ${format.spoken(probe.duration)}`);
  bar.refresh();
}

/** File → server → browser: what each holds or does, with what is made anew marked. */
function describeWay(list, why, { way, engine, probe, path, has }) {
  const source = { video: has.video && `${format.codec(has.video.codec)} ${has.video.width}×${has.video.height}` };
  const sound = has.audio[engine.choice.audio] ?? has.sound;
  source.audio = sound && `${format.codec(sound.codec)} ${format.channels(sound.channels)}`;
  const step = (kind, name, head, lines) => h("li", { class: kind }, h("span.who", {}, name), h("strong", {}, head), ...lines.filter(Boolean).map((line) => h("span", {}, line)));
  const file = step("source", "File", format.container(probe.container, path), [source.video, source.audio]);
  if (way.mode === "direct") {
    list.replaceChildren(file, step("same", "Server", "Direct", ["sent as it is"]), step("same", "Browser", format.container(probe.container, path), [source.video, source.audio]));
  } else if (way.mode === "hls") {
    list.replaceChildren(file, step("made", "Server", "HLS", ["segments made as they are asked for"]), step("same", "Browser", "HLS", ["seeks by itself"]));
  } else {
    const { video, audio } = way.plan ?? {};
    const fresh = engine.offset > 0 || (engine.choice.height && engine.choice.height < has.video?.height) || way.url(0).includes("mode=transcode");
    const act = (part) => part?.action ?? way.plan?.action ?? "transcode";
    const videoMade = has.video && (fresh || act(video) === "transcode");
    const audioMade = sound && act(audio) === "transcode";
    const target = { mp4: ["MP4", "H.264", "AAC"], webm: ["WebM", "VP9", "Opus"], opus: ["Ogg", "", "Opus"], mp3: ["MP3", "", "MP3"], aac: ["AAC", "", "AAC"], wav: ["WAV", "", "PCM"] }[way.format];
    const height = engine.choice.height ? Math.min(engine.choice.height, has.video?.height ?? Infinity) : has.video?.height;
    list.replaceChildren(file,
      step("made", "Server", videoMade || audioMade ? "Live transcode" : "Live remux", [
        has.video && (videoMade ? "video transcoded" : "video copied"), sound && (audioMade ? "audio transcoded" : "audio copied")]),
      step("same", "Browser", target[0], [
        has.video && `${videoMade ? target[1] : format.codec(has.video.codec)} ${height ? `${height}p` : ""}`, sound && (audioMade ? target[2] : format.codec(sound.codec))]));
  }
  const told = [["Video", way.plan?.video], ["Audio", way.plan?.audio]].filter(([, part]) => part?.why && part.action !== "copy").map(([name, part]) => `${name}: ${part.why}.`);
  why.textContent = [way.why, ...told].join(" ");
}

function contents(probe) {
  const { streams } = probe;
  if (!streams.length) return null;
  const cells = (stream) => [
    stream.index, stream.kind, format.codec(stream.codec),
    stream.kind === "video" ? [stream.width && `${stream.width}×${stream.height}`, stream.fps && `${+stream.fps.toFixed(2)} fps`].filter(Boolean).join(", ") : format.channels(stream.channels),
    [format.language(stream.language), stream.title].filter(Boolean).join(" · "),
    stream.default ? "default" : "",
  ];
  return h("details.contents", {}, h("summary", {}, `${streams.length} stream${streams.length === 1 ? "" : "s"} in this file`),
    h("div.scroll", { tabindex: "0", role: "region", "aria-label": "Streams in this file" }, h("table", {},
      h("thead", {}, h("tr", {}, ["#", "Kind", "Codec", "Detail", "Language and title", ""].map((name) => name ? h("th", { scope: "col" }, name) : h("td")))),
      h("tbody", {}, streams.map((stream) => h("tr", {}, cells(stream).map((cell) => h("td", {}, String(cell ?? "")))))))));
}
