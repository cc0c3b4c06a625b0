// The library: folders and files of one path. Cards are bare links until they are near the screen, so that a folder
// of thousands costs little; lengths, codecs and pictures are fetched a few at a time, newest seen first.
import * as api from "./api.js";
import { h, icon, limiter } from "./dom.js";
import * as format from "./format.js";
import { placeholder } from "./sparkline.js";
import { problemNote } from "./problem.js";
import * as resume from "./resume.js";

const FIRST = 48;
const CHUNK = 400;
const SOUND = /\.(mp3|m4a|aac|flac|opus|ogg|oga|wav|wma|aif|aiff|ape|wv|mka|ac3|dts)$/i;
const ORDERS = {
  name: ["Name", null],
  newest: ["Newest first", (a, b) => (format.moment(b.mtime) ?? 0) - (format.moment(a.mtime) ?? 0)],
  largest: ["Largest first", (a, b) => (b.size ?? 0) - (a.size ?? 0)],
};

const probes = new Map(); // path + mtime → probe.json or Problem, for this visit of the page
const places = new Map(); // folder → the entry that was opened from it
let order = "name";

export const linkTo = (entry) => `#/${entry.type === "directory" ? "library" : "play"}/${api.encodePath(entry.path)}`;

export function crumbs(path, last = null) {
  const parts = path ? path.split("/") : [];
  const steps = [["Library", ""], ...parts.map((part, at) => [part, parts.slice(0, at + 1).join("/")])];
  return h("nav.crumbs", { "aria-label": "Breadcrumb" }, h("ol", {}, steps.map(([name, to], at) => h("li", {},
    at === steps.length - 1 && !last
      ? h("span", { "aria-current": "page" }, name)
      : h("a", { href: `#/library${to && `/${api.encodePath(to)}`}` }, name)))));
}

export async function show(main, path, { signal }) {
  const title = path ? format.baseName(path) : "Library";
  const heading = h("h1", { tabindex: "-1" }, title);
  const tally = h("p.tally", { role: "status" });
  const body = h("div.shelf", { "aria-busy": "true" });
  const head = h("div.head", {}, h("div", {}, heading, tally));
  main.replaceChildren(...[path ? crumbs(path) : null, head, body].filter(Boolean));
  const waiting = setTimeout(() => body.append(...Array.from({ length: 8 }, () => h("div.ghost"))), 150);
  body.classList.add("grid");

  let entries;
  try {
    ({ entries } = await api.library(path, signal));
  } catch (problem) {
    if (signal.aborted) return null;
    body.classList.remove("grid");
    body.replaceChildren(problemNote(problem, () => show(main, path, { signal })));
    return { title, heading };
  } finally {
    clearTimeout(waiting);
    body.removeAttribute("aria-busy");
  }
  body.classList.remove("grid");
  body.replaceChildren();
  return fill({ main, path, entries, title, heading, tally, head, body, signal });
}

function fill({ main, path, entries, title, heading, tally, head, body, signal }) {
  const folders = entries.filter((entry) => entry.type === "directory");
  const files = entries.filter((entry) => entry.type !== "directory");
  const folderList = h("ul.folders", { "aria-label": "Folders" });
  const fileList = h("ul.grid", { "aria-label": "Files" });
  const lazy = lazily(signal);
  let items = []; // {entry, node}, in order
  let wanted = "";
  let run = 0;
  let soon = 0;

  const search = h("input", {
    type: "search", id: "search", placeholder: "Search this folder", autocomplete: "off", spellcheck: "false",
    oninput: () => {
      clearTimeout(soon);
      if (entries.length < 500) sift();
      else soon = setTimeout(sift, 90);
    },
    onkeydown: (event) => {
      if (event.key === "Escape") { search.value = ""; sift(); search.blur(); }
      else if (event.key === "ArrowDown" || event.key === "Enter") { event.preventDefault(); visible()[0]?.focus(); if (event.key === "Enter") visible()[0]?.click(); }
      else return;
      event.stopPropagation();
    },
  });
  const sorter = h("select", { id: "sort", "aria-label": "Sort files by", onchange: () => { order = sorter.value; lay(); } },
    Object.entries(ORDERS).map(([key, [name]]) => h("option", { value: key, selected: key === order }, name)));
  if (entries.length) {
    head.append(h("div.tools", {},
      h("label.search", { for: "search" }, icon("search"), h("span.sr", {}, "Search this folder"), search, h("kbd", { "aria-hidden": "true" }, "/")),
      files.length > 1 && sorter));
  }

  const matches = (entry) => !wanted || entry.name.toLocaleLowerCase().includes(wanted);
  const visible = () => items.filter(({ node }) => node.isConnected).map(({ node }) => node.firstElementChild);

  function count() {
    const words = (number, one, many) => number ? `${number.toLocaleString("en")} ${number === 1 ? one : many}` : "";
    const seen = wanted ? entries.filter(matches) : entries;
    const folderCount = seen.filter((entry) => entry.type === "directory").length;
    const size = seen.reduce((sum, entry) => sum + (entry.size ?? 0), 0);
    const told = [words(folderCount, path ? "folder" : "collection", path ? "folders" : "collections"), words(seen.length - folderCount, "file", "files"), size && format.bytes(size)].filter(Boolean).join(" · ");
    tally.textContent = wanted ? `${told || "Nothing"} ${seen.length === 1 ? "matches" : "match"} “${search.value.trim()}”` : told;
  }

  function sift() {
    wanted = search.value.trim().toLocaleLowerCase();
    // Taken out, not hidden: a list of thousands is laid out many times faster so.
    const kept = items.filter(({ entry }) => matches(entry)).map(({ node }) => node);
    folderList.replaceChildren(...kept.filter((node) => !node.classList.contains("card")));
    fileList.replaceChildren(...kept.filter((node) => node.classList.contains("card")));
    count();
  }

  function lay() {
    run += 1;
    const mine = run;
    lazy.reset();
    const sorted = ORDERS[order][1] ? files.toSorted(ORDERS[order][1]) : files;
    items = [];
    folderList.replaceChildren(...folders.map((entry) => [entry, keep(entry, folderCard(entry))]).filter(([entry]) => matches(entry)).map(([, node]) => node));
    fileList.replaceChildren();
    body.replaceChildren(...[folders.length ? folderList : null, files.length ? fileList : null].filter(Boolean));
    let at = 0;
    const more = (number) => {
      const part = sorted.slice(at, at + number);
      at += part.length;
      const cards = part.map((entry) => { const node = keep(entry, fileCard(entry)); lazy.watch(node, entry); return node; });
      fileList.append(...(wanted ? cards.filter((_, index) => matches(part[index])) : cards));
    };
    const back = places.get(path);
    more(Math.max(FIRST, sorted.findIndex((entry) => entry.path === back) + FIRST));
    const rest = () => {
      if (signal.aborted || mine !== run) return;
      more(CHUNK);
      if (at < sorted.length) requestAnimationFrame(rest);
    };
    if (at < sorted.length) requestAnimationFrame(rest);
    count();
  }

  function keep(entry, node) {
    items.push({ entry, node });
    return node;
  }

  lay();
  if (!entries.length) {
    body.replaceChildren(h("div.note", {}, h("p", {}, path ? "This folder holds no media." : "No media yet."),
      !path && h("p.dim", {}, "Start the daemon with ", h("code", {}, "--media name=/path/to/folder"), " to share a folder.")));
  }

  const opened = (event) => {
    const link = event.target.closest?.("a[data-path]");
    if (link) places.set(path, link.dataset.path);
  };
  body.addEventListener("click", opened);
  document.addEventListener("keydown", (event) => keys(event, { path, search, visible }), { signal });

  const back = places.get(path);
  const focus = back && items.find(({ entry }) => entry.path === back)?.node.firstElementChild;
  return { title, heading, focus };
}

function keys(event, { path, search, visible }) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.matches?.("input, select, textarea");
  if (event.key === "/" && !typing) {
    event.preventDefault();
    search.focus();
    search.select();
  } else if (typing) {
    return;
  } else if (event.key === "Backspace" && path) {
    event.preventDefault();
    places.set(format.folderOf(path), path);
    const up = format.folderOf(path);
    location.hash = `#/library${up && `/${api.encodePath(up)}`}`;
  } else if (/^(Arrow(Left|Right|Up|Down)|Home|End)$/.test(event.key)) {
    const links = visible();
    if (!links.length) return;
    const at = links.indexOf(document.activeElement);
    if (at < 0 && /^(Home|End)$/.test(event.key)) return;
    event.preventDefault();
    const next = at < 0 ? links[0] : neighbour(links, at, event.key);
    next?.focus({ preventScroll: true });
    next?.scrollIntoView({ block: "nearest" });
  }
}

/** The link that lies next to links[at] in the direction of the key; rows are told apart by where they are drawn. */
function neighbour(links, at, key) {
  if (key === "Home") return links[0];
  if (key === "End") return links.at(-1);
  if (key === "ArrowLeft") return links[at - 1];
  if (key === "ArrowRight") return links[at + 1];
  const step = key === "ArrowDown" ? 1 : -1;
  const from = links[at].getBoundingClientRect();
  let best = null;
  let row = null;
  for (let to = at + step; to >= 0 && to < links.length; to += step) {
    const box = links[to].getBoundingClientRect();
    if (Math.abs(box.top - from.top) < 4) continue;
    if (row !== null && Math.abs(box.top - row) >= 4) break;
    row = box.top;
    const distance = Math.abs(box.left - from.left);
    if (!best || distance < best.distance) best = { link: links[to], distance };
  }
  return best?.link;
}

const folderCard = (entry) => h("li", {}, h("a.folder", { href: linkTo(entry), "data-path": entry.path }, icon("folder"), h("span", {}, entry.name), icon("chevron")));

const fileCard = (entry) => h("li.card", {}, h("a", { href: linkTo(entry), "data-path": entry.path, title: entry.name },
  h("span.frame", { "aria-hidden": "true" }), h("span.name", {}, format.stem(entry.name)), h("span.meta", {}, entry.size === null ? "" : format.bytes(entry.size))));

/** Fills cards as they come near the screen, and drops the requests of those that have left it. */
function lazily(signal) {
  const forProbes = limiter(2);
  const forPictures = limiter(2);
  let entries = new WeakMap();
  const work = new Map(); // card → AbortController
  const observer = new IntersectionObserver((changes) => {
    for (const { target, isIntersecting } of changes) {
      if (isIntersecting) begin(target);
      else { work.get(target)?.abort(); work.delete(target); }
    }
  }, { rootMargin: "240px" });
  const end = () => { observer.disconnect(); for (const stop of work.values()) stop.abort(); work.clear(); };
  signal.addEventListener("abort", end, { once: true });

  async function begin(card) {
    const entry = entries.get(card);
    if (work.has(card) || card.classList.contains("filled")) return;
    const stop = new AbortController();
    work.set(card, stop);
    const frame = card.querySelector(".frame");
    if (!frame.firstChild) frame.append(placeholder(entry.name, SOUND.test(entry.name)), ...watched(entry));
    try {
      const probe = await facts(entry, stop.signal, forProbes);
      describe(card, frame, entry, probe);
      if (probe.streams.some(format.isPicture)) await picture(frame, entry, stop.signal, forPictures);
      done(card);
    } catch (problem) {
      if (stop.signal.aborted) return;
      card.querySelector(".meta").textContent = problem.status === 415 ? "Not playable" : format.bytes(entry.size);
      card.classList.toggle("unplayable", problem.status === 415);
      done(card);
    } finally {
      if (work.get(card) === stop) work.delete(card);
    }
  }

  function done(card) {
    card.classList.add("filled");
    observer.unobserve(card);
  }

  return {
    watch(card, entry) { entries.set(card, entry); observer.observe(card); },
    reset() { end(); entries = new WeakMap(); },
  };
}

async function facts(entry, signal, limited) {
  const key = `${entry.mtime} ${entry.path}`;
  const known = probes.get(key);
  if (known instanceof Error) throw known;
  if (known) return known;
  try {
    const probe = await limited(() => api.probe(entry.path, signal), signal);
    probes.set(key, probe);
    return probe;
  } catch (problem) {
    if (problem.status === 415 || problem.status === 404) probes.set(key, problem);
    throw problem;
  }
}

function describe(card, frame, entry, probe) {
  const facts = format.summary(probe);
  card.querySelector(".meta").textContent = facts || format.bytes(entry.size);
  if (probe.duration && !frame.querySelector(".length")) frame.append(h("span.length", {}, format.clock(probe.duration)));
}

function watched(entry) {
  const left = resume.get(entry.path);
  if (!left?.duration) return [];
  const bar = h("span.watched");
  bar.style.setProperty("--done", `${Math.min(100, 100 * left.at / left.duration)}%`);
  return [bar];
}

function picture(frame, entry, signal, limited) {
  return limited(() => new Promise((resolve, reject) => {
    const image = h("img", { alt: "", width: "320", height: "180", decoding: "async" });
    image.onload = () => { frame.querySelector("svg")?.after(image); requestAnimationFrame(() => image.classList.add("shown")); resolve(); };
    image.onerror = () => resolve(); // the drawn placeholder stays
    signal.addEventListener("abort", () => { image.onload = image.onerror = null; image.removeAttribute("src"); reject(signal.reason); }, { once: true });
    image.src = api.media(entry.path, "thumbnail.jpg", { width: 320 });
  }), signal);
}

