// One <video> and the ways to feed it. Positions are seconds of the file, whatever the element's own clock says.
// Invariant: at most one source is attached, and detaching it drops its connection, which ends its transcoder.
import * as api from "./api.js";
import { sleep } from "./dom.js";
import { ways } from "./playback.js";

const PAUSED_LONG = 120_000; // ms after which a paused live stream gives its place back

/** Fires "way" (another way or position was opened), "frame" (media is there), "problem" (detail: Problem), "waiting" (detail: text). */
export class Engine extends EventTarget {
  offset = 0;
  choice = { mode: "auto", height: null, audio: null };
  ways = [];
  at = -1;
  #turn = 0;
  #target = null; // where a source that is still opening will begin
  #opened = 0;
  #retries = 0;
  #released = false;
  #segments = false;
  #idle = 0;
  #halted = false; // by the viewer: Chromium also pauses by itself when a source breaks off

  constructor(video, canvas, path, probe, signal) {
    super();
    Object.assign(this, { video, canvas, path, probe, signal });
    const on = (name, run) => video.addEventListener(name, run, { signal });
    on("loadeddata", () => { this.#target = null; canvas.hidden = true; this.#tell("frame"); });
    on("error", () => { if (video.getAttribute("src")) this.#failed(video.error); });
    on("ended", () => this.#ended());
    on("play", () => { this.#halted = false; clearTimeout(this.#idle); if (this.#released) this.open(this.position, true); });
    on("pause", () => {
      clearTimeout(this.#idle);
      if (this.way?.mode === "live") this.#idle = setTimeout(() => video.paused && this.release(true), PAUSED_LONG);
    });
    signal.addEventListener("abort", () => this.release(true), { once: true });
  }

  get way() { return this.ways[this.at] ?? null; }
  get position() { return this.#target ?? this.offset + this.video.currentTime; }
  get duration() {
    return this.probe.duration ?? (Number.isFinite(this.video.duration) ? this.offset + this.video.duration : NaN);
  }

  #tell(name, detail) { this.dispatchEvent(new CustomEvent(name, { detail })); }

  /** Find the ways for this.choice anew, and go on from `position`. */
  async choose(position, play) {
    const turn = ++this.#turn;
    this.#retries = 0;
    const list = await ways(this.path, this.probe, this.choice);
    if (turn !== this.#turn || this.signal.aborted) return;
    this.ways = list;
    this.at = 0;
    if (!list.length) {
      this.release(true);
      this.#tell("problem", new api.Problem(0, "This cannot be played here", "Neither this browser nor the server has a way to play this file like that."));
      return;
    }
    this.open(position, play);
  }

  async open(position, play) {
    const { way, video } = this;
    if (!way) return;
    const turn = ++this.#turn;
    this.#freeze();
    this.#released = false;
    this.#target = position;
    clearTimeout(this.#idle);
    if (way.mode === "hls" && !await this.#answers(way.url(), turn)) return;
    this.offset = way.mode === "live" ? position : 0;
    this.#opened = position;
    if (way.mode !== "hls") this.#leave();
    video.src = way.url(position);
    this.#segments = way.mode === "hls";
    if (way.mode !== "live" && position > 0) {
      video.addEventListener("loadedmetadata", () => { if (turn === this.#turn) video.currentTime = position; }, { once: true, signal: this.signal });
    }
    this.#tell("way", way);
    if (play) video.play().catch(() => null); // refused without a gesture: the big button is there
    else video.load();
  }

  /** HLS may not be there for this file: look before the element is given the URL. */
  async #answers(url, turn) {
    const problem = await api.whyItFailed(url, this.signal);
    if (turn !== this.#turn) return false;
    if (!problem) return true;
    this.#next(this.position, true, problem);
    return false;
  }

  pause() {
    this.#halted = true;
    this.video.pause();
  }

  seek(to) {
    const end = this.duration;
    const target = Math.max(0, Number.isFinite(end) ? Math.min(to, end - 0.5) : to);
    if (!this.way || this.#released && this.way.mode !== "live") return;
    this.#retries = 0;
    if (this.way.mode !== "live") {
      this.video.currentTime = target;
    } else if (!this.#released && this.#within(target)) {
      this.video.currentTime = target - this.offset;
    } else {
      this.open(target, !this.video.paused || this.video.ended);
    }
  }

  /** Whether the live stream that is attached still holds that moment. */
  #within(target) {
    const time = target - this.offset;
    const inside = (ranges) => Array.from({ length: ranges.length }, (_, at) => at).some((at) => ranges.start(at) <= time && time <= ranges.end(at) - 0.3);
    return this.#target === null && inside(this.video.buffered) && inside(this.video.seekable);
  }

  /** Detach the source. The last picture stays when `keep`, and play() opens it again. */
  release(keep = false) {
    const { video } = this;
    const position = this.position;
    clearTimeout(this.#idle);
    this.#turn += 1;
    if (keep) { this.#freeze(); this.#target = position; this.#released = true; }
    if (video.hasAttribute("src")) {
      video.pause();
      video.removeAttribute("src");
      video.load();
    }
    this.#leave();
  }

  /** The server cannot see that nobody will ask for another segment: it is told. */
  #leave() {
    if (this.#segments) api.leave(this.path);
    this.#segments = false;
  }

  #freeze() {
    const { video, canvas } = this;
    if (!video.videoWidth || video.readyState < 2) return;
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    canvas.hidden = false;
  }

  #next(position, play, problem) {
    if (this.at + 1 < this.ways.length) {
      this.at += 1;
      this.open(position, play);
      return;
    }
    this.release(true);
    this.#tell("problem", problem ?? new api.Problem(0, "Playback failed", "This browser could not decode what the server sent."));
  }

  async #failed(error) {
    const turn = this.#turn;
    const { way, position } = this;
    const moved = position - this.#opened;
    if (way.mode === "live" && this.#halted && moved > 1) { this.release(true); return; } // ended while paused: play() goes on
    const live = way.mode === "live";
    const problem = (live && moved > 0.1 && await api.meantToEnd(this.path, this.signal)) || await api.whyItFailed(way.url(live ? position : 0), this.signal);
    if (turn !== this.#turn || this.signal.aborted) return;
    if (problem?.status === 401) { document.dispatchEvent(new CustomEvent("sign-in-needed")); return; }
    if (problem?.status === 503) { this.#later(problem, position); return; }
    if (problem && way.mode !== "hls") { this.release(true); this.#tell("problem", problem); return; }
    if (way.mode === "live" && error?.code === MediaError.MEDIA_ERR_NETWORK && (moved > 5 || this.#retries < 2)) {
      this.#retries = moved > 5 ? 0 : this.#retries + 1;
      this.open(position, true);
      return;
    }
    this.#next(position, true, problem);
  }

  /** The server is full: say so, and try again when it says. */
  async #later(problem, position) {
    this.release(true);
    const turn = this.#turn;
    try {
      for (let left = Math.min(60, problem.retryAfter ?? 5); left > 0; left -= 1) {
        this.#tell("waiting", { problem, left });
        await sleep(1000, this.signal);
        if (turn !== this.#turn) return;
      }
    } catch {
      return; // the view was left
    }
    this.open(position, true);
  }

  /** A live stream that ends far before the file does was cut off: Chromium tells a broken connection as an end. */
  async #ended() {
    const turn = this.#turn;
    const moved = this.position - this.#opened;
    if (this.way?.mode === "live" && this.duration - this.position > 4) {
      const problem = await api.meantToEnd(this.path, this.signal);
      if (turn !== this.#turn || this.signal.aborted) return;
      if (problem) { this.release(true); this.#tell("problem", problem); return; }
      // One that does not get on would only be begun again and again.
      if (moved > 0.5 && this.#retries < 2) {
        this.#retries += 1;
        this.open(this.position, true);
        return;
      }
    }
    this.#tell("finished");
  }
}
