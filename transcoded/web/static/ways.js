// The ways to play a file in this browser, best first, and why. They follow from probe.json and from what the browser says.
import { mediaUrl } from "./api.js";
import { canPlay, canPlayStream, codecId, containerType, decodesVideo, withCodecs } from "./browser-codecs.js";
import { codecName, containerName } from "./media-names.js";
import { tracksOf } from "./tracks.js";

/** @import { FormatPlan, Probe, VideoStream } from "./api-types.js" */
/** @import { Tracks } from "./tracks.js" */

/** @typedef {"direct" | "hls" | "live"} Mode */

/**
 * What the viewer chose in the settings. A `height` or `audio` of null is the file's own; `audio` counts the audio tracks.
 * @typedef {object} Choice
 * @property {"auto" | Mode} mode
 * @property {number | null} height
 * @property {number | null} audio
 */

/**
 * Play the file itself, or its segments. The browser seeks by itself, so there is one URL for all positions.
 * @typedef {object} SeekableWay
 * @property {"direct" | "hls"} mode
 * @property {string} label
 * @property {string} why
 * @property {(start?: number) => string} url
 */

/**
 * Play a live stream in one of the progressive formats. Each position needs a stream of its own. `forced`: the server would
 * copy the video, but this browser cannot play the copy, so the page demands a transcode.
 * @typedef {object} LiveWay
 * @property {"live"} mode
 * @property {string} label
 * @property {string} why
 * @property {LiveFormat} format
 * @property {FormatPlan | null} plan
 * @property {boolean} forced
 * @property {(start: number) => string} url
 */

/** @typedef {SeekableWay | LiveWay} Way */

/** @typedef {"mp4" | "webm" | "opus" | "mp3" | "aac" | "wav"} LiveFormat */

const HLS = "application/vnd.apple.mpegurl";

/**
 * The formats of live streams that browsers play, the preferred ones first.
 * @type {Record<"video" | "audio", { name: LiveFormat, container: string, codecs: string | null }[]>}
 */
const LIVE_FORMATS = {
  video: [
    { name: "mp4", container: "video/mp4", codecs: "avc1.640028, mp4a.40.2" },
    { name: "webm", container: "video/webm", codecs: "vp9, opus" },
  ],
  audio: [
    { name: "opus", container: "audio/ogg", codecs: "opus" },
    { name: "mp3", container: "audio/mpeg", codecs: null },
    { name: "aac", container: "audio/aac", codecs: null },
    { name: "mp4", container: "audio/mp4", codecs: "mp4a.40.2" },
    { name: "wav", container: "audio/wav", codecs: null },
  ],
};

/**
 * The ways to play, best first; empty if there is none.
 * @param {Probe} probe
 * @param {Choice} choice
 * @returns {Promise<Way[]>}
 */
export async function waysToPlay(probe, choice) {
  const { path } = probe;
  const tracks = tracksOf(probe);
  const obstacle = await directObstacle(probe, choice, tracks);
  const why = obstacle ? `${obstacle.charAt(0).toUpperCase()}${obstacle.slice(1)}.` : "";
  /** @param {Mode} mode */
  const wants = (mode) => choice.mode === "auto" || choice.mode === mode;
  /** @type {Way[]} */
  const ways = [];
  if (wants("direct") && (!obstacle || choice.mode === "direct")) {
    const plain = "This browser plays the file as it is, so the server only sends it.";
    ways.push({ mode: "direct", label: "Direct", why: plain, url: () => mediaUrl(path) });
  }
  if (wants("hls") && tracks.video && !choice.height && choice.audio === null && canPlay(HLS)) {
    const variants = variantsFor(tracks.video);
    ways.push({ mode: "hls", label: "HLS", why, url: () => mediaUrl(path, "master.m3u8", { variants }) });
  }
  if (choice.mode === "direct") return ways;
  const lives = liveFormats(probe, tracks).map((format) => liveWay(path, choice, format, why));
  return [...ways, ...lives];
}

/**
 * Which variants of a video the browser is offered; null: all. Chromium's player begins with the smallest, and fails where it would have to
 * change the codec. Apple's can, and is told by its own way to other screens.
 * @param {VideoStream} video
 */
function variantsFor(video) {
  if ("webkitShowPlaybackTargetPicker" in HTMLVideoElement.prototype) return null;
  const id = codecId(video);
  return id !== null && canPlay(withCodecs("video/mp4", id)) ? "copy" : "encoded";
}

/**
 * Why the browser cannot play the file itself, as a clause; null if it can.
 * @param {Probe} probe
 * @param {Choice} choice
 * @param {Tracks} tracks
 */
async function directObstacle(probe, choice, { video, audio, audioTracks }) {
  const [first] = audioTracks;
  if (choice.height) return `${choice.height}p is chosen`;
  const chosen = choice.audio === null ? undefined : audioTracks[choice.audio];
  if (chosen && chosen !== first) return "another audio track is chosen";
  const type = containerType(probe, video ? "video" : "audio");
  const name = containerName(probe);
  if (!type || !canPlay(type)) return `this browser does not play ${name} files`;
  for (const stream of [video, first]) {
    if (stream && !canPlayStream(type, stream)) {
      return `this browser does not play ${codecName(stream.codec)} in ${name}`;
    }
  }
  if (audio && audio !== first) return "its default audio track is not the first";
  if (video && !(await decodesVideo(type, video, probe))) {
    return `this browser does not decode ${codecName(video.codec)} at ${video.width}×${video.height}`;
  }
  return null;
}

/**
 * @typedef {object} Candidate  A format that a live stream could have.
 * @property {LiveFormat} name
 * @property {FormatPlan | null} plan
 * @property {boolean} forced
 */

/**
 * The formats that a live stream could have; those that copy the video come first.
 * @param {Probe} probe
 * @param {Tracks} tracks
 * @returns {Candidate[]}
 */
function liveFormats(probe, { video }) {
  return LIVE_FORMATS[video ? "video" : "audio"]
    .filter(({ name, container, codecs }) => {
      return canPlay(withCodecs(container, codecs)) && probe.formats[name]?.action !== "unavailable";
    })
    .map(({ name, container }, at) => {
      const plan = probe.formats[name] ?? null;
      const copied = plan?.video?.action === "copy" ? video : null;
      const id = copied && codecId(copied);
      const playable = id !== null && canPlay(withCodecs(container, id));
      return { name, plan, forced: copied !== null && !playable, rank: (playable ? 0 : 10) + at };
    })
    .sort((a, b) => a.rank - b.rank);
}

/**
 * @param {string} path
 * @param {Choice} choice
 * @param {Candidate} candidate
 * @param {string} why
 * @returns {LiveWay}
 */
function liveWay(path, choice, { name, plan, forced }, why) {
  const { height, audio } = choice;
  /** @param {number} start */
  const url = (start) =>
    mediaUrl(path, `stream.${name}`, {
      start: start > 0 ? start.toFixed(3) : null,
      height,
      audio,
      mode: forced ? "transcode" : null,
    });
  return { mode: "live", label: "Live transcode", why, format: name, plan, forced, url };
}
