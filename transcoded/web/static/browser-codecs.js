// What this browser can play: its names for containers and codecs (RFC 6381), and its answers about them.
import { containerName } from "./media-names.js";

/** @import { AudioStream, Probe, VideoStream } from "./api-types.js" */

const video = document.createElement("video");

/**
 * Whether the browser may be able to play a media type.
 * @param {string} type
 */
export const canPlay = (type) => video.canPlayType(type) !== "";

/**
 * "video/mp4" and "avc1.640028" as one media type; the container alone if `codecs` is null.
 * @param {string} container
 * @param {string | null} codecs
 */
export const withCodecs = (container, codecs) => (codecs === null ? container : `${container}; codecs="${codecs}"`);

/** @param {number} value */
const hex = (value) => value.toString(16).padStart(2, "0");

/** @type {Record<string, string>} */
const H264_PROFILES = {
  baseline: "42e0",
  "constrained baseline": "42e0",
  main: "4d40",
  high: "6400",
  "high 10": "6e00",
  "high 4:2:2": "7a00",
};

/**
 * The RFC 6381 name of a stream's codec, as exact as the probe allows; null where no browser plays it.
 * @param {VideoStream | AudioStream} stream
 */
export const codecId = (stream) => (stream.kind === "video" ? videoCodecId(stream) : audioCodecId(stream));

/** @param {VideoStream} stream */
function videoCodecId(stream) {
  const tenBits = [stream.pix_fmt, stream.profile].some((text) => text?.includes("10"));
  const level = stream.level !== null && stream.level > 0 ? stream.level : null;
  switch (stream.codec) {
    case "h264":
      return `avc1.${H264_PROFILES[(stream.profile ?? "high").toLowerCase()] ?? "f400"}${hex(level ?? 40)}`;
    case "hevc":
      return `hvc1.${tenBits ? "2.4" : "1.6"}.L${level ?? 120}.B0`;
    case "av1":
      return `av01.0.08M.${tenBits ? "10" : "08"}`;
    case "vp9":
      return tenBits ? "vp09.02.41.10" : "vp09.00.41.08";
    case "vp8":
      return "vp8";
    default:
      return null;
  }
}

/** @type {Record<string, string>} */
const AUDIO_CODECS = {
  aac: "mp4a.40.2",
  mp3: "mp3",
  opus: "opus",
  flac: "flac",
  vorbis: "vorbis",
  ac3: "ac-3",
  eac3: "ec-3",
};

/** @param {AudioStream} stream */
const audioCodecId = ({ codec }) => AUDIO_CODECS[codec] ?? (codec.startsWith("pcm_") ? "1" : null);

/**
 * The media type of a file's container; null where browsers have none for it.
 * @param {Probe} probe
 * @param {"video" | "audio"} kind
 */
export function containerType(probe, kind) {
  /** @type {Record<string, string>} */
  const types = {
    MP4: `${kind}/mp4`,
    QuickTime: `${kind}/mp4`,
    WebM: `${kind}/webm`,
    Matroska: `${kind}/x-matroska`,
    Ogg: `${kind}/ogg`,
    MP3: "audio/mpeg",
    FLAC: "audio/flac",
    WAV: "audio/wav",
  };
  return types[containerName(probe)] ?? (probe.container.includes("aac") ? "audio/aac" : null);
}

/** Containers that always hold the same codec. */
const ONE_CODEC = new Set(["audio/mpeg", "audio/flac", "audio/aac"]);

/**
 * Whether the browser may be able to play a stream in a container of that media type.
 * @param {string} container
 * @param {VideoStream | AudioStream} stream
 */
export function canPlayStream(container, stream) {
  const id = codecId(stream);
  return id !== null && (ONE_CODEC.has(container) || canPlay(withCodecs(container, id)));
}

/**
 * Whether the browser decodes a video of this size and frame rate; true if the browser cannot tell.
 * @param {string} container  its media type
 * @param {VideoStream} stream
 * @param {Probe} probe
 */
export async function decodesVideo(container, stream, probe) {
  if (!("mediaCapabilities" in navigator) || !stream.width || !stream.height) return true;
  try {
    const info = await navigator.mediaCapabilities.decodingInfo({
      type: "file",
      video: {
        contentType: withCodecs(container, codecId(stream)),
        width: stream.width,
        height: stream.height,
        framerate: stream.fps ?? 25,
        bitrate: probe.size && probe.duration ? Math.round((probe.size * 8) / probe.duration) : 4_000_000,
      },
    });
    return info.supported;
  } catch {
    return true;
  }
}
