// Tells when a video has been paused for so long that its slot is better given to others.

/** Milliseconds. */
const MAX_PAUSE = 120_000;

/**
 * @param {HTMLVideoElement} video
 * @param {() => unknown} run
 * @param {AbortSignal} signal  the end of the view
 */
export function afterLongPause(video, run, signal) {
  let timer = 0;
  const stop = () => clearTimeout(timer);
  const begin = () => {
    stop();
    timer = setTimeout(() => video.paused && run(), MAX_PAUSE);
  };
  video.addEventListener("pause", begin, { signal });
  video.addEventListener("play", stop, { signal });
  signal.addEventListener("abort", stop, { once: true });
}
