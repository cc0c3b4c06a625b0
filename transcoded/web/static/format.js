// Values to words. Pure functions, no page.

export function clock(seconds) {
  if (!Number.isFinite(seconds) || seconds < 0) return "–:––";
  const whole = Math.floor(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value) => String(value).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** "1 hour 2 minutes 3 seconds": for screen readers. */
export function spoken(seconds) {
  const whole = Math.max(0, Math.floor(seconds || 0));
  const parts = [[Math.floor(whole / 3600), "hour"], [Math.floor(whole / 60) % 60, "minute"], [whole % 60, "second"]];
  return parts.filter(([count], at) => count || at === 2).map(([count, unit]) => `${count} ${unit}${count === 1 ? "" : "s"}`).join(" ");
}

export function bytes(count) {
  if (!Number.isFinite(count)) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (count >= 999.5 && at < units.length - 1) { count /= 1000; at += 1; }
  return `${at && count < 99.5 ? count.toFixed(1) : Math.round(count)} ${units[at]}`;
}

export const bitRate = (bytesPerSecond) => {
  const bits = bytesPerSecond * 8;
  return bits >= 999_500 ? `${(bits / 1e6).toFixed(1)} Mbit/s` : `${Math.round(bits / 1e3)} kbit/s`;
};

export function span(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

export const milliseconds = (ms) => !Number.isFinite(ms) ? null : ms < 10 ? `${ms.toFixed(1)} ms` : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;

/** A moment from seconds since the epoch or from an ISO date. */
export const moment = (value) => typeof value === "number" ? new Date(value * 1000) : value ? new Date(value) : null;

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "narrow" });
export function ago(value) {
  const when = moment(value);
  if (!when || Number.isNaN(when.getTime())) return "";
  const seconds = (when - Date.now()) / 1000;
  if (seconds > -5) return "now";
  if (seconds > -60) return relative.format(Math.round(seconds), "second");
  if (seconds > -3600) return relative.format(Math.round(seconds / 60), "minute");
  if (seconds > -86400) return relative.format(Math.round(seconds / 3600), "hour");
  return when.toLocaleDateString("en", { day: "numeric", month: "short" });
}

const CODECS = {
  h264: "H.264", hevc: "HEVC", h265: "HEVC", av1: "AV1", vp8: "VP8", vp9: "VP9", mpeg2video: "MPEG-2", mpeg1video: "MPEG-1",
  mpeg4: "MPEG-4", msmpeg4v3: "DivX 3", wmv3: "WMV 9", vc1: "VC-1", prores: "ProRes", mjpeg: "MJPEG", theora: "Theora",
  aac: "AAC", ac3: "AC-3", eac3: "E-AC-3", dts: "DTS", truehd: "TrueHD", mp3: "MP3", mp2: "MP2", opus: "Opus", vorbis: "Vorbis",
  flac: "FLAC", alac: "ALAC", wmav2: "WMA", subrip: "SubRip", ass: "ASS", mov_text: "text", webvtt: "WebVTT",
  hdmv_pgs_subtitle: "PGS", dvd_subtitle: "VobSub",
};
export const codec = (name) => !name ? "unknown" : CODECS[name] ?? (name.startsWith("pcm_") ? "PCM" : name);

export function container(name, path = "") {
  const key = (name ?? "").toLowerCase();
  if (key.includes("webm") && (!key.includes("matroska") || /\.webm$/i.test(path))) return "WebM";
  if (key.includes("matroska") || key === "mkv") return "Matroska";
  if (key.includes("mp4") || key.includes("mov")) return /\.mov$/i.test(path) ? "QuickTime" : "MP4";
  return { avi: "AVI", mpegts: "MPEG-TS", mpeg: "MPEG-PS", ogg: "Ogg", mp3: "MP3", flac: "FLAC", wav: "WAV", flv: "FLV", asf: "ASF" }[key] ?? (name || "unknown");
}

export const channels = (count) => !count ? "" : { 1: "mono", 2: "stereo", 6: "5.1", 8: "7.1" }[count] ?? `${count} channels`;

const tongues = new Intl.DisplayNames(["en"], { type: "language", fallback: "none" });
export function language(tag) {
  if (!tag || tag === "und") return "";
  try { return tongues.of(tag) ?? tag; } catch { return tag; }
}

/** "English · Commentary · AC-3 5.1" for a menu. */
export function trackLabel(stream, number) {
  const tech = stream.kind === "audio" ? [codec(stream.codec), channels(stream.channels)].filter(Boolean).join(" ") : "";
  const named = [language(stream.language), stream.title].filter(Boolean).join(" · ");
  return [named || `Track ${number}`, tech].filter(Boolean).join(" · ");
}

export const isPicture = (stream) => stream.kind === "video";

/** "1080p · H.264 · AC-3 5.1": what a file is, in one line. */
export function summary(probe) {
  const { streams } = probe;
  const video = streams.find(isPicture);
  const audio = streams.find((stream) => stream.kind === "audio");
  return [
    video?.height && `${video.height}p`, video && codec(video.codec),
    audio && [codec(audio.codec), video ? (audio.channels > 2 ? channels(audio.channels) : "") : channels(audio.channels)].filter(Boolean).join(" "),
  ].filter(Boolean).join(" · ");
}

export const baseName = (path) => path.slice(path.lastIndexOf("/") + 1);
export const folderOf = (path) => path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";
export const stem = (name) => name.replace(/(?<=.)\.[a-z0-9]{2,5}$/i, "");
