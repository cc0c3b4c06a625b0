// The daemon's HTTP API as the page uses it. Every URL is relative to the page, so it works below any prefix.
import { encodePath } from "./paths.js";
import { Problem, noAnswer, problemOf } from "./problem.js";

/** @import { Ending, Endings, Entry, Listing, LiveStreams, Probe, Session } from "./api-types.js" */

/** The event on `document` that says that the visitor has to sign in. */
export const SIGN_IN_NEEDED = "sign-in-needed";

/** Ask the visitor to sign in. */
export const askToSignIn = () => document.dispatchEvent(new CustomEvent(SIGN_IN_NEEDED));

/**
 * The URL of a media file, or of something made of it ("probe.json", "stream.mp4" and so on). Parameters that are null are
 * left out.
 * @param {string} path
 * @param {string} [name]
 * @param {Record<string, string | number | null>} [query]
 */
export function mediaUrl(path, name = "", query = {}) {
  const url = new URL(`media/${encodePath(path)}${name && `/${name}`}`, document.baseURI);
  for (const [parameter, value] of Object.entries(query)) {
    if (value !== null) url.searchParams.set(parameter, String(value));
  }
  return url.href;
}

/** @param {string} route */
const apiUrl = (route) => new URL(`api/v1/${route}`, document.baseURI).href;

/**
 * `fetch` that throws a Problem where the answer is not 2xx. With 401 the visitor is asked to sign in, unless `mayBe401`.
 * @param {string} url
 * @param {RequestInit} [options]
 * @param {{ mayBe401?: boolean }} [more]
 */
async function request(url, options = {}, { mayBe401 = false } = {}) {
  let response;
  try {
    response = await fetch(url, { credentials: "same-origin", ...options });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw noAnswer();
  }
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (problem.status === 401 && !mayBe401) askToSignIn();
  throw problem;
}

/**
 * The JSON of an answer. It is not checked against its type: page and API come from the same package.
 * @template T
 * @param {string} url
 * @param {RequestInit} [options]
 * @param {{ mayBe401?: boolean }} [more]
 * @returns {Promise<T>}
 */
async function json(url, options, more) {
  const response = await request(url, options, more);
  /** @type {unknown} */
  const value = await response.json();
  return /** @type {T} */ (value);
}

/**
 * All entries of a folder, whose pages are fetched one after the other.
 * @param {string} path
 * @param {AbortSignal} signal
 * @returns {Promise<Entry[]>}
 */
export async function library(path, signal) {
  const url = apiUrl(`library/${path && encodePath(path)}`);
  /** @type {Entry[]} */
  const entries = [];
  /** @type {string | null} */
  let cursor = "";
  while (cursor !== null) {
    /** @type {Listing} */
    const page = await json(cursor ? `${url}?cursor=${cursor}` : url, { signal });
    entries.push(...page.entries);
    cursor = page.next_cursor;
  }
  return entries;
}

/**
 * @param {string} path
 * @param {AbortSignal} signal
 * @returns {Promise<Probe>}
 */
export const probe = (path, signal) => json(mediaUrl(path, "probe.json"), { signal });

/**
 * @param {AbortSignal} signal
 * @returns {Promise<LiveStreams>}
 */
export const streams = (signal) => json(apiUrl("streams"), { signal });

/**
 * @param {number} limit
 * @param {AbortSignal} signal
 * @returns {Promise<Endings>}
 */
export const endings = (limit, signal) => json(apiUrl(`endings?limit=${limit}`), { signal });

/**
 * @param {string} id
 * @returns {Promise<Ending>}
 */
export const stopStream = (id) => json(apiUrl(`streams/${encodeURIComponent(id)}`), { method: "DELETE" });

/** The server-sent events. */
export const events = () => new EventSource(apiUrl("events"));

/**
 * What this visitor may do. If the server does not say, the page offers everything; a view that fails shows the problem.
 * @returns {Promise<Session>}
 */
export async function session() {
  try {
    return await json(apiUrl("session"), {}, { mayBe401: true });
  } catch (error) {
    const signedOut = error instanceof Problem && (error.status === 401 || error.status === 403);
    return { role: signedOut ? null : "admin", via: "open" };
  }
}

/**
 * Why nobody may sign in over this connection, or null if one may. A key must not even be typed then: it would be sent in clear.
 * @returns {Promise<string | null>}
 */
export async function whyNoSignIn() {
  try {
    await json(apiUrl("session"), {}, { mayBe401: true });
    return null;
  } catch (error) {
    return error instanceof Problem && error.status === 403 ? error.detail : null;
  }
}

/** @param {string} key */
export const login = (key) =>
  request(
    new URL("login", document.baseURI).href,
    { method: "POST", body: new URLSearchParams({ key }) },
    { mayBe401: true },
  );

export async function logout() {
  // Whoever is signed out cannot leave any more.
  await left;
  return request(new URL("logout", document.baseURI).href, { method: "POST" }, { mayBe401: true });
}

/** @type {Promise<unknown>} of the latest request to leave */
let left = Promise.resolve();

/**
 * Tell the server that this viewer needs no more segments of a file. The request is sent even while the page is closed.
 * @param {string} path
 */
export function leaveSegments(path) {
  const options = /** @type {const} */ ({ method: "POST", credentials: "same-origin", keepalive: true });
  // Without it, their encoders end after the idle timeout.
  left = fetch(mediaUrl(path, "cmaf/leave"), options).catch(() => null);
}
