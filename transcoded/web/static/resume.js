// Where each file was left, in this browser only.
const PREFIX = "transcoded:at:";
const KEPT = 300;

/** The browser's storage, or null where its settings forbid it. */
export function store() {
  try { return window.localStorage; } catch { return null; }
}

/** {at, duration, seen} in seconds and milliseconds since the epoch, or null. */
export function get(path) {
  try { return JSON.parse(store()?.getItem(PREFIX + path) ?? "null"); } catch { return null; }
}

/** Keep a position; one near the beginning or the end is dropped instead. */
export function put(path, at, duration) {
  const kept = store();
  if (!kept) return;
  const worth = at > 10 && (!duration || at < duration - Math.max(10, duration * 0.03));
  try {
    if (worth) kept.setItem(PREFIX + path, JSON.stringify({ at: Math.round(at * 10) / 10, duration, seen: Date.now() }));
    else kept.removeItem(PREFIX + path);
  } catch { // full: forget the oldest half
    prune(kept, KEPT / 2);
  }
}

export function prune(kept = store(), keep = KEPT) {
  if (!kept) return;
  const all = Object.keys(kept).filter((key) => key.startsWith(PREFIX));
  if (all.length <= keep) return;
  const seen = (key) => get(key.slice(PREFIX.length))?.seen ?? 0;
  for (const key of all.sort((a, b) => seen(b) - seen(a)).slice(keep)) kept.removeItem(key);
}
