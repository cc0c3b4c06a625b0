// The position at which each file was left, kept in this browser.

const PREFIX = "transcoded:at:";
const MAX_KEPT = 300;

/**
 * `at` and `duration` are in seconds, `seen` in milliseconds since the epoch.
 * @typedef {{ at: number, duration: number | null, seen: number }} Left
 */

/** The browser's storage, or null if its settings forbid it. */
function storage() {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}

/**
 * @param {unknown} value
 * @returns {value is Left}
 */
function isLeft(value) {
  return (
    typeof value === "object" &&
    value !== null &&
    "at" in value &&
    typeof value.at === "number" &&
    "duration" in value &&
    (value.duration === null || typeof value.duration === "number") &&
    "seen" in value &&
    typeof value.seen === "number"
  );
}

/**
 * Where a file was left, or null.
 * @param {string} path
 */
export function get(path) {
  try {
    /** @type {unknown} */
    const value = JSON.parse(storage()?.getItem(PREFIX + path) ?? "null");
    return isLeft(value) ? value : null;
  } catch {
    return null;
  }
}

/**
 * Keep a position. Near the beginning or the end, the file is forgotten instead.
 * @param {string} path
 * @param {number} at
 * @param {number} duration  NaN or 0 where it is not known
 */
export function put(path, at, duration) {
  const kept = storage();
  if (!kept) return;
  const worthIt = at > 10 && (!duration || at < duration - Math.max(10, duration * 0.03));
  const left = { at: Math.round(at * 10) / 10, duration, seen: Date.now() };
  try {
    if (worthIt) kept.setItem(PREFIX + path, JSON.stringify(left));
    else kept.removeItem(PREFIX + path);
  } catch {
    prune(MAX_KEPT / 2); // the storage is full
  }
}

/**
 * Forget all but the latest positions.
 * @param {number} [keep]
 */
export function prune(keep = MAX_KEPT) {
  const kept = storage();
  if (!kept) return;
  const keys = Object.keys(kept).filter((key) => key.startsWith(PREFIX));
  if (keys.length <= keep) return;
  /** @param {string} key */
  const seen = (key) => get(key.slice(PREFIX.length))?.seen ?? 0;
  for (const key of keys.sort((a, b) => seen(b) - seen(a)).slice(keep)) kept.removeItem(key);
}
