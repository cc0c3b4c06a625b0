// Four players behind one interface, so that the tests can ask the same of each. `?player=` names one, `?url=` what it plays.
// Each is set up as docs/http-api.md recommends. `?progressive` lets hls.js take segments while they are loaded.

/**
 * What a test can do with a player. Videos and audio tracks are counted from 0.
 * @typedef {object} Player
 * @property {() => Size[]} videos  what it offers
 * @property {(at: number) => void} selectVideo
 * @property {() => Sound[]} sounds  what it offers
 * @property {(at: number) => void} selectSound
 * @property {() => void} showText  the first subtitles
 * @property {(time: number) => Promise<Tile | null>} tile  the small picture for a time in seconds; null: it shows none
 * @property {(rate: number) => void} [fast]  play so many times faster, with the pictures for that; 1: as usual
 */

const asked = new URLSearchParams(location.search);
const name = asked.get("player") ?? "";
const url = asked.get("url") ?? "";
const found = document.querySelector("video");
if (!found) throw new Error("The page has no video.");
const video = found;

/** Bits per second: more than any original here has, so that a player that knows nothing of the line begins with it. */
const GOOD_LINE = 1e8;

/** What went wrong. A fatal error ends the test. */
const log = {
  /** @type {string[]} */
  fatal: [],
  /** @type {string[]} */
  warnings: [],
};

/**
 * @param {string} src
 * @returns {Promise<void>}
 */
const script = (src) =>
  new Promise((resolve, reject) => {
    const node = document.createElement("script");
    node.src = src;
    node.onload = () => resolve();
    node.onerror = () => reject(new Error(`${src} could not be loaded`));
    document.head.append(node);
  });

/**
 * @template T
 * @param {T[]} list
 * @param {number} at
 * @returns {T}
 */
function pick(list, at) {
  const one = list[at];
  if (one === undefined) throw new Error(`There are ${list.length}, so there is no number ${at}.`);
  return one;
}

/** @type {Player["tile"]} */
const noTile = () => Promise.resolve(null);

/** @type {Record<string, () => Promise<Player>>} */
const players = {
  native() {
    video.src = url;
    const none = () => undefined;
    return Promise.resolve({
      videos: () => [],
      selectVideo: none,
      sounds: () => [],
      selectSound: none,
      showText: none,
      tile: noTile,
    });
  },

  async hls() {
    await script("hls.js/dist/hls.min.js");
    const hls = new Hls({ abrEwmaDefaultEstimateMax: GOOD_LINE, progressive: asked.has("progressive") });
    hls.on(Hls.Events.ERROR, (_, { fatal, type, details, error }) => {
      (fatal ? log.fatal : log.warnings).push(`${type} ${details} ${error?.message ?? ""}`);
    });
    hls.loadSource(url);
    hls.attachMedia(video);
    return {
      videos: () => hls.levels.map(({ height, bitrate }) => ({ height, bandwidth: bitrate })),
      selectVideo: (at) => {
        hls.currentLevel = at;
      },
      sounds: () => hls.allAudioTracks.map(({ lang = "", audioCodec = "" }) => ({ language: lang, codec: audioCodec })),
      selectSound: (at) => {
        // Without its group: the one that belongs to the video that plays.
        const { lang, audioCodec } = pick(hls.allAudioTracks, at);
        hls.setAudioOption({ lang, audioCodec });
      },
      showText: () => {
        hls.subtitleTrack = 0;
        hls.subtitleDisplay = true;
      },
      tile: noTile,
    };
  },

  async dash() {
    await script("dashjs/dist/modern/umd/dash.all.min.js");
    const player = dashjs.MediaPlayer().create();
    player.on("error", ({ error }) => {
      // What else an error has leads to the whole manifest.
      log.fatal.push(typeof error === "string" ? error : `${error.code} ${error.message}`);
    });
    player.updateSettings({ debug: { logLevel: 1 } });
    player.initialize(video, url, true);
    // The video as it is is a track of its own, beside that of the encodes.
    const sizes = () =>
      player.getTracksFor("video").flatMap((track) => track.bitrateList.map((size) => ({ track, size })));
    const sounds = () => player.getTracksFor("audio");
    return {
      videos: () => sizes().map(({ size }) => ({ height: size.height, bandwidth: size.bandwidth })),
      selectVideo: (at) => {
        const { track, size } = pick(sizes(), at);
        player.updateSettings({ streaming: { abr: { autoSwitchBitrate: { video: false } } } });
        if (player.getCurrentTrackFor("video")?.id !== track.id) player.setCurrentTrack(track);
        if (track.bitrateList.length > 1) player.setRepresentationForTypeById("video", size.id ?? "", true);
      },
      sounds: () => sounds().map(({ lang, codec }) => ({ language: lang ?? "", codec })),
      selectSound: (at) => player.setCurrentTrack(pick(sounds(), at)),
      showText: () => player.setTextTrack(0),
      tile: (time) => new Promise((resolve) => player.provideThumbnail(time, resolve)),
    };
  },

  async shaka() {
    await script("shaka-player/dist/shaka-player.compiled.js");
    const player = new shaka.Player();
    player.addEventListener("error", ({ detail }) => {
      (detail.severity === 2 ? log.fatal : log.warnings).push(`${detail.code} ${String(detail.data)}`);
    });
    await player.attach(video);
    player.configure({
      // On a busy machine the line is not always good, and then it would take another one, rightly.
      abr: { enabled: false, defaultBandwidthEstimate: GOOD_LINE, useNetworkInformation: false },
      preferredVideo: ["av01", "vp09", "hvc1"].map((codec) => ({ codec })),
      // In Firefox it may abort the request for an init segment that it has begun in advance, and then waits for it forever
      // (https://github.com/shaka-project/shaka-player/issues/10569).
      ...(navigator.userAgent.includes("Firefox/") ? { streaming: { segmentPrefetchLimit: 0 } } : {}),
    });
    await player.load(url);
    return {
      videos: () => player.getVideoTracks().map(({ height, bandwidth }) => ({ height, bandwidth })),
      selectVideo: (at) => {
        player.selectVideoTrack(pick(player.getVideoTracks(), at), true);
      },
      sounds: () => player.getAudioTracks().map(({ language, codecs }) => ({ language, codec: codecs ?? "" })),
      selectSound: (at) => player.selectAudioTrack(pick(player.getAudioTracks(), at)),
      showText: () => player.selectTextTrack(pick(player.getTextTracks(), 0)),
      fast: (rate) => (rate === 1 ? player.cancelTrickPlay() : player.trickPlay(rate)),
      tile: async (time) => {
        const shown = await player.getThumbnails(pick(player.getImageTracks(), 0).id, time);
        if (!shown) return null;
        const { positionX: x, positionY: y, width, height, uris } = shown;
        return { url: pick(uris, 0), x, y, width, height };
      },
    };
  },
};

// The number of the frame on display: eight columns, black or white, are its lowest bits.
const canvas = document.createElement("canvas");
canvas.width = 8;
canvas.height = 1;
const context = canvas.getContext("2d", { willReadFrequently: true });
/** @type {{ number: number, mediaTime: number } | null} */
let frame = null;

/** @type {VideoFrameRequestCallback} */
function read(_, { mediaTime }) {
  if (!context) throw new Error("The canvas cannot be drawn on.");
  context.drawImage(video, 0, 0, 8, 1);
  const { data } = context.getImageData(0, 0, 8, 1);
  const bits = Array.from({ length: 8 }, (_one, bit) => ((data[4 * bit] ?? 0) > 127 ? 1 << bit : 0));
  frame = { number: bits.reduce((sum, bit) => sum + bit), mediaTime };
  video.requestVideoFrameCallback(read);
}
video.requestVideoFrameCallback(read);

// The tone that is heard: the loudest one, in hertz.
const audio = new AudioContext();
const analyser = new AnalyserNode(audio, { fftSize: 4096, smoothingTimeConstant: 0 });
audio.createMediaElementSource(video).connect(analyser);
analyser.connect(audio.destination);

function tone() {
  const levels = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(levels);
  const loudest = Math.max(...levels);
  return loudest > -60 ? (levels.indexOf(loudest) * audio.sampleRate) / analyser.fftSize : null;
}

video.addEventListener("error", () => {
  log.fatal.push(`element: ${video.error?.code} ${video.error?.message}`);
});

globalThis.state = () => ({
  time: video.currentTime,
  duration: video.duration,
  ready: video.readyState,
  seeking: video.seeking,
  ended: video.ended,
  height: video.videoHeight,
  videoFrames: video.getVideoPlaybackQuality().totalVideoFrames,
  audio: video.webkitAudioDecodedByteCount ?? 0,
  frame,
  tone: tone(),
  ...log,
});

const start = players[name];
if (!start) throw new Error(`There is no player ${name}.`);
globalThis.player = await start();
await video.play();
