// The menus of what is played and how: quality, audio track, mode and speed.
import { trackLabel } from "./media-names.js";
import { selectField } from "./select-field.js";

/** @import { Engine } from "./engine.js" */
/** @import { Tracks } from "./tracks.js" */
/** @import { Choice } from "./ways.js" */

const HEIGHTS = [2160, 1440, 1080, 720, 480, 360];
const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2];

/** @type {{ value: Choice["mode"], text: string }[]} */
const MODES = [
  { value: "auto", text: "Automatic" },
  { value: "direct", text: "Direct" },
  { value: "hls", text: "HLS" },
  { value: "live", text: "Live transcode" },
];

/**
 * A field that would offer no choice is null.
 * @param {HTMLVideoElement} video
 * @param {Engine} engine
 * @param {Tracks} tracks
 */
export function playbackFields(video, engine, tracks) {
  /** @param {Partial<Choice>} choice */
  const choose = (choice) => {
    Object.assign(engine.choice, choice);
    return engine.choose(engine.position, engine.wantsToPlay);
  };
  return {
    quality: qualityField(tracks, (height) => choose({ height })),
    audio: audioField(tracks, (audio) => choose({ audio })),
    mode: modeField((mode) => choose({ mode })),
    speed: speedField((speed) => {
      video.defaultPlaybackRate = speed;
      video.playbackRate = speed;
    }),
  };
}

/**
 * @param {Tracks} tracks
 * @param {(height: number | null) => unknown} choose
 */
function qualityField({ video }, choose) {
  const own = video?.height ?? 0;
  const lower = HEIGHTS.filter((height) => height < own);
  if (!lower.length) return null;
  const source = { value: "", text: `Source (${own}p)` };
  const options = lower.map((height) => ({ value: String(height), text: `${height}p` }));
  return selectField("Quality", [source, ...options], (value) => choose(value ? Number(value) : null)).node;
}

/**
 * @param {Tracks} tracks
 * @param {(audio: number | null) => unknown} choose
 */
function audioField({ audio, audioTracks }, choose) {
  if (!audio || audioTracks.length < 2) return null;
  const own = String(audio.position);
  const options = audioTracks.map((stream, at) => {
    return { value: String(stream.position), text: trackLabel(stream, at + 1) };
  });
  const field = selectField("Audio", options, (value) => choose(value === own ? null : Number(value)));
  field.select.value = own;
  return field.node;
}

/** @param {(mode: Choice["mode"]) => unknown} choose */
function modeField(choose) {
  return selectField("Playback", MODES, (value) => choose(MODES.find((mode) => mode.value === value)?.value ?? "auto"))
    .node;
}

/** @param {(speed: number) => unknown} choose */
function speedField(choose) {
  const options = SPEEDS.map((speed) => ({ value: String(speed), text: speed === 1 ? "Normal" : `${speed} ×` }));
  const field = selectField("Speed", options, (value) => choose(Number(value)));
  field.select.value = "1";
  return field.node;
}
