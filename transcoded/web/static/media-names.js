// Names of codecs, containers, channel layouts, languages and tracks, as people know them. Pure functions.
import { tracksOf } from "./tracks.js";

/** @import { AudioStream, Probe, SubtitleStream } from "./api-types.js" */

/** @type {Record<string, string>} */
const CODECS = {
  h264: "H.264",
  hevc: "HEVC",
  h265: "HEVC",
  av1: "AV1",
  vp8: "VP8",
  vp9: "VP9",
  mpeg2video: "MPEG-2",
  mpeg1video: "MPEG-1",
  mpeg4: "MPEG-4",
  msmpeg4v3: "DivX 3",
  wmv3: "WMV 9",
  vc1: "VC-1",
  prores: "ProRes",
  mjpeg: "MJPEG",
  theora: "Theora",
  aac: "AAC",
  ac3: "AC-3",
  eac3: "E-AC-3",
  dts: "DTS",
  truehd: "TrueHD",
  mp3: "MP3",
  mp2: "MP2",
  opus: "Opus",
  vorbis: "Vorbis",
  flac: "FLAC",
  alac: "ALAC",
  wmav2: "WMA",
  subrip: "SubRip",
  ass: "ASS",
  mov_text: "text",
  webvtt: "WebVTT",
  hdmv_pgs_subtitle: "PGS",
  dvd_subtitle: "VobSub",
};

/**
 * @param {string} name  ffmpeg's name of the codec
 */
export function codecName(name) {
  if (!name) return "unknown";
  return CODECS[name] ?? (name.startsWith("pcm_") ? "PCM" : name);
}

/** @type {Record<string, string>} */
const CONTAINERS = {
  avi: "AVI",
  mpegts: "MPEG-TS",
  mpeg: "MPEG-PS",
  ogg: "Ogg",
  mp3: "MP3",
  flac: "FLAC",
  wav: "WAV",
  flv: "FLV",
  asf: "ASF",
};

/**
 * ffmpeg has one demuxer for several containers, so the name of the file decides.
 * @param {Probe} probe
 */
export function containerName({ container, path }) {
  const key = container.toLowerCase();
  if (key.includes("webm") && (!key.includes("matroska") || /\.webm$/i.test(path))) return "WebM";
  if (key.includes("matroska") || key === "mkv") return "Matroska";
  if (key.includes("mp4") || key.includes("mov")) return /\.mov$/i.test(path) ? "QuickTime" : "MP4";
  return CONTAINERS[key] ?? (container || "unknown");
}

/** @type {Record<number, string>} */
const CHANNELS = { 1: "mono", 2: "stereo", 6: "5.1", 8: "7.1" };

/** @param {number} count */
export const channelsName = (count) => (count ? (CHANNELS[count] ?? `${count} channels`) : "");

const languages = new Intl.DisplayNames(["en"], { type: "language", fallback: "none" });

/** @param {string | null} tag */
export function languageName(tag) {
  if (!tag || tag === "und") return "";
  try {
    return languages.of(tag) ?? tag;
  } catch {
    return tag;
  }
}

/**
 * "English · Commentary · AC-3 5.1", for a menu. `number` counts from 1 and names a track without language and title.
 * @param {AudioStream | SubtitleStream} stream
 * @param {number} number
 */
export function trackLabel(stream, number) {
  const named = joined(languageName(stream.language), stream.title);
  const kind = stream.kind === "audio" ? audioName(stream) : subtitleKind(stream);
  return joined(named || `Track ${number}`, kind);
}

/** @param {SubtitleStream} stream */
const subtitleKind = ({ forced, hearing_impaired }) => joined(forced && "forced", hearing_impaired && "SDH");

/**
 * "AC-3 5.1"
 * @param {AudioStream} stream
 */
export const audioName = ({ codec, channels }) => [codecName(codec), channelsName(channels)].filter(Boolean).join(" ");

/**
 * "1080p · H.264 · AC-3 5.1": a file in one line. With a video, mono and stereo are not mentioned.
 * @param {Probe} probe
 */
export function summary(probe) {
  const [video] = tracksOf(probe).videoTracks;
  const [audio] = tracksOf(probe).audioTracks;
  return joined(
    video?.height ? `${video.height}p` : "",
    video && codecName(video.codec),
    audio && (video && audio.channels <= 2 ? codecName(audio.codec) : audioName(audio)),
  );
}

/**
 * The parts that are not empty, with dots between them.
 * @param {...(string | false | null | undefined)} parts
 */
export const joined = (...parts) => parts.filter(Boolean).join(" · ");
