// Asks the server why a stream failed or ended: a <video> does not know.
import * as api from "./api.js";
import { Problem, noAnswer, problemOf } from "./problem.js";

/** @import { Reason } from "./api-types.js" */

/**
 * The reasons for which the server ends a stream on purpose. Such a stream must not be opened again at once.
 * @type {Partial<Record<Reason, string>>}
 */
const ON_PURPOSE = {
  stopped: "It was stopped on the dashboard or through the API.",
  "file-released": "The file is being moved or deleted.",
  shutdown: "The server is being stopped.",
  expired: "It ran for as long as the server allows.",
  preempted: "Its slot was needed for another stream.",
  overload: "The server ran short of memory.",
};

/**
 * A Problem if the newest Ending of this file says that the server ended the stream on purpose, else null.
 * @param {string} path
 * @param {AbortSignal} signal
 */
export async function endedOnPurpose(path, signal) {
  const { endings } = await api.endings(20, signal).catch(() => ({ endings: [] }));
  // The encoders of segments end and start as the player needs them.
  const last = endings.find((ending) => ending.path === path && !ending.format.startsWith("cmaf/"));
  const detail = last && ON_PURPOSE[last.reason];
  return detail ? new Problem(0, "The stream was ended", detail) : null;
}

/**
 * Request a URL to learn why it failed; null if it does not fail now. The connection is closed at once, which ends whatever
 * the request started.
 * @param {string} url
 * @param {AbortSignal} signal
 */
export async function whyItFailed(url, signal) {
  const stop = new AbortController();
  signal.addEventListener("abort", () => stop.abort(), { once: true });
  try {
    const headers = { Range: "bytes=0-0" };
    const response = await fetch(url, { credentials: "same-origin", signal: stop.signal, headers });
    return response.ok ? null : await problemOf(response);
  } catch {
    return signal.aborted ? null : noAnswer();
  } finally {
    stop.abort();
  }
}
