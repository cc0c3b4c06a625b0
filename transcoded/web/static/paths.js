// Paths of the library: names in them, and the page's own links to them.

/**
 * A lone surrogate cannot stand in a URL; for its replacement the server answers 404.
 * @param {string} segment
 */
const encodeSegment = (segment) =>
  segment === "." || segment === ".."
    ? segment.replaceAll(".", "%2E")
    : encodeURIComponent(segment.replace(/\p{Surrogate}/gu, "\uFFFD"));

/** @param {string} segment */
function decodeSegment(segment) {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** @param {string} path */
export const encodePath = (path) => path.split("/").map(encodeSegment).join("/");

/** @param {string} path */
export const decodePath = (path) => path.split("/").map(decodeSegment).join("/");

/**
 * "c.mp4" of "a/b/c.mp4".
 * @param {string} path
 */
export const baseName = (path) => path.slice(path.lastIndexOf("/") + 1);

/**
 * "a/b" of "a/b/c.mp4".
 * @param {string} path
 */
export const folderOf = (path) => (path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "");

/**
 * "c" of "c.mp4".
 * @param {string} name
 */
export const stem = (name) => name.replace(/(?<=.)\.[a-z0-9]{2,5}$/i, "");

/**
 * The page's view of a folder; "" is the library itself.
 * @param {string} path
 */
export const libraryLink = (path) => (path ? `#/library/${encodePath(path)}` : "#/library");

/**
 * The page's view of a file.
 * @param {string} path
 */
export const playLink = (path) => `#/play/${encodePath(path)}`;
