// Why streams end, in words, and how bad each reason is.

/** @import { Reason } from "./api-types.js" */

/** @typedef {{ meaning: string, tone: "good" | "plain" | "warn" | "bad" }} Explained */

/** @type {Record<Reason, Explained>} */
const REASONS = {
  finished: { tone: "good", meaning: "The transcoder reached the end of the file" },
  failed: { tone: "bad", meaning: "The transcoder exited with an error" },
  "client-gone": { tone: "plain", meaning: "The client closed the connection" },
  "client-stalled": { tone: "warn", meaning: "The client read nothing for too long" },
  stopped: { tone: "plain", meaning: "It was stopped on the dashboard or through the API" },
  "file-released": { tone: "plain", meaning: "The file was needed for something else, such as being moved or deleted" },
  hung: { tone: "bad", meaning: "The transcoder made no progress" },
  expired: { tone: "plain", meaning: "It ran for as long as the server allows" },
  overload: { tone: "warn", meaning: "The machine ran short of memory" },
  preempted: { tone: "warn", meaning: "Its slot was needed for another stream" },
  idle: { tone: "plain", meaning: "Nobody requested its segments any more" },
  superseded: { tone: "plain", meaning: "A transcoder at another position of the file replaced it" },
  shutdown: { tone: "plain", meaning: "The daemon was stopped" },
};

/**
 * A page that is older than the daemon may not know a reason.
 * @param {string} reason
 * @returns {Explained}
 */
export const explain = (reason) =>
  /** @type {Partial<Record<string, Explained>>} */ (REASONS)[reason] ?? { tone: "plain", meaning: "" };
