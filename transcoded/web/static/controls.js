// The control bar: buttons, scrubber, settings, shortcuts. It reads the engine's position and asks it to seek.
import * as api from "./api.js";
import { announce, h, icon, setIcon } from "./dom.js";
import * as format from "./format.js";

const HEIGHTS = [2160, 1440, 1080, 720, 480, 360];
const SETTLE = 300; // ms that the scrubber must rest before a live stream is started anew
const HIDE = 2600;
const SHORTCUTS = [
  ["Space or k", "Play or pause"], ["← →", "5 seconds back or ahead"], ["j l", "10 seconds back or ahead"], ["0 – 9", "Jump to that tenth"],
  ["↑ ↓", "Volume"], ["m", "Mute"], ["c", "Subtitles"], ["f", "Full screen"], ["Backspace", "Back to the folder"], ["?", "This list"],
];

let volume = 1;
let muted = false;

export function controls({ stage, video, engine, subtitles, path, probe, has, toast, signal }) {
  const on = (target, name, run) => target.addEventListener(name, run, { signal });
  const button = (name, label, run, key) => h("button.tool", { type: "button", "aria-label": label, title: key ? `${label} (${key})` : label, "aria-keyshortcuts": key?.split(" ")[0], onclick: run }, icon(name));

  const play = button("play", "Play", toggle, "k");
  const back = button("back", "Back 10 seconds", () => skip(-10), "j");
  const ahead = button("ahead", "Ahead 10 seconds", () => skip(10), "l");
  const mute = button("volume", "Mute", () => { video.muted = !video.muted; }, "m");
  const loud = h("input.loud", { type: "range", min: "0", max: "1", step: "0.05", "aria-label": "Volume", oninput: () => { video.muted = false; video.volume = Number(loud.value); } });
  const now = h("span.now", {}, "0:00");
  const total = h("span.total", {}, format.clock(engine.duration));
  const mode = h("span.mode", {}, "");
  const texts = has.subtitles.map((stream) => ({ stream, at: stream.position })).filter(({ stream }) => stream.text);
  const captions = button("captions", "Subtitles", cycleSubtitles, "c");
  captions.hidden = !texts.length;
  captions.setAttribute("aria-pressed", "false");
  const settings = button("settings", "Settings", () => open(panel.hidden));
  const full = button("expand", "Full screen", fullscreen, "f");
  const scrub = h("input.scrub", { type: "range", min: "0", step: "any", value: "0", "aria-label": "Position" });
  const bubble = h("div.bubble", { hidden: true, "aria-hidden": "true" });
  const rail = h("div.rail", {}, scrub, bubble);
  const panel = h("div.panel", { id: "settings", role: "group", "aria-label": "Settings", hidden: true });
  settings.setAttribute("aria-expanded", "false");
  settings.setAttribute("aria-controls", "settings");
  const help = h("dialog.help", { "aria-labelledby": "help-title" }, h("h2", { id: "help-title" }, "Keyboard shortcuts"),
    h("dl", {}, SHORTCUTS.map(([keys, act]) => h("div", {}, h("dt", {}, h("kbd", {}, keys)), h("dd", {}, act)))),
    h("form", { method: "dialog" }, h("button.primary", {}, "Close")));
  const bar = h("div.bar", {}, panel, rail, h("div.row", {}, play, back, ahead, h("div.sounds", {}, mute, loud),
    h("span.time", {}, now, h("span", { "aria-hidden": "true" }, " / "), total), h("span.gap"), mode, captions, settings, full));
  stage.append(bar, help);

  // Position
  let dragging = false;
  let settle = 0;
  function refresh() {
    const duration = engine.duration;
    const known = Number.isFinite(duration);
    rail.classList.toggle("endless", !known);
    scrub.disabled = !known;
    if (known) scrub.max = duration;
    total.textContent = known ? format.clock(duration) : "live";
    if (!dragging) show(engine.position);
  }
  function show(position) {
    const duration = engine.duration;
    scrub.value = position;
    now.textContent = format.clock(position);
    scrub.setAttribute("aria-valuetext", `${format.spoken(position)}${Number.isFinite(duration) ? ` of ${format.spoken(duration)}` : ""}`);
    if (!Number.isFinite(duration)) return;
    rail.style.setProperty("--played", `${Math.min(100, 100 * position / duration)}%`);
    const { buffered } = video;
    let end = position;
    for (let at = 0; at < buffered.length; at += 1) {
      const [from, to] = [buffered.start(at) + engine.offset, buffered.end(at) + engine.offset];
      if (from - 0.5 <= position && position <= to) end = to;
    }
    rail.style.setProperty("--ready", `${Math.min(100, 100 * end / duration)}%`);
  }
  for (const name of ["timeupdate", "durationchange", "progress", "seeked", "emptied", "loadeddata"]) on(video, name, refresh);
  on(scrub, "input", () => {
    dragging = true;
    show(Number(scrub.value));
    clearTimeout(settle);
    settle = setTimeout(land, engine.way?.mode === "live" ? SETTLE * 2 : SETTLE / 3);
  });
  on(scrub, "change", land);
  function land() {
    clearTimeout(settle);
    if (!dragging) return;
    dragging = false;
    engine.seek(Number(scrub.value));
  }
  const skip = (by) => aim((dragging ? Number(scrub.value) : engine.position) + by);
  // Several presses in a row add up, and only where they end a live stream is started anew.
  function aim(wish) {
    const to = Math.max(0, Math.min(wish, engine.duration || Infinity));
    if (!Number.isFinite(engine.duration)) { engine.seek(to); return; }
    dragging = true;
    show(to);
    clearTimeout(settle);
    settle = setTimeout(land, engine.way?.mode === "live" ? SETTLE : 0);
    wake();
  }

  // What is under the pointer
  let looking = 0;
  let pictures = Boolean(has.video);
  on(rail, "pointermove", (event) => {
    const duration = engine.duration;
    if (!Number.isFinite(duration) || event.pointerType === "touch") return;
    const box = rail.getBoundingClientRect();
    const share = Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
    bubble.hidden = false;
    bubble.style.setProperty("--x", `${share * box.width}px`);
    let label = bubble.querySelector("span");
    if (!label) bubble.append(label = h("span"));
    label.textContent = format.clock(share * duration);
    clearTimeout(looking);
    if (pictures) looking = setTimeout(() => look(share, duration), 180);
  });
  on(rail, "pointerleave", () => { bubble.hidden = true; clearTimeout(looking); });
  function look(share, duration) {
    const time = (Math.round(share * 100) / 100 * duration).toFixed(1); // a hundred pictures a file at most: they can be cached
    const image = h("img", { alt: "", src: api.media(path, "thumbnail.jpg", { width: 320, time: Math.min(time, Math.max(0, duration - 1)) }) });
    image.onload = () => { if (!bubble.hidden) { bubble.querySelector("img")?.remove(); bubble.prepend(image); } };
    image.onerror = () => { pictures = false; };
  }

  // Playing
  function toggle() {
    if (video.ended) engine.seek(0);
    if (video.paused) video.play().catch(() => null);
    else engine.pause();
  }
  const paint = () => {
    const name = video.paused ? "Play" : "Pause";
    setIcon(play, name.toLowerCase());
    play.setAttribute("aria-label", name);
    play.title = `${name} (k)`;
    stage.classList.toggle("paused", video.paused);
    wake();
  };
  on(video, "play", paint);
  on(video, "pause", paint);
  video.volume = volume;
  video.muted = muted;
  const paintVolume = () => {
    ({ volume, muted } = video);
    const silent = muted || volume === 0;
    setIcon(mute, silent ? "muted" : "volume");
    mute.setAttribute("aria-label", silent ? "Unmute" : "Mute");
    loud.value = silent ? 0 : volume;
    loud.style.setProperty("--level", `${loud.value * 100}%`);
  };
  on(video, "volumechange", paintVolume);
  paintVolume();

  // Full screen
  function fullscreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else if (stage.requestFullscreen) stage.requestFullscreen().catch(() => null);
    else video.webkitEnterFullscreen?.(); // iPhone: only the element itself
  }
  on(document, "fullscreenchange", () => {
    const is = document.fullscreenElement === stage;
    setIcon(full, is ? "shrink" : "expand");
    full.setAttribute("aria-label", is ? "Leave full screen" : "Full screen");
  });

  // Settings
  const select = (label, options, run) => {
    const node = h("select", { id: `set-${label.toLowerCase()}`, onchange: () => run(node.value) }, options.map(([value, text, disabled]) => h("option", { value, disabled }, text)));
    return { node, row: h("div.field", {}, h("label", { for: `set-${label.toLowerCase()}` }, label), node) };
  };
  const again = () => engine.choose(engine.position, !video.paused);
  const number = (value) => value === "" ? null : Number(value);
  const lower = HEIGHTS.filter((height) => has.video?.height > height);
  const quality = select("Quality", [["", has.video?.height ? `Source (${has.video.height}p)` : "Source"], ...lower.map((height) => [height, `${height}p`])], (value) => { engine.choice.height = number(value); again(); });
  const sound = select("Audio", has.audio.map((stream, at) => [stream.position, format.trackLabel(stream, at + 1)]), (value) => {
    engine.choice.audio = has.audio[value] === has.sound ? null : Number(value);
    again();
  });
  if (has.sound) sound.node.value = has.sound.position;
  const words = select("Subtitles", [["", "Off"], ...has.subtitles.map((stream, at) => [stream.position, format.trackLabel(stream, at + 1) + (stream.text ? "" : " · pictures, not shown"), !stream.text])], (value) => subtitle(number(value)));
  const how = select("Playback", [["auto", "Automatic"], ["direct", "Direct"], ["hls", "HLS"], ["live", "Live transcode"]], (value) => { engine.choice.mode = value; again(); });
  const speed = select("Speed", [["0.5", "0.5 ×"], ["0.75", "0.75 ×"], ["1", "Normal"], ["1.25", "1.25 ×"], ["1.5", "1.5 ×"], ["2", "2 ×"]], (value) => { video.defaultPlaybackRate = video.playbackRate = Number(value); });
  speed.node.value = "1";
  panel.append(...[lower.length ? quality.row : null, has.audio.length > 1 ? sound.row : null, has.subtitles.length ? words.row : null, how.row, speed.row,
    h("button.quiet", { type: "button", onclick: () => { open(false); help.showModal(); } }, "Keyboard shortcuts")].filter(Boolean));
  function open(is) {
    panel.hidden = !is;
    settings.setAttribute("aria-expanded", String(is));
    if (is) panel.querySelector("select").focus();
    else if (panel.contains(document.activeElement)) settings.focus();
  }
  on(document, "pointerdown", (event) => { if (!panel.hidden && !panel.contains(event.target) && !settings.contains(event.target)) open(false); });

  async function subtitle(at) {
    words.node.value = at ?? "";
    captions.setAttribute("aria-pressed", String(at !== null));
    try {
      await subtitles.choose(at, texts.find((text) => text.at === at)?.stream);
    } catch (problem) {
      words.node.value = "";
      captions.setAttribute("aria-pressed", "false");
      toast(problem.status === 404 ? "The server has no such subtitles." : problem.detail || "The subtitles could not be read.");
    }
  }
  function cycleSubtitles() {
    if (!texts.length) { toast("This file has no subtitles that can be shown."); return; }
    const at = texts.findIndex((text) => String(text.at) === words.node.value);
    const next = texts[at + 1] ?? null;
    subtitle(next ? next.at : null);
    toast(next ? `Subtitles: ${format.trackLabel(next.stream, next.at + 1)}` : "Subtitles off");
  }

  engine.addEventListener("way", ({ detail: way }) => {
    mode.replaceChildren(way.mode === "live" ? "Live" : way.label, way.mode === "live" ? h("b", {}, " transcode") : "");
    mode.title = way.why;
    mode.dataset.mode = way.mode;
    refresh();
  });

  // The bar leaves when nobody needs it
  let sleeping = 0;
  function wake() {
    stage.classList.remove("idle");
    clearTimeout(sleeping);
    sleeping = setTimeout(() => {
      if (!video.paused && panel.hidden && !dragging && !bar.querySelector(":focus-visible")) stage.classList.add("idle");
    }, HIDE);
  }
  for (const name of ["pointermove", "pointerdown", "focusin"]) on(stage, name, wake);
  let touched = false;
  on(video, "pointerdown", (event) => { touched = event.pointerType === "touch"; });
  on(video, "click", () => { if (!touched) toggle(); });
  on(video, "dblclick", fullscreen);
  signal.addEventListener("abort", () => { clearTimeout(sleeping); clearTimeout(settle); clearTimeout(looking); }, { once: true });

  // Shortcuts
  const louder = (by) => { video.muted = false; video.volume = Math.max(0, Math.min(1, video.volume + by)); toast(`Volume ${Math.round(video.volume * 100)} %`); };
  const acts = {
    k: toggle, " ": toggle, ArrowLeft: () => skip(-5), ArrowRight: () => skip(5), j: () => skip(-10), l: () => skip(10), m: () => { video.muted = !video.muted; },
    f: fullscreen, c: cycleSubtitles, ArrowUp: () => louder(0.1), ArrowDown: () => louder(-0.1), "?": () => help.showModal(),
  };
  on(document, "keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    if (event.key === "Escape" && !panel.hidden) { open(false); return; }
    const target = event.target;
    if (target.matches("select, textarea") || (event.key === " " && target.closest("button, a, summary")) || (target === loud && event.key.startsWith("Arrow"))) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (/^Arrow(Up|Down)$/.test(key) && !stage.contains(target)) return; // the page scrolls
    if (/^[0-9]$/.test(key) && Number.isFinite(engine.duration)) aim(engine.duration * Number(key) / 10);
    else if (Object.hasOwn(acts, key)) acts[key]();
    else return;
    event.preventDefault();
    wake();
  });

  refresh();
  wake();
  announce("");
  return { refresh };
}
