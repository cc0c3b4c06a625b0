// Which ways there are to play a file in this browser, best first, and why. Asks the browser and probe.json; plays nothing.
import * as api from "./api.js";
import * as format from "./format.js";

const HLS = "application/vnd.apple.mpegurl";
const probeElement = document.createElement("video");
const can = (type) => probeElement.canPlayType(type) !== "";

const hex = (value) => value.toString(16).padStart(2, "0");
const H264_PROFILES = { baseline: "42e0", "constrained baseline": "42e0", main: "4d40", high: "6400", "high 10": "6e00", "high 4:2:2": "7a00" };

/** RFC 6381 names of ffmpeg's codecs, as exact as the probe allows; null where no browser plays it. */
function rfc6381(stream) {
  const ten = /10/.test(stream.pix_fmt ?? "") || /10/.test(stream.profile ?? "");
  const level = Number(stream.level) > 0 ? Number(stream.level) : null;
  switch (stream.codec) {
    case "h264": return `avc1.${H264_PROFILES[(stream.profile ?? "high").toLowerCase()] ?? "f400"}${hex(level ?? 40)}`;
    case "hevc": return `hvc1.${ten ? "2.4" : "1.6"}.L${level ?? 120}.B0`;
    case "av1": return `av01.0.08M.${ten ? "10" : "08"}`;
    case "vp9": return ten ? "vp09.02.41.10" : "vp09.00.41.08";
    case "vp8": return "vp8";
    case "aac": return "mp4a.40.2";
    case "mp3": return "mp3";
    case "opus": case "flac": case "vorbis": return stream.codec;
    case "ac3": return "ac-3";
    case "eac3": return "ec-3";
    default: return stream.codec?.startsWith("pcm_") ? "1" : null;
  }
}

function mimeOf(probe, path, kind) {
  const name = format.container(probe.container, path);
  const types = {
    MP4: `${kind}/mp4`, QuickTime: `${kind}/mp4`, WebM: `${kind}/webm`, Matroska: `${kind}/x-matroska`, Ogg: `${kind}/ogg`,
    MP3: "audio/mpeg", FLAC: "audio/flac", WAV: "audio/wav",
  };
  return types[name] ?? ((probe.container ?? "").includes("aac") ? "audio/aac" : null);
}

export function tracks(probe) {
  const { streams } = probe;
  const audio = streams.filter((stream) => stream.kind === "audio");
  const pictures = streams.filter(format.isPicture);
  return {
    video: pictures.find((stream) => stream.default) ?? pictures[0] ?? null,
    audio,
    sound: audio.find((stream) => stream.default) ?? audio[0] ?? null,
    subtitles: streams.filter((stream) => stream.kind === "subtitle"),
  };
}

/** Why the browser cannot play the file itself, as a clause; null when it can. */
async function directObstacle(path, probe, choice, { video, audio, sound }) {
  if (choice.height) return `${choice.height}p is asked for`;
  if (choice.audio !== null && audio[choice.audio] && audio[choice.audio] !== audio[0]) return "another audio track is chosen";
  const kind = video ? "video" : "audio";
  const mime = mimeOf(probe, path, kind);
  const name = format.container(probe.container, path);
  if (!mime || !can(mime)) return `this browser does not play ${name} files`;
  for (const stream of [video, audio[0]]) {
    if (!stream) continue;
    const id = rfc6381(stream);
    const plain = ["audio/mpeg", "audio/flac", "audio/aac"].includes(mime);
    if (!id || !(plain || can(`${mime}; codecs="${id}"`))) return `this browser does not play ${format.codec(stream.codec)} in ${name}`;
  }
  if (sound && sound !== audio[0]) return "its default audio track is not the first";
  const smooth = video && await decodes(mime, video, probe);
  return smooth === false ? `this browser does not decode ${format.codec(video.codec)} at ${video.width}×${video.height}` : null;
}

async function decodes(mime, video, probe) {
  if (!navigator.mediaCapabilities || !(video.width && video.height)) return null;
  try {
    const info = await navigator.mediaCapabilities.decodingInfo({
      type: "file",
      video: {
        contentType: `${mime}; codecs="${rfc6381(video)}"`, width: video.width, height: video.height,
        framerate: video.fps || 25, bitrate: probe.size && probe.duration ? Math.round(probe.size * 8 / probe.duration) : 4_000_000,
      },
    });
    return info.supported;
  } catch {
    return null;
  }
}

const LIVE = {
  video: [["mp4", 'video/mp4; codecs="avc1.640028, mp4a.40.2"'], ["webm", 'video/webm; codecs="vp9, opus"']],
  audio: [["opus", 'audio/ogg; codecs="opus"'], ["mp3", "audio/mpeg"], ["aac", "audio/aac"], ["mp4", 'audio/mp4; codecs="mp4a.40.2"'], ["wav", "audio/wav"]],
};

/** The formats that a live transcode could have, those that copy the picture first. */
function liveFormats(probe, { video }) {
  return LIVE[video ? "video" : "audio"]
    .filter(([name, type]) => can(type) && probe.formats[name]?.action !== "unavailable")
    .map(([name, type], at) => {
      const plan = probe.formats[name] ?? {};
      const copied = video && plan.video?.action === "copy";
      const id = copied && rfc6381(video);
      const playable = copied && Boolean(id) && can(`${type.split(";")[0]}; codecs="${id}"`);
      return { name, plan, forced: copied && !playable, rank: (playable ? 0 : 10) + at };
    })
    .sort((a, b) => a.rank - b.rank);
}

/**
 * The ways to play, best first: {mode, label, why, format, url(start)}. `choice` is {mode, height, audio}; height and
 * audio are null for the source's own. A way of mode "live" starts anew for every position, the others seek by themselves.
 */
export async function ways(path, probe, choice) {
  const has = tracks(probe);
  const list = [];
  const obstacle = await directObstacle(path, probe, choice, has);
  const wants = (mode) => choice.mode === "auto" || choice.mode === mode;
  if (wants("direct") && (!obstacle || choice.mode === "direct")) {
    list.push({ mode: "direct", label: "Direct", why: "This browser plays the file as it is, so the server only sends it.", url: () => api.media(path) });
  }
  const because = obstacle ? `${obstacle[0].toUpperCase()}${obstacle.slice(1)}.` : "";
  if (wants("hls") && has.video && !choice.height && choice.audio === null && can(HLS)) {
    list.push({ mode: "hls", label: "HLS", why: because, url: () => api.media(path, "master.m3u8") });
  }
  if (choice.mode !== "direct") {
    for (const { name, plan, forced } of liveFormats(probe, has)) {
      list.push({
        mode: "live",
        label: "Live transcode",
        format: name,
        plan,
        why: because,
        url: (start) => api.media(path, `stream.${name}`, {
          start: start > 0 ? start.toFixed(3) : null, height: choice.height, audio: choice.audio, mode: forced ? "transcode" : null,
        }),
      });
    }
  }
  return list;
}
