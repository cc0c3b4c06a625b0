// The dashboard: what runs now and how everything before it ended. Live by server-sent events, by polling where there
// are none; both go through the same three inputs: upsert, ended, sync.
import * as api from "./api.js";
import { announce, h, icon } from "./dom.js";
import * as format from "./format.js";
import { problemNote } from "./problem.js";
import { sparkline } from "./sparkline.js";

const POLL = 2000;
const QUIET = 4000; // ms without an event after which the lists are fetched anyway
const KEPT = 50;

const GOOD = new Set(["finished"]);
const BAD = new Set(["failed", "hung"]);
const WARN = new Set(["overload", "preempted", "client-stalled"]);
const MEANING = {
  finished: "The transcoder reached the end of the file", failed: "The transcoder exited with an error", "client-gone": "The client closed the connection",
  "client-stalled": "The client took no byte for too long", stopped: "Stopped by hand", "file-released": "The file had to be released",
  hung: "The transcoder made no progress", expired: "It ran for as long as is allowed", overload: "The machine ran short of memory",
  preempted: "Its place was needed for another stream", idle: "Nobody asked for segments any more", superseded: "A request elsewhere in the file replaced it",
  shutdown: "The daemon was stopped",
};
const tone = (reason) => GOOD.has(reason) ? "good" : BAD.has(reason) ? "bad" : WARN.has(reason) ? "warn" : "plain";

export async function show(main, _path, { signal, session }) {
  const admin = session?.role !== "read";
  const heading = h("h1", { tabindex: "-1" }, "Dashboard");
  const link = h("p.tally", { role: "status" }, "Connecting");
  const tiles = ["Streams now", "Capacity", "Waiting", "Sending", "Median kill", "Failed"].map((name) => tile(name));
  const [count, taken, waiting, sending, killing, failed] = tiles;
  const line = h("ol.queue", { "aria-label": "Who waits for a place" });
  const live = h("div.live");
  const past = h("ul.endings");
  const none = h("p.quiet-note", {}, "Nothing is being transcoded. A stream appears here as soon as somebody plays a file that needs one.");
  const noPast = h("p.quiet-note", {}, "Nothing has ended since the daemon started.");
  main.replaceChildren(h("div.head", {}, h("div", {}, heading, link)),
    h("dl.tiles", {}, tiles.map(({ node }) => node)),
    h("section", { "aria-labelledby": "live-title" }, h("h2", { id: "live-title" }, "Live streams"), none, live, line),
    h("section", { "aria-labelledby": "past-title" }, h("h2", { id: "past-title" }, "Recent endings"), noPast,
      h("div.endhead", { "aria-hidden": "true" }, ["Why", "File", "Gone in", "Ran for", "Sent", "Ended"].map((name) => h("span", {}, name))), past));

  const cards = new Map(); // id → card
  let endings = [];
  let capacity = { units: 0, used: 0, waiting: 0 };

  function upsert(stream) {
    if (endings.some(({ id }) => id === stream.id)) return;
    let card = cards.get(stream.id);
    if (!card) {
      card = streamCard(stream, admin, ended);
      cards.set(stream.id, card);
      live.append(card.node);
    }
    card.update(stream);
    totals();
  }

  function ended(ending) {
    const card = cards.get(ending.id);
    if (card) {
      cards.delete(ending.id);
      if (card.node.contains(document.activeElement)) heading.focus({ preventScroll: true });
      card.node.remove();
    }
    if (!endings.some(({ id }) => id === ending.id)) {
      endings.unshift(ending);
      past.prepend(endingRow(ending));
      for (const old of endings.splice(KEPT)) past.querySelector(`[data-id="${CSS.escape(old.id)}"]`)?.remove();
    }
    totals();
  }

  /** Places and queue change without an event. */
  async function look() {
    const now = await api.streams(signal);
    capacity = now.capacity;
    line.replaceChildren(...now.queue.map(({ client }) => h("li", {}, client)));
    line.hidden = !now.queue.length;
    totals();
    return now;
  }

  async function sync() {
    const [now, before] = await Promise.all([look(), api.endings(KEPT, signal)]);
    const ids = new Set(now.streams.map(({ id }) => id));
    for (const [id, card] of cards) if (!ids.has(id)) { cards.delete(id); card.node.remove(); }
    for (const ending of before.endings.toReversed()) if (!endings.some(({ id }) => id === ending.id)) ended(ending);
    for (const stream of now.streams) upsert(stream);
    totals();
  }

  function totals() {
    none.hidden = cards.size > 0;
    noPast.hidden = endings.length > 0;
    past.previousElementSibling.hidden = !endings.length;
    count.set(String(cards.size), "");
    // A copy takes half the place of a transcode.
    taken.set(String(capacity.used / 2), `of ${capacity.units / 2} places`);
    taken.fill(capacity.units ? capacity.used / capacity.units : 0);
    waiting.set(String(capacity.waiting), "queued");
    const rate = [...cards.values()].reduce((sum, card) => sum + card.rate(), 0);
    const [number, unit] = format.bitRate(rate).split(" ");
    sending.set(number, unit);
    const kills = endings.map(({ kill_ms: ms }) => ms).filter(Number.isFinite).sort((a, b) => a - b);
    const median = kills.length ? format.milliseconds(kills[kills.length >> 1]).split(" ") : ["–", ""];
    killing.set(median[0], median[1] && `${median[1]}, of ${kills.length}`);
    const bad = endings.filter(({ reason }) => BAD.has(reason)).length;
    failed.set(String(bad), endings.length ? `of the last ${endings.length}` : "");
    failed.node.classList.toggle("alarm", bad > 0);
  }

  totals();
  try {
    await sync();
  } catch (problem) {
    if (signal.aborted) return null;
    main.replaceChildren(h("div.head", {}, heading), problemNote(problem, () => show(main, "", { signal, session })));
    return { title: "Dashboard", heading };
  }
  follow({ upsert, ended, look, sync, link, signal });
  const clock = setInterval(() => { for (const time of past.querySelectorAll("time")) time.textContent = format.ago(time.dateTime); }, 10_000);
  signal.addEventListener("abort", () => clearInterval(clock), { once: true });
  return { title: "Dashboard", heading };
}

/** Events while the page is seen; polling where the server has none, or has gone quiet while streams run. */
function follow({ upsert, ended, look, sync, link, signal }) {
  let source = null;
  let heard = 0;
  let opened = false;
  const tell = (text, state) => { if (link.textContent !== text) link.textContent = text; link.dataset.state = state; };
  const parse = (run) => (event) => {
    heard = Date.now();
    try { run(JSON.parse(event.data)); } catch (error) { console.warn("transcoded: an event could not be read", error); }
  };

  function start() {
    if (source || document.hidden || signal.aborted) return;
    source = api.events();
    source.onopen = () => { opened = true; heard = Date.now(); tell("Live", "live"); sync().catch(() => null); };
    source.onerror = () => { if (source?.readyState === EventSource.CLOSED) { source = null; opened = false; } else tell("Reconnecting", "lost"); };
    source.addEventListener("stream-started", parse(upsert));
    source.addEventListener("stream-updated", parse(upsert));
    source.addEventListener("stream-ended", parse(ended));
  }
  const stop = () => { source?.close(); source = null; };

  let attempts = 0;
  const timer = setInterval(async () => {
    if (document.hidden) return;
    try {
      await (source && opened && Date.now() - heard < QUIET ? look() : sync());
      if (!source) tell("Live, asking every 2 s", "live");
      if (!source && ++attempts % 15 === 0) start(); // events may have come up since
    } catch {
      if (!signal.aborted) tell("The server does not answer", "lost");
    }
  }, POLL);
  document.addEventListener("visibilitychange", () => { if (document.hidden) stop(); else { start(); sync().catch(() => null); } }, { signal });
  signal.addEventListener("abort", () => { clearInterval(timer); stop(); }, { once: true });
  start();
}

function tile(name) {
  const value = h("span.value", {}, "–");
  const unit = h("span.unit");
  const meter = h("i", { hidden: true });
  const node = h("div.tile", {}, h("dt", {}, name), h("dd", {}, value, " ", unit, meter));
  return {
    node,
    set(number, text) { value.textContent = number; unit.textContent = text; },
    fill(share) { meter.hidden = false; meter.style.setProperty("--share", `${100 * share}%`); },
  };
}

function streamCard(first, admin, ended) {
  const name = format.baseName(first.path);
  const spark = sparkline();
  const rateText = h("span.rate", {}, "–");
  const state = h("span.badge.plain");
  const slow = h("span.badge.warn", { title: "The client takes bytes more slowly than they are made; the transcoder waits for it.", hidden: true }, "back-pressured");
  const facts = ["Position", "Speed", "Sent", "CPU", "Memory", "Client"].map((label) => {
    const value = h("dd", {}, "–");
    return { node: h("div", {}, h("dt", {}, label), value), set: (text) => { if (value.textContent !== text) value.textContent = text; } };
  });
  const [position, speed, sent, cpu, memory, client] = facts;
  const what = h("p.what");
  const failure = h("p.formerror", { role: "alert" });
  const stop = admin && h("button.danger", { type: "button", "aria-label": `Stop ${name}` }, icon("stop"), "Stop");
  const node = h("article.stream", { "aria-label": name },
    h("header", {}, h("div", {}, h("h3", {}, h("a", { href: `#/play/${api.encodePath(first.path)}` }, format.stem(name))), what), stop),
    h("div.graph", {}, rateText, slow, state, spark.node),
    h("dl.facts", {}, facts.map((fact) => fact.node)), failure);
  if (stop) {
    stop.addEventListener("click", async () => {
      stop.disabled = true;
      failure.textContent = "";
      try {
        const ending = await api.stopStream(first.id);
        ended(ending);
        const gone = format.milliseconds(ending.kill_ms);
        announce(`${name} stopped${gone ? `, its transcoder was gone in ${gone}` : ""}`);
      } catch (problem) {
        stop.disabled = false;
        failure.textContent = problem.detail || problem.title;
      }
    });
  }

  let last = null; // {at, bytes}
  let rate = 0;
  return {
    node,
    rate: () => rate,
    update(stream) {
      const at = stream.uptime_s;
      if (last && at - last.at >= 0.4) {
        rate = Math.max(0, (stream.bytes_sent - last.bytes) / (at - last.at));
        spark.push(rate);
        rateText.textContent = format.bitRate(rate);
        last = { at, bytes: stream.bytes_sent };
      }
      last ??= { at, bytes: stream.bytes_sent };
      state.textContent = stream.state;
      slow.hidden = !stream.backpressured;
      what.textContent = [`To ${stream.format.toUpperCase()}`, stream.why].filter(Boolean).join(" · ");
      position.set(format.clock(stream.position_s));
      speed.set([Number.isFinite(stream.speed) && `${stream.speed.toFixed(stream.speed < 10 ? 1 : 0)} ×`, Number.isFinite(stream.fps) && stream.fps > 0 && `${Math.round(stream.fps)} fps`].filter(Boolean).join(", ") || "–");
      sent.set(format.bytes(stream.bytes_sent));
      cpu.set(Number.isFinite(stream.cpu_percent) ? `${Math.round(stream.cpu_percent)} %` : "–");
      memory.set(format.bytes(stream.rss_bytes));
      client.set(stream.client);
    },
  };
}

function endingRow(ending) {
  const labelled = (label, text, cls = "") => h(`span${cls}`, {}, h("span.label", {}, `${label} `), text);
  const killed = format.milliseconds(ending.kill_ms);
  const when = format.moment(ending.ended);
  const exit = ending.signal !== null ? `signal ${ending.signal}` : ending.exit_code !== null ? `exit status ${ending.exit_code}` : "unknown";
  const rows = [["Meaning", MEANING[ending.reason]], ["Path", ending.path], ["Format", ending.format], ["Exit", exit], ["Signals sent", ending.signals_sent.join(", ") || "none"],
    ["Client", ending.client], ["Started", format.moment(ending.started)?.toLocaleString("en")], ["Ended", when?.toLocaleString("en")], ["Stream", ending.id], ["Request", ending.request_id]];
  return h("li", { "data-id": ending.id }, h("details", {},
    h("summary", {},
      h("span.why-ended", {}, h(`span.badge.${tone(ending.reason)}`, { title: MEANING[ending.reason] }, ending.reason)),
      h("span.file", {}, format.stem(format.baseName(ending.path)), h("span.dim", {}, ` ${ending.format}`)),
      labelled("gone in", killed ?? "–", ".num"), labelled("ran for", format.span(ending.duration_s), ".num"), labelled("sent", format.bytes(ending.bytes_sent), ".num"),
      h("time.num", { datetime: when && !Number.isNaN(when.getTime()) ? when.toISOString() : null }, format.ago(ending.ended))),
    h("div.detail", {}, h("dl", {}, rows.filter(([, value]) => value).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
      ending.stderr_tail.trim() && h("pre", { tabindex: "0", "aria-label": "Last words of the transcoder" }, ending.stderr_tail.trim()))));
}
