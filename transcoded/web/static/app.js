// The router: which view is shown, who is signed in, where the focus goes.
import * as api from "./api.js";
import { announce } from "./dom.js";
import * as library from "./library.js";
import * as login from "./login.js";
import * as resume from "./resume.js";

const main = document.getElementById("main");
const signOut = document.getElementById("sign-out");

let current = null; // AbortController of the view that is shown
let first = true;
let asking = false;
let session = null;

// The player and the dashboard are fetched when they are first needed.
const VIEWS = {
  library: async () => library.show,
  play: async () => (await import("./player.js")).show,
  dashboard: async () => (await import("./dashboard.js")).show,
};

function route() {
  const [, view = "library", path = ""] = /^#\/(\w+)(?:\/(.*))?$/s.exec(location.hash) ?? [];
  return view in VIEWS ? { view, path: api.decodePath(path).replace(/\/+$/, "") } : { view: "library", path: "" };
}

async function render() {
  if (location.hash && !location.hash.startsWith("#/")) return;
  current?.abort();
  const own = current = new AbortController();
  const { view, path } = route();
  asking = false;
  document.body.dataset.view = view;
  for (const link of document.querySelectorAll(".tabs a")) {
    const here = link.dataset.view === view || (view === "play" && link.dataset.view === "library");
    if (here) link.setAttribute("aria-current", view === "play" ? "true" : "page");
    else link.removeAttribute("aria-current");
  }
  session ??= api.session();
  const [show, known] = await Promise.all([VIEWS[view](), session]);
  if (own.signal.aborted) return;
  window.scrollTo(0, 0);
  settle(await show(main, path, { signal: own.signal, session: known }), own);
}

function settle(shown, own) {
  if (!shown || own.signal.aborted || asking) return;
  document.title = shown.title === "Library" ? "transcoded" : `${shown.title} · transcoded`;
  if (!first) {
    const focus = shown.focus ?? shown.heading;
    focus?.focus({ preventScroll: !shown.focus });
    if (shown.focus) shown.focus.scrollIntoView({ block: "center" });
    announce(shown.title);
  }
  first = false;
}

function ask() {
  if (asking) return;
  asking = true;
  current?.abort();
  document.body.dataset.view = "login";
  signOut.hidden = true;
  const shown = login.show(main, () => {
    session = null;
    first = false;
    offerSignOut();
    render();
  });
  document.title = `${shown.title} · transcoded`;
}

async function offerSignOut() {
  session ??= api.session();
  const { via } = await session;
  signOut.hidden = via !== "cookie";
}

signOut.addEventListener("click", async () => {
  await api.logout().catch(() => null);
  session = null;
  ask();
});

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
  main.scrollIntoView();
});
document.addEventListener("sign-in-needed", ask);
window.addEventListener("hashchange", render);
resume.prune();
offerSignOut();
render();
