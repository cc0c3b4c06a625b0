// The control bar: puts its parts together, and plays and pauses.
import { BarVisibility } from "./bar-visibility.js";
import { h } from "./dom.js";
import { fullScreen } from "./full-screen.js";
import { setIcon } from "./icons.js";
import { playbackFields } from "./playback-fields.js";
import { SeekBar } from "./seek-bar.js";
import { SeekPreview } from "./seek-preview.js";
import { SettingsPanel } from "./settings-panel.js";
import { listenToKeys, shortcutList } from "./shortcuts.js";
import { subtitleChoice } from "./subtitle-choice.js";
import { toolButton } from "./tool.js";
import { VolumeControl } from "./volume.js";

/** @import { Engine } from "./engine.js" */
/** @import { Source } from "./source.js" */
/** @import { Subtitles } from "./subtitles.js" */
/** @import { Tracks } from "./tracks.js" */

/**
 * What the bar controls. `toast` shows a short message.
 * @typedef {object} Controlled
 * @property {HTMLElement} stage
 * @property {HTMLVideoElement} video
 * @property {Source} source
 * @property {Engine} engine
 * @property {Subtitles} subtitles
 * @property {string} path
 * @property {Tracks} tracks
 * @property {(text: string) => void} toast
 */

/**
 * @param {Controlled} controlled
 * @param {AbortSignal} signal
 */
export function addControls({ stage, video, source, engine, subtitles, path, tracks, toast }, signal) {
  const wake = () => visibility.wake();
  const toggle = () => togglePlay(video, engine);
  const seekBar = new SeekBar(video, engine, source, wake, signal);
  new SeekPreview(seekBar.node, path, () => engine.duration, tracks.video !== null, signal);
  const volume = new VolumeControl(video, signal);
  const full = fullScreen(stage, video, signal);
  const help = shortcutList();
  const captions = subtitleChoice(tracks.subtitleTracks, subtitles, toast);
  const { quality, audio, mode, speed } = playbackFields(video, engine, tracks);
  const showHelp = () => help.showModal();
  const settings = new SettingsPanel([quality, audio, captions.field, mode, speed], showHelp, signal);

  const row = h(
    "div.row",
    {},
    playButton(video, toggle, signal),
    toolButton("back", "Back 10 seconds", () => seekBar.skip(-10), "j"),
    toolButton("forward", "Forward 10 seconds", () => seekBar.skip(10), "l"),
    volume.node,
    seekBar.time,
    h("span.gap"),
    modeBadge(engine),
    captions.button,
    settings.button,
    full.button,
  );
  const bar = h("div.bar", {}, settings.node, seekBar.node, row);
  stage.append(bar, help);

  const mayHide = () => !video.paused && !settings.isOpen && !seekBar.moving && !bar.querySelector(":focus-visible");
  const visibility = new BarVisibility(stage, mayHide, signal);
  for (const name of ["play", "pause"]) {
    video.addEventListener(name, wake, { signal });
  }
  playOnClick(video, toggle, full.toggle, signal);

  /** @param {number} by */
  const changeVolume = (by) => toast(`Volume ${Math.round(volume.change(by) * 100)} %`);
  const acts = {
    k: toggle,
    " ": toggle,
    ArrowLeft: () => seekBar.skip(-5),
    ArrowRight: () => seekBar.skip(5),
    j: () => seekBar.skip(-10),
    l: () => seekBar.skip(10),
    m: () => volume.toggleMute(),
    f: full.toggle,
    c: captions.next,
    ArrowUp: () => changeVolume(0.1),
    ArrowDown: () => changeVolume(-0.1),
    "?": showHelp,
  };
  listenToKeys(
    {
      stage,
      slider: volume.slider,
      acts,
      seekTo: (share) => {
        if (!Number.isFinite(engine.duration)) return false;
        seekBar.seek(engine.duration * share);
        return true;
      },
      close: () => {
        const { isOpen } = settings;
        if (isOpen) settings.open(false);
        return isOpen;
      },
      isBlocked: () => help.open,
      used: wake,
    },
    signal,
  );

  seekBar.refresh();
  wake();
}

/**
 * @param {HTMLVideoElement} video
 * @param {Engine} engine
 */
function togglePlay(video, engine) {
  if (video.ended) engine.seek(0);
  if (!video.paused) engine.pause();
  else video.play().catch(() => null); // not allowed: it stays paused
}

/**
 * @param {HTMLVideoElement} video
 * @param {() => void} toggle
 * @param {AbortSignal} signal
 */
function playButton(video, toggle, signal) {
  const button = toolButton("play", "Play", toggle, "k");
  const refresh = () => {
    setIcon(button, video.paused ? "play" : "pause");
    const label = video.paused ? "Play" : "Pause";
    button.setAttribute("aria-label", label);
    button.title = `${label} (k)`;
  };
  for (const name of ["play", "pause"]) video.addEventListener(name, refresh, { signal });
  return button;
}

/**
 * The way that is played, in one or two words.
 * @param {Engine} engine
 */
function modeBadge(engine) {
  const badge = h("span.mode");
  engine.on("way", ({ mode, label, why }) => {
    if (mode === "live") badge.replaceChildren("Live", h("b", {}, " transcode"));
    else badge.replaceChildren(label);
    badge.title = why;
    badge.dataset.mode = mode;
  });
  return badge;
}

/**
 * A click plays or pauses, a double click switches full screen. A tap only shows the bar.
 * @param {HTMLVideoElement} video
 * @param {() => void} toggle
 * @param {() => void} toggleFullScreen
 * @param {AbortSignal} signal
 */
function playOnClick(video, toggle, toggleFullScreen, signal) {
  let touched = false;
  const pressed = (/** @type {PointerEvent} */ event) => {
    touched = event.pointerType === "touch";
  };
  const clicked = () => {
    if (!touched) toggle();
  };
  video.addEventListener("pointerdown", pressed, { signal });
  video.addEventListener("click", clicked, { signal });
  video.addEventListener("dblclick", toggleFullScreen, { signal });
}
