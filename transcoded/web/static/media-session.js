// The file in the system's own media controls, such as a lock screen or the media keys of a keyboard.

/** @import { Engine } from "./engine.js" */

/** Seconds that a skip goes. */
const SKIP = 10;

/**
 * @param {string} title
 * @param {string | null} artwork  URL of a thumbnail
 * @param {HTMLVideoElement} video
 * @param {Engine} engine
 * @param {AbortSignal} signal
 */
export function addMediaSession(title, artwork, video, engine, signal) {
  if (!("mediaSession" in navigator)) return;
  const session = navigator.mediaSession;
  session.metadata = new MediaMetadata({ title, artist: "transcoded", artwork: artwork ? [{ src: artwork }] : [] });
  /** @type {[MediaSessionAction, MediaSessionActionHandler][]} */
  const acts = [
    ["play", () => video.play()],
    ["pause", () => engine.pause()],
    ["seekbackward", () => engine.seek(engine.position - SKIP)],
    ["seekforward", () => engine.seek(engine.position + SKIP)],
    ["seekto", ({ seekTime }) => engine.seek(seekTime ?? engine.position)],
  ];
  for (const [name, act] of acts) session.setActionHandler(name, act);
  const end = () => {
    session.metadata = null;
    for (const [name] of acts) session.setActionHandler(name, null);
  };
  signal.addEventListener("abort", end, { once: true });
}
