// How a file gets to the viewer: what the file holds, what the server does with it, what the browser gets, and why.
import { h } from "./dom.js";
import { audioName, codecName, containerName } from "./media-names.js";

/** @import { AudioStream, Probe, TrackPlan } from "./api-types.js" */
/** @import { Tracks } from "./tracks.js" */
/** @import { Choice, LiveFormat, LiveWay, Way } from "./ways.js" */

/** @type {Record<LiveFormat, { container: string, video: string, audio: string }>} */
const LIVE_FORMATS = {
  mp4: { container: "MP4", video: "H.264", audio: "AAC" },
  webm: { container: "WebM", video: "VP9", audio: "Opus" },
  opus: { container: "Ogg", video: "", audio: "Opus" },
  mp3: { container: "MP3", video: "", audio: "MP3" },
  aac: { container: "AAC", video: "", audio: "AAC" },
  wav: { container: "WAV", video: "", audio: "PCM" },
};

export class SignalPath {
  #probe;
  #tracks;
  #steps = h("ol.signal", { "aria-label": "How it is played" });
  #why = h("p.why");

  /**
   * @param {Probe} probe
   * @param {Tracks} tracks
   */
  constructor(probe, tracks) {
    this.#probe = probe;
    this.#tracks = tracks;
  }

  get nodes() {
    return [this.#steps, this.#why];
  }

  /**
   * @param {Way} way
   * @param {Choice} choice
   * @param {number} start  seconds of the file at which a live stream starts
   */
  show(way, choice, start) {
    const { video, audio: own, audioTracks } = this.#tracks;
    const audio = (choice.audio === null ? undefined : audioTracks[choice.audio]) ?? own;
    const container = containerName(this.#probe);
    const has = [video && `${codecName(video.codec)} ${video.width}×${video.height}`, audio && audioName(audio)];
    const [server, browser] =
      way.mode === "live" ? this.#live(way, audio, choice, start) : fileSteps(way.mode, container, has);
    this.#steps.replaceChildren(step("source", "File", container, has), server, browser);
    this.#why.textContent = [way.why, ...(way.mode === "live" ? reasons(way) : [])].join(" ");
  }

  /**
   * @param {LiveWay} way
   * @param {AudioStream | null} audio
   * @param {Choice} choice
   * @param {number} start
   * @returns {[HTMLElement, HTMLElement]}
   */
  #live({ format, plan, forced }, audio, choice, start) {
    const { video } = this.#tracks;
    /** @param {TrackPlan | null | undefined} part */
    const transcodes = (part) => (part?.action ?? plan?.action ?? "transcode") === "transcode";
    const smaller = video !== null && choice.height !== null && choice.height < video.height;
    // A start that is exact to the frame and another size need a transcode whatever the plan says.
    const videoMade = video !== null && (start > 0 || smaller || forced || transcodes(plan?.video));
    const audioMade = audio !== null && transcodes(plan?.audio);
    const target = LIVE_FORMATS[format];
    const height = smaller ? choice.height : video?.height;
    return [
      step("converted", "Server", videoMade || audioMade ? "Live transcode" : "Live remux", [
        video && (videoMade ? "video transcoded" : "video copied"),
        audio && (audioMade ? "audio transcoded" : "audio copied"),
      ]),
      step("playable", "Browser", target.container, [
        video && `${videoMade ? target.video : codecName(video.codec)} ${height ? `${height}p` : ""}`,
        audio && (audioMade ? target.audio : codecName(audio.codec)),
      ]),
    ];
  }
}

/**
 * What server and browser do with the file itself or with its segments.
 * @param {"direct" | "hls"} mode
 * @param {string} container
 * @param {(string | null)[]} has
 * @returns {[HTMLElement, HTMLElement]}
 */
function fileSteps(mode, container, has) {
  if (mode === "direct") {
    return [step("playable", "Server", "Direct", ["sent as it is"]), step("playable", "Browser", container, has)];
  }
  return [
    step("converted", "Server", "HLS", ["segments are made when they are requested"]),
    step("playable", "Browser", "HLS", ["seeks by itself"]),
  ];
}

/**
 * @param {"source" | "converted" | "playable"} kind
 * @param {string} place
 * @param {string} head
 * @param {(string | null)[]} lines
 */
function step(kind, place, head, lines) {
  const rest = lines.filter(Boolean).map((line) => h("span", {}, line));
  return h("li", { class: kind }, h("span.place", {}, place), h("strong", {}, head), ...rest);
}

/**
 * Why tracks are not copied.
 * @param {LiveWay} way
 */
function reasons({ plan }) {
  /** @type {[string, TrackPlan | null | undefined][]} */
  const parts = [
    ["Video", plan?.video],
    ["Audio", plan?.audio],
  ];
  return parts.flatMap(([name, part]) => (part?.why && part.action !== "copy" ? [`${name}: ${part.why}.`] : []));
}
