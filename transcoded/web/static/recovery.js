// What to do when a source has failed or has ended early. Pure decisions; engine.js carries them out.

/** @import { Problem } from "./problem.js" */
/** @import { Mode } from "./ways.js" */

/** How many times in a row a live stream is opened again without progress. */
const MAX_RETRIES = 2;
/** Seconds of playback after which the retries are counted from 0 again. */
const PROGRESS = 5;

/**
 * A source that failed. `progress` is how many seconds it played since it was opened, `retries` how often it was opened again,
 * `problem` what the server says about it.
 * @typedef {object} Failure
 * @property {Mode} mode
 * @property {boolean} connectionLost
 * @property {number} progress
 * @property {number} retries
 * @property {Problem | null} problem
 */

/**
 * "sign-in": ask for a key · "wait": the server is full, try again when it says · "give-up": show the problem · "reopen":
 * open the same way again · "next": try the next way, or show the problem if there is none.
 * @typedef {{ act: "sign-in" } | { act: "wait", problem: Problem } | { act: "give-up", problem: Problem } | { act: "reopen", retries: number }
 *   | { act: "next", problem: Problem | null }} Recovery
 */

/**
 * @param {Failure} failure
 * @returns {Recovery}
 */
export function afterFailure({ mode, connectionLost, progress, retries, problem }) {
  if (problem?.status === 401) return { act: "sign-in" };
  if (problem?.status === 503) return { act: "wait", problem };
  if (problem && mode !== "hls") return { act: "give-up", problem };
  if (mode === "live" && connectionLost && progress > PROGRESS) return { act: "reopen", retries: 0 };
  if (mode === "live" && connectionLost && retries < MAX_RETRIES) return { act: "reopen", retries: retries + 1 };
  return { act: "next", problem };
}

/**
 * Whether a live stream that ended was cut off: Chromium reports a broken connection as an end.
 * @param {number} left  seconds to the end of the file
 */
export const wasCutOff = (left) => left > 4;

/**
 * Whether a live stream that was cut off is opened again. Without progress, that would never end.
 * @param {number} progress
 * @param {number} retries
 */
export const reopensAfterCut = (progress, retries) => progress > 0.5 && retries < MAX_RETRIES;
