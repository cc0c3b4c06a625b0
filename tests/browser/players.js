// One face for four players, so that the tests can ask each for the same things. `?player=` says which, `?url=` what it plays.
const asked = new URLSearchParams(location.search);
const video = document.querySelector("video");
const url = asked.get("url");
const log = { fatal: [], warnings: [] };

const script = (name) => new Promise((loaded, failed) => {
  document.head.append(Object.assign(document.createElement("script"), { src: name, onload: loaded, onerror: failed }));
});

const players = {
  async native() {
    video.src = url;
    return { heights: () => [], quality() {}, sounds: () => 0, sound() {} };
  },

  async hls() {
    await script("hls.js/dist/hls.js");
    const hls = new Hls();
    hls.on(Hls.Events.ERROR, (_, data) => (data.fatal ? log.fatal : log.warnings).push(`${data.type} ${data.details} ${data.error ?? ""}`));
    hls.loadSource(url);
    hls.attachMedia(video);
    return {
      heights: () => hls.levels.map((level) => level.height),
      quality: (at) => { hls.currentLevel = at; },
      sounds: () => hls.audioTracks.length,
      sound: (at) => { hls.audioTrack = at; },
    };
  },

  async dash() {
    await script("dashjs/dist/modern/umd/dash.all.debug.js");
    const player = dashjs.MediaPlayer().create();
    player.on("error", (event) => log.fatal.push(JSON.stringify(event.error?.message ?? event.error)));
    player.updateSettings({ debug: { logLevel: 1 }, streaming: { abr: { autoSwitchBitrate: { video: false } } } });
    player.initialize(video, url, true);
    const shown = () => player.getRepresentationsByType("video");
    return {
      heights: () => shown().map((one) => one.height),
      quality: (at) => { player.setRepresentationForTypeById("video", shown()[at].id, true); },
      sounds: () => player.getTracksFor("audio").length,
      sound: (at) => { player.setCurrentTrack(player.getTracksFor("audio")[at]); },
    };
  },

  async shaka() {
    await script("shaka-player/dist/shaka-player.compiled.debug.js");
    const player = new shaka.Player();
    player.addEventListener("error", ({ detail }) => (detail.severity === 2 ? log.fatal : log.warnings).push(`${detail.code} ${detail.data}`));
    await player.attach(video);
    player.configure({ abr: { enabled: false } });
    await player.load(url);
    const heights = () => [...new Set(player.getVideoTracks().map((track) => track.height))];
    return {
      heights,
      quality: (at) => { player.selectVideoTrack(player.getVideoTracks().find((track) => track.height === heights()[at]), true); },
      sounds: () => player.getAudioTracks().length,
      sound: (at) => { player.selectAudioTrack(player.getAudioTracks()[at]); },
    };
  },
};

// What a picture shows: eight columns, black or white, are the lowest bits of its number.
const canvas = Object.assign(document.createElement("canvas"), { width: 8, height: 1 });
const context = canvas.getContext("2d", { willReadFrequently: true });
let picture = null;
function look(_, { mediaTime }) {
  context.drawImage(video, 0, 0, 8, 1);
  const { data } = context.getImageData(0, 0, 8, 1);
  let number = 0;
  for (let bit = 0; bit < 8; bit += 1) if (data[4 * bit] > 127) number += 1 << bit;
  picture = { number, mediaTime };
  video.requestVideoFrameCallback(look);
}
video.requestVideoFrameCallback(look);

// What is heard: the tone that is loudest, in hertz.
const sounds = new AudioContext();
const analyser = new AnalyserNode(sounds, { fftSize: 4096, smoothingTimeConstant: 0 });
sounds.createMediaElementSource(video).connect(analyser);
analyser.connect(sounds.destination);
function tone() {
  const levels = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(levels);
  const loudest = levels.indexOf(Math.max(...levels));
  return levels[loudest] > -60 ? (loudest * sounds.sampleRate) / analyser.fftSize : null;
}

video.addEventListener("error", () => log.fatal.push(`element: ${video.error?.code} ${video.error?.message}`));

globalThis.state = () => ({
  time: video.currentTime,
  duration: video.duration,
  ready: video.readyState,
  seeking: video.seeking,
  ended: video.ended,
  height: video.videoHeight,
  frames: video.webkitDecodedFrameCount,
  shown: video.getVideoPlaybackQuality().totalVideoFrames,
  sound: video.webkitAudioDecodedByteCount,
  picture,
  tone: tone(),
  ...log,
});

globalThis.player = await players[asked.get("player")]();
await video.play();
