// The folders and files of one path, with search and order. A folder of thousands is laid out in portions, and its cards are
// bare links until they come near the screen.
import { fileCard, folderCard } from "./cards.js";
import { CardFiller } from "./card-filler.js";
import { h } from "./dom.js";
import * as format from "./format.js";
import { listenToGridKeys } from "./grid-keys.js";
import { icon } from "./icons.js";
import { folderOf, libraryLink } from "./paths.js";

/** @import { Entry } from "./api-types.js" */
/** @import { Card } from "./cards.js" */

/** How many cards are laid out at first, and how many in each animation frame after that. */
const FIRST = 48;
const PORTION = 400;
/** With so many entries, a search waits for a pause in typing; the pause is in milliseconds. */
const MANY = 500;
const TYPING_PAUSE = 90;

/** @type {Record<string, { name: string, compare: ((a: Entry, b: Entry) => number) | null }>} */
const ORDERS = {
  name: { name: "Name", compare: null }, // as the server lists them
  newest: { name: "Newest first", compare: (a, b) => (b.mtime ?? 0) - (a.mtime ?? 0) },
  largest: { name: "Largest first", compare: (a, b) => (b.size ?? 0) - (a.size ?? 0) },
};

let order = "name";
/** @type {Map<string, string>} folder → the entry that was last opened from it */
const lastOpened = new Map();

export class FolderList {
  #path;
  #folders;
  #files;
  #entries;
  #summary;
  #signal;
  #filler;
  #folderList = h("ul.folders", { "aria-label": "Folders" });
  #fileList = h("ul.grid", { "aria-label": "Files" });
  #search = h("input", {
    type: "search",
    id: "search",
    placeholder: "Search this folder",
    autocomplete: "off",
    spellcheck: "false",
  });
  /** @type {Card[]} in their order */
  #cards = [];
  #wanted = "";
  /** Counts the layouts. The portions of an earlier layout are no longer added. */
  #layout = 0;
  #searchTimer = 0;

  /**
   * @param {string} path
   * @param {Entry[]} entries
   * @param {HTMLElement} summary  for the number of entries
   * @param {AbortSignal} signal
   */
  constructor(path, entries, summary, signal) {
    this.#path = path;
    this.#entries = entries;
    this.#folders = entries.filter((entry) => entry.type === "directory");
    this.#files = entries.filter((entry) => entry.type !== "directory");
    this.#summary = summary;
    this.#signal = signal;
    this.#filler = new CardFiller(signal);
    this.#search.addEventListener("input", () => this.#typed());
    this.#search.addEventListener("keydown", (event) => this.#searchKey(event));
    for (const list of [this.#folderList, this.#fileList]) {
      list.addEventListener("click", ({ target }) => this.#opened(target));
    }
    listenToGridKeys({ search: this.#search, links: () => this.#links(), leave: () => this.#leave() }, signal);
    this.#lay();
  }

  /** The search field, and the menu of orders where there is something to sort. */
  get tools() {
    const label = h("span.sr-only", {}, "Search this folder");
    const key = h("kbd", { "aria-hidden": "true" }, "/");
    const search = h("label.search", { for: "search" }, icon("search"), label, this.#search, key);
    return h("div.tools", {}, search, this.#files.length > 1 && this.#sorter());
  }

  /** The lists. */
  get nodes() {
    return [...(this.#folders.length ? [this.#folderList] : []), ...(this.#files.length ? [this.#fileList] : [])];
  }

  /** The link of the entry that was last opened from this folder. */
  get lastOpened() {
    const path = lastOpened.get(this.#path);
    return this.#cards.find(({ entry }) => entry.path === path)?.link;
  }

  #sorter() {
    const options = Object.entries(ORDERS).map(([value, { name }]) => {
      return h("option", { value, selected: value === order }, name);
    });
    const sorter = h("select", { id: "sort", "aria-label": "Sort files by" }, options);
    sorter.addEventListener("change", () => {
      order = sorter.value;
      this.#lay();
    });
    return sorter;
  }

  #typed() {
    clearTimeout(this.#searchTimer);
    if (this.#entries.length < MANY) this.#sift();
    else this.#searchTimer = setTimeout(() => this.#sift(), TYPING_PAUSE);
  }

  /** @param {KeyboardEvent} event */
  #searchKey(event) {
    if (event.key === "Escape") {
      this.#search.value = "";
      this.#sift();
      this.#search.blur();
    } else if (event.key === "ArrowDown" || event.key === "Enter") {
      event.preventDefault();
      const [link] = this.#links();
      link?.focus();
      if (event.key === "Enter") link?.click();
    } else {
      return;
    }
    event.stopPropagation();
  }

  /** The visible links, in their order. */
  #links() {
    return this.#cards.filter(({ node }) => node.isConnected).map(({ link }) => link);
  }

  /** @param {Entry} entry */
  #matches(entry) {
    return entry.name.toLocaleLowerCase().includes(this.#wanted);
  }

  /** Show what matches the search. The rest is removed, not hidden: this lays out thousands of cards much faster. */
  #sift() {
    this.#wanted = this.#search.value.trim().toLocaleLowerCase();
    const kept = this.#cards.filter(({ entry }) => this.#matches(entry));
    /** @param {boolean} folders */
    const nodes = (folders) =>
      kept.filter(({ entry }) => (entry.type === "directory") === folders).map(({ node }) => node);
    this.#folderList.replaceChildren(...nodes(true));
    this.#fileList.replaceChildren(...nodes(false));
    this.#count();
  }

  /** Lay out all cards: first those on the screen and the one that was last opened, then the rest in portions. */
  #lay() {
    const own = ++this.#layout;
    this.#filler.reset();
    const compare = ORDERS[order]?.compare;
    const sorted = compare ? this.#files.toSorted(compare) : this.#files;
    this.#cards = [];
    this.#folderList.replaceChildren();
    this.#fileList.replaceChildren();
    this.#add(this.#folderList, this.#folders.map(folderCard));
    let at = 0;
    /** @param {number} number */
    const more = (number) => {
      const cards = sorted.slice(at, at + number).map(fileCard);
      at += number;
      this.#add(this.#fileList, cards);
      for (const card of cards) this.#filler.watch(card);
    };
    const rest = () => {
      if (this.#signal.aborted || own !== this.#layout) return;
      more(PORTION);
      if (at < sorted.length) requestAnimationFrame(rest);
    };
    const last = lastOpened.get(this.#path);
    more(Math.max(FIRST, sorted.findIndex((entry) => entry.path === last) + FIRST));
    if (at < sorted.length) requestAnimationFrame(rest);
    this.#count();
  }

  /**
   * @param {HTMLUListElement} list
   * @param {Card[]} cards
   */
  #add(list, cards) {
    this.#cards.push(...cards);
    list.append(...cards.filter(({ entry }) => this.#matches(entry)).map(({ node }) => node));
  }

  /** Show how many entries there are, or how many match. */
  #count() {
    const seen = this.#wanted ? this.#entries.filter((entry) => this.#matches(entry)) : this.#entries;
    const folders = seen.filter((entry) => entry.type === "directory").length;
    const size = seen.reduce((sum, entry) => sum + (entry.size ?? 0), 0);
    const parts = [
      this.#path ? format.count(folders, "folder", "folders") : format.count(folders, "collection", "collections"),
      format.count(seen.length - folders, "file", "files"),
      size ? format.bytes(size) : "",
    ];
    const text = parts.filter(Boolean).join(" · ");
    const verb = seen.length === 1 ? "matches" : "match";
    this.#summary.textContent = this.#wanted ? `${text || "Nothing"} ${verb} “${this.#search.value.trim()}”` : text;
  }

  /** @param {EventTarget | null} target */
  #opened(target) {
    const card = this.#cards.find(({ link }) => target instanceof Node && link.contains(target));
    if (card) lastOpened.set(this.#path, card.entry.path);
  }

  /** Go to the folder above, where this folder will have the focus. False if there is none. */
  #leave() {
    if (!this.#path) return false;
    const above = folderOf(this.#path);
    lastOpened.set(above, this.#path);
    location.hash = libraryLink(above);
    return true;
  }
}
