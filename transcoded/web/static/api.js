// The daemon's HTTP contract as seen from the page. Every URL is relative to the page, so any mount prefix works.

/** An answer that is not 2xx: RFC 9457 problem document, or what can be made of the status alone. */
export class Problem extends Error {
  constructor(status, title, detail, retryAfter = null) {
    super(detail || title);
    Object.assign(this, { status, title, detail, retryAfter });
  }
}

// A lone surrogate has no URL; the server answers the replacement with 404.
const encodeSegment = (segment) => segment === "." || segment === ".." ? segment.replaceAll(".", "%2E") : encodeURIComponent(segment.toWellFormed?.() ?? segment);
const decodeSegment = (segment) => { try { return decodeURIComponent(segment); } catch { return segment; } };

export const encodePath = (path) => path.split("/").map(encodeSegment).join("/");
export const decodePath = (path) => path.split("/").map(decodeSegment).join("/");

/** The URL of a media file, or of one of its views ("probe.json", "stream.mp4", …) with query parameters. */
export function media(path, view = "", query = {}) {
  const url = new URL(`media/${encodePath(path)}${view && `/${view}`}`, document.baseURI);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, value);
  }
  return url.href;
}

const api = (route) => new URL(`api/v1/${route}`, document.baseURI).href;

export async function problemOf(response) {
  const retry = Number(response.headers.get("Retry-After")) || null;
  const type = response.headers.get("Content-Type") ?? "";
  const body = type.includes("json") ? await response.json().catch(() => ({})) : {};
  return new Problem(response.status, body.title || response.statusText || `Error ${response.status}`, body.detail || "", retry);
}

/** fetch that throws a Problem, and tells the page when a key is needed. */
export async function request(url, options = {}) {
  let response;
  try {
    response = await fetch(url, { credentials: "same-origin", ...options });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Problem(0, "The server does not answer", "Is the daemon running, and can this device reach it?");
  }
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (response.status === 401 && !options.quiet401) document.dispatchEvent(new CustomEvent("sign-in-needed"));
  throw problem;
}

const json = async (url, options) => (await request(url, options)).json();

export const library = (path, signal) => json(api(`library/${path ? encodePath(path) : ""}`), { signal });
export const probe = (path, signal) => json(media(path, "probe.json"), { signal });
export const streams = (signal) => json(api("streams"), { signal });
export const endings = (limit, signal) => json(api(`endings?limit=${limit}`), { signal });
export const stopStream = (id) => json(api(`streams/${encodeURIComponent(id)}`), { method: "DELETE" });
export const events = () => new EventSource(api("events"));

/** What this visitor may do: {role, via}; the role is null for who has to sign in. If it cannot be asked, the view itself will say why. */
export async function session() {
  try {
    return await json(api("session"), { quiet401: true });
  } catch (problem) {
    return { role: problem.status === 401 ? null : "admin", via: "open" };
  }
}

export const login = (key) => request(new URL("login", document.baseURI), {
  method: "POST", body: new URLSearchParams({ key }), quiet401: true,
});
export const logout = () => request(new URL("logout", document.baseURI), { method: "POST", quiet401: true });

// Endings that the server has decided on: to start the stream again at once would be to overrule it.
const DECIDED = {
  stopped: "It was stopped from the dashboard.", "file-released": "The file is being moved or deleted.", shutdown: "The server is being stopped.",
  expired: "It ran for as long as the server allows.", preempted: "Its place was needed for another stream.", overload: "The server ran short of memory.",
};

/** Say that a film is watched in segments no more; it arrives even if the page is going away. */
export const leave = (path) => { fetch(media(path, "cmaf/leave"), { method: "POST", credentials: "same-origin", keepalive: true }).catch(() => null); };

/** A Problem where the server's newest Ending of this file says that it meant to end the stream, else null. */
export async function meantToEnd(path, signal) {
  const { endings: recent } = await endings(20, signal).catch(() => ({ endings: [] }));
  // Those of segments end and begin as the player asks for them.
  const last = recent.find((ending) => ending.path === path && !ending.format.startsWith("cmaf/"));
  const words = DECIDED[last?.reason];
  return words ? new Problem(0, "The stream was ended", words) : null;
}

/** Ask a stream's URL why it failed. Dropping the connection ends whatever it may have started. */
export async function whyItFailed(url, signal) {
  const stop = new AbortController();
  signal?.addEventListener("abort", () => stop.abort(), { once: true });
  try {
    const response = await fetch(url, { credentials: "same-origin", signal: stop.signal, headers: { Range: "bytes=0-0" } });
    return response.ok ? null : await problemOf(response);
  } catch {
    return signal?.aborted ? null : new Problem(0, "The server does not answer", "Is the daemon running, and can this device reach it?");
  } finally {
    stop.abort();
  }
}
