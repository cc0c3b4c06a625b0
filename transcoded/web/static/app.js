// The router: which view is shown, who is signed in, where the focus goes.
import * as api from "./api.js";
import { announce, find } from "./dom.js";
import * as library from "./library.js";
import * as login from "./login.js";
import { decodePath } from "./paths.js";
import * as resume from "./resume.js";

/** @import { Session } from "./api-types.js" */

/**
 * `signal` is aborted when the view is left.
 * @typedef {{ signal: AbortSignal, session: Session }} ViewContext
 */

/**
 * What a view returns once it is shown. The focus goes to `focus` if there is one, else to the heading.
 * @typedef {{ title: string, heading: HTMLElement, focus?: HTMLElement | undefined }} Shown
 */

/**
 * Shows a view of a path in the main element. Resolves to null if the view was left before it was complete.
 * @typedef {(main: HTMLElement, path: string, context: ViewContext) => Promise<Shown | null>} View
 */

/**
 * The player and the dashboard are fetched when they are first needed.
 * @type {Record<"library" | "play" | "dashboard", () => Promise<View>>}
 */
const VIEWS = {
  library: () => Promise.resolve(library.show),
  play: async () => (await import("./player.js")).show,
  dashboard: async () => (await import("./dashboard.js")).show,
};

const main = find(document, "#main", HTMLElement);
const signOut = find(document, "#sign-out", HTMLButtonElement);

/** @type {AbortController | null} of the view that is shown */
let current = null;
let first = true;
let asking = false;
/** @type {Promise<Session> | null} */
let session = null;

/**
 * @param {string} name
 * @returns {name is keyof typeof VIEWS}
 */
const isView = (name) => Object.hasOwn(VIEWS, name);

/** The view and the path in the page's address. */
function route() {
  const [, view = "library", path = ""] = /^#\/(\w+)(?:\/(.*))?$/s.exec(location.hash) ?? [];
  return isView(view)
    ? { view, path: decodePath(path).replace(/\/+$/, "") }
    : { view: /** @type {const} */ ("library"), path: "" };
}

async function render() {
  if (location.hash && !location.hash.startsWith("#/")) return;
  current?.abort();
  const own = (current = new AbortController());
  const { view, path } = route();
  asking = false;
  document.body.dataset.view = view;
  markTab(view);
  session ??= api.session();
  const [show, known] = await Promise.all([VIEWS[view](), session]);
  if (own.signal.aborted) return;
  window.scrollTo(0, 0);
  const shown = await show(main, path, { signal: own.signal, session: known });
  if (shown) settle(shown, own.signal);
}

/** @param {string} view */
function markTab(view) {
  const tab = view === "play" ? "library" : view;
  for (const link of document.querySelectorAll(".tabs a")) {
    if (!(link instanceof HTMLElement) || link.dataset.view !== tab) link.removeAttribute("aria-current");
    else link.setAttribute("aria-current", view === tab ? "page" : "true");
  }
}

/**
 * Set the title and the focus for a view, unless it was left meanwhile.
 * @param {Shown} shown
 * @param {AbortSignal} signal
 */
function settle({ title, heading, focus }, signal) {
  if (signal.aborted || asking) return;
  document.title = title === "Library" ? "transcoded" : `${title} · transcoded`;
  if (!first) {
    (focus ?? heading).focus({ preventScroll: !focus });
    focus?.scrollIntoView({ block: "center" });
    announce(title);
  }
  first = false;
}

/** Show the form that asks for a key, instead of a view. */
function askForKey() {
  if (asking) return;
  asking = true;
  current?.abort();
  document.body.dataset.view = "login";
  signOut.hidden = true;
  const { title } = login.show(main, () => {
    session = null;
    first = false;
    void offerSignOut();
    void render();
  });
  document.title = `${title} · transcoded`;
}

async function offerSignOut() {
  session ??= api.session();
  const { via } = await session;
  signOut.hidden = via !== "cookie";
}

signOut.addEventListener("click", () => {
  const signedOut = () => {
    session = null;
    askForKey();
  };
  // The player leaves first, so that its encoders end now.
  current?.abort();
  api.logout().then(signedOut, signedOut);
});

find(document, ".skip", HTMLElement).addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
  main.scrollIntoView();
});
document.addEventListener(api.SIGN_IN_NEEDED, askForKey);
window.addEventListener("hashchange", () => void render());
resume.prune();
void offerSignOut();
void render();
