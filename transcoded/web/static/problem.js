// What went wrong: the server's problem document (RFC 9457), or what is known without one.

/** A request or a stream that failed. `status` is 0 if it is not from an answer; `retryAfter` is in seconds. */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {string} title
   * @param {string} [detail]
   * @param {number | null} [retryAfter]
   */
  constructor(status, title, detail = "", retryAfter = null) {
    super(detail || title);
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.retryAfter = retryAfter;
  }
}

/** The server has not answered. */
export const noAnswer = () =>
  new Problem(0, "The server does not answer", "Is the daemon running, and can this device reach it?");

/**
 * A caught error as a Problem.
 * @param {unknown} error
 */
export const asProblem = (error) => (error instanceof Problem ? error : new Problem(0, "Something failed"));

/**
 * The problem in an answer; made from the status if there is no problem document.
 * @param {Response} response
 */
export async function problemOf(response) {
  const type = response.headers.get("Content-Type") ?? "";
  /** @type {unknown} */
  const body = type.includes("json") ? await response.json().catch(() => null) : null;
  const title = textOf(body, "title") || response.statusText || `Error ${response.status}`;
  const retryAfter = Number(response.headers.get("Retry-After")) || null;
  return new Problem(response.status, title, textOf(body, "detail"), retryAfter);
}

/**
 * A text in a decoded document, or an empty text.
 * @param {unknown} body
 * @param {string} name
 */
function textOf(body, name) {
  if (typeof body !== "object" || body === null) return "";
  const value = /** @type {Record<string, unknown>} */ (body)[name];
  return typeof value === "string" ? value : "";
}
