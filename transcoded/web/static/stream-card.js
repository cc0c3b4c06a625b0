// The card of a live stream on the dashboard: its figures as they change, and the button that stops it.
import * as api from "./api.js";
import { announce, h } from "./dom.js";
import * as format from "./format.js";
import { icon } from "./icons.js";
import { joined } from "./media-names.js";
import { baseName, playLink, stem } from "./paths.js";
import { asProblem } from "./problem.js";
import { sparkline } from "./sparkline.js";

/** @import { Ending, StreamInfo } from "./api-types.js" */

/** Seconds between two measurements of the rate, at least. */
const RATE_INTERVAL = 0.4;
const STOPS_ALL = "Stops all who watch these segments. Their players are refused this file for half a minute.";
const SLOW = "The client reads more slowly than the transcoder writes, so the transcoder waits for it.";

export class StreamCard {
  /** Bytes per second, as last measured. */
  rate = 0;
  #name;
  #graph = sparkline();
  #rate = h("span.rate", {}, "–");
  #state = h("span.badge");
  #slow = h("span.badge.warn", { title: SLOW, hidden: true }, "back-pressured");
  #what = h("p.what");
  #failure = h("p.form-error", { role: "alert" });
  #facts = {
    position: new Fact("Position"),
    speed: new Fact("Speed"),
    sent: new Fact("Sent"),
    cpu: new Fact("CPU"),
    memory: new Fact("Memory"),
    client: new Fact("Client"),
    engine: new Fact("Engine"),
  };
  /** @type {{ at: number, bytes: number } | null} the last measurement */
  #measured = null;
  node;

  /**
   * @param {StreamInfo} stream
   * @param {boolean} mayStop
   * @param {(ending: Ending) => void} ended  called when the stream was stopped here
   */
  constructor(stream, mayStop, ended) {
    this.#name = baseName(stream.path);
    const title = h("h3", {}, h("a", { href: playLink(stream.path) }, stem(this.#name)));
    this.node = h(
      "article.stream",
      { "aria-label": this.#name },
      h("header", {}, h("div", {}, title, this.#what), mayStop && this.#stopButton(stream, ended)),
      h("div.graph", {}, this.#rate, this.#slow, this.#state, this.#graph.node),
      h(
        "dl.facts",
        {},
        Object.values(this.#facts).map(({ node }) => node),
      ),
      this.#failure,
    );
  }

  /** @param {StreamInfo} stream */
  update(stream) {
    this.#measure(stream.uptime_s, stream.bytes_sent);
    this.#state.textContent = stream.state;
    this.#slow.hidden = !stream.backpressured;
    this.#what.textContent = joined(`To ${stream.format.toUpperCase()}`, stream.why);
    const { position, speed, sent, cpu, memory, client, engine } = this.#facts;
    position.set(format.clock(stream.position_s));
    speed.set(speedOf(stream));
    sent.set(format.bytes(stream.bytes_sent));
    cpu.set(stream.cpu_percent === null ? "–" : `${Math.round(stream.cpu_percent)} %`);
    memory.set(format.bytes(stream.rss_bytes));
    client.set(stream.client);
    engine.set(stream.engine ?? "none");
  }

  /**
   * @param {number} at  in seconds
   * @param {number} bytes  that were sent until then
   */
  #measure(at, bytes) {
    const last = this.#measured;
    if (last && at - last.at < RATE_INTERVAL) return;
    this.#measured = { at, bytes };
    if (!last) return;
    this.rate = Math.max(0, (bytes - last.bytes) / (at - last.at));
    this.#graph.push(this.rate);
    this.#rate.textContent = format.bitRate(this.rate).join(" ");
  }

  /**
   * @param {StreamInfo} stream
   * @param {(ending: Ending) => void} ended
   */
  #stopButton(stream, ended) {
    const title = stream.format.startsWith("cmaf/") ? STOPS_ALL : "";
    const button = h(
      "button.danger",
      { type: "button", title, "aria-label": `Stop ${this.#name}` },
      icon("stop"),
      "Stop",
    );
    const stop = async () => {
      button.disabled = true;
      this.#failure.textContent = "";
      try {
        const ending = await api.stopStream(stream.id);
        ended(ending);
        const time = ending.kill_ms === null ? "" : ` in ${format.milliseconds(ending.kill_ms).join(" ")}`;
        announce(`${this.#name} was stopped${time}`);
      } catch (error) {
        const problem = asProblem(error);
        button.disabled = false;
        this.#failure.textContent = problem.detail || problem.title;
      }
    };
    button.addEventListener("click", () => void stop());
    return button;
  }
}

/** A figure with its label. It is written only when it changes, so that text which is selected stays selected. */
class Fact {
  #value = h("dd", {}, "–");
  node;

  /** @param {string} label */
  constructor(label) {
    this.node = h("div", {}, h("dt", {}, label), this.#value);
  }

  /** @param {string} text */
  set(text) {
    if (this.#value.textContent !== text) this.#value.textContent = text;
  }
}

/** @param {StreamInfo} stream */
function speedOf({ speed, fps }) {
  const times = speed === null ? "" : `${speed.toFixed(speed < 10 ? 1 : 0)} ×`;
  const frames = fps === null || fps <= 0 ? "" : `${Math.round(fps)} fps`;
  return [times, frames].filter(Boolean).join(", ") || "–";
}
