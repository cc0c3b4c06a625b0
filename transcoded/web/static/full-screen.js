// Full screen: the button, and the way that iPhones need.
import { setIcon } from "./icons.js";
import { toolButton } from "./tool.js";

/**
 * `toggle` is what the button does, for the keyboard and the mouse as well.
 * @param {HTMLElement} stage
 * @param {HTMLVideoElement} video
 * @param {AbortSignal} signal
 */
export function fullScreen(stage, video, signal) {
  const toggle = () => {
    if (document.fullscreenElement) void document.exitFullscreen();
    else if (!("requestFullscreen" in stage)) enterOnPhone(video);
    else stage.requestFullscreen().catch(() => null); // not allowed: the page stays as it is
  };
  const button = toolButton("expand", "Full screen", toggle, "f");
  const changed = () => {
    const full = document.fullscreenElement === stage;
    setIcon(button, full ? "shrink" : "expand");
    button.setAttribute("aria-label", full ? "Exit full screen" : "Full screen");
  };
  document.addEventListener("fullscreenchange", changed, { signal });
  return { button, toggle };
}

/**
 * On an iPhone only the video itself can fill the screen, by a method that only WebKit has.
 * @param {HTMLVideoElement & { webkitEnterFullscreen?: () => void }} video
 */
function enterOnPhone(video) {
  video.webkitEnterFullscreen?.();
}
