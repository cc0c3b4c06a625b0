// Plays a file: opens the best way, and when that fails, the same one again or the next. Positions are seconds of the file.
import { askToSignIn } from "./api.js";
import { endedOnPurpose, whyItFailed } from "./diagnosis.js";
import { Emitter } from "./emitter.js";
import { afterLongPause } from "./long-pause.js";
import { Problem } from "./problem.js";
import { sleep } from "./promises.js";
import { afterFailure, reopensAfterCut, wasCutOff } from "./recovery.js";
import { waysToPlay } from "./ways.js";

/** @import { Probe } from "./api-types.js" */
/** @import { Source } from "./source.js" */
/** @import { Choice, Way } from "./ways.js" */

/** A seek stays this many seconds before the end of the file. */
const END_MARGIN = 0.5;
const NO_WAY = "Neither this browser nor the server can play this file with these settings.";
const UNDECODED = "This browser could not decode what the server sent.";

/**
 * "way": another way or position was opened · "problem": playback has stopped · "waiting": the server is full and is asked
 * again in `left` seconds · "finished": the end of the file was reached.
 * @typedef {{ way: Way, problem: Problem, waiting: { problem: Problem, left: number }, finished: null }} EngineEvents
 */

/** @extends {Emitter<EngineEvents>} */
export class Engine extends Emitter {
  /** @type {Choice} */
  choice = { mode: "auto", height: null, audio: null };
  #video;
  #source;
  #probe;
  #signal;
  /** @type {Way[]} */
  #ways = [];
  #at = -1;
  /** Counts what is opened and closed. Code that has waited checks whether the turn is still its own. */
  #turn = 0;
  #openedAt = 0;
  #retries = 0;
  #released = false;
  /** Chromium also pauses by itself, when a connection breaks. */
  #pausedByViewer = false;
  /** @type {boolean | null} whether what is being opened will play; null while nothing is */
  #opening = null;

  /**
   * @param {HTMLVideoElement} video
   * @param {Source} source  of that video
   * @param {Probe} probe
   * @param {AbortSignal} signal  the end of the view
   */
  constructor(video, source, probe, signal) {
    super();
    this.#video = video;
    this.#source = source;
    this.#probe = probe;
    this.#signal = signal;
    /** @type {(name: keyof HTMLMediaElementEventMap, listener: () => unknown) => void} */
    const on = (name, listener) => video.addEventListener(name, listener, { signal });
    on("error", () => source.attached && this.#failed(video.error));
    on("ended", () => this.#ended());
    on("play", () => {
      this.#pausedByViewer = false;
      if (this.#opening !== null) this.#opening = true;
      if (this.#released) void this.#open(this.position, true);
    });
    afterLongPause(video, () => this.way?.mode === "live" && this.release(), signal);
    signal.addEventListener("abort", () => this.release(), { once: true });
  }

  /** The way that is open, or null. */
  get way() {
    return this.#ways[this.#at] ?? null;
  }

  get position() {
    return this.#source.position;
  }

  /** NaN while it is not known. */
  get duration() {
    return this.#source.duration;
  }

  /**
   * Find the ways for `this.choice`, and go on from a position with the best one.
   * @param {number} position
   * @param {boolean} play
   */
  async choose(position, play) {
    const turn = ++this.#turn;
    this.#retries = 0;
    this.#opening = play;
    const ways = await waysToPlay(this.#probe, this.choice);
    if (this.#isOver(turn)) return;
    this.#ways = ways;
    this.#at = 0;
    if (ways.length) await this.#open(position, this.#opening);
    else this.#giveUp(new Problem(0, "This cannot be played here", NO_WAY));
  }

  /** Whether it plays, or will as soon as what is being opened can be. The element itself is paused until then. */
  get wantsToPlay() {
    return this.#opening ?? (this.#released ? !this.#pausedByViewer : !this.#video.paused);
  }

  pause() {
    this.#pausedByViewer = true;
    if (this.#opening !== null) this.#opening = false;
    this.#video.pause();
  }

  /** @param {number} to */
  seek(to) {
    const { way, duration: end } = this;
    const target = Math.max(0, Number.isFinite(end) ? Math.min(to, end - END_MARGIN) : to);
    if (!way || (this.#released && way.mode !== "live")) return;
    this.#retries = 0;
    if (way.mode !== "live" || (!this.#released && this.#source.holds(target))) this.#source.seek(target);
    else void this.#open(target, this.wantsToPlay || this.#video.ended);
  }

  /** Close the source. The last frame stays, and play() goes on from there. */
  release() {
    this.#turn += 1;
    this.#source.detach();
    this.#released = true;
    this.#opening = null;
  }

  /**
   * @param {number} position
   * @param {boolean} play
   */
  async #open(position, play) {
    const { way } = this;
    if (!way) return;
    const turn = ++this.#turn;
    this.#source.expect(position);
    this.#released = false;
    this.#opening = play;
    if (way.mode === "hls" && !(await this.#answers(way.url(), turn))) return;
    this.#openedAt = position;
    this.#source.attach(way, position);
    this.emit("way", way);
    const plays = this.#opening;
    this.#opening = null;
    if (!plays) this.#video.load();
    else this.#video.play().catch(() => null); // not allowed before a click: the big button is there
  }

  /** @param {number} turn */
  #isOver(turn) {
    return turn !== this.#turn || this.#signal.aborted;
  }

  /**
   * Whether the server has HLS for this file. It is asked before the video is given the URL.
   * @param {string} url
   * @param {number} turn
   */
  async #answers(url, turn) {
    const problem = await whyItFailed(url, this.#signal);
    if (turn !== this.#turn) return false;
    if (problem) this.#next(this.position, problem);
    return !problem;
  }

  /** @param {Problem} problem */
  #giveUp(problem) {
    this.release();
    this.emit("problem", problem);
  }

  /**
   * Play on in the next way, or give up where there is none.
   * @param {number} position
   * @param {Problem | null} problem
   */
  #next(position, problem) {
    if (this.#at + 1 < this.#ways.length) {
      this.#at += 1;
      void this.#open(position, true);
      return;
    }
    this.#giveUp(problem ?? new Problem(0, "Playback failed", UNDECODED));
  }

  /** @param {MediaError | null} error */
  async #failed(error) {
    const turn = this.#turn;
    const { way, position } = this;
    if (!way) return;
    const { mode } = way;
    const progress = position - this.#openedAt;
    if (mode === "live" && this.#pausedByViewer && progress > 1) {
      this.release(); // it ended during the pause: play() opens it again
      return;
    }
    const meant = mode === "live" && progress > 0.1 ? await endedOnPurpose(this.#probe.path, this.#signal) : null;
    const problem = meant ?? (await whyItFailed(way.url(mode === "live" ? position : 0), this.#signal));
    if (this.#isOver(turn)) return;
    const connectionLost = error?.code === MediaError.MEDIA_ERR_NETWORK;
    const recovery = afterFailure({ mode, connectionLost, progress, retries: this.#retries, problem });
    if (recovery.act === "sign-in") askToSignIn();
    else if (recovery.act === "wait") await this.#wait(recovery.problem, position);
    else if (recovery.act === "give-up") this.#giveUp(recovery.problem);
    else if (recovery.act === "next") this.#next(position, recovery.problem);
    else {
      this.#retries = recovery.retries;
      await this.#open(position, true);
    }
  }

  /**
   * The server is full: say so, and try again when it says.
   * @param {Problem} problem
   * @param {number} position
   */
  async #wait(problem, position) {
    this.release();
    const turn = this.#turn;
    for (let left = Math.min(60, problem.retryAfter ?? 5); left > 0; left -= 1) {
      this.emit("waiting", { problem, left });
      await sleep(1000, this.#signal).catch(() => null); // the view was left, so the turn is over
      if (turn !== this.#turn) return;
    }
    await this.#open(position, true);
  }

  async #ended() {
    const turn = this.#turn;
    const progress = this.position - this.#openedAt;
    if (this.way?.mode === "live" && wasCutOff(this.duration - this.position)) {
      const problem = await endedOnPurpose(this.#probe.path, this.#signal);
      if (this.#isOver(turn)) return;
      if (problem) {
        this.#giveUp(problem);
        return;
      }
      if (reopensAfterCut(progress, this.#retries)) {
        this.#retries += 1;
        await this.#open(this.position, true);
        return;
      }
    }
    this.emit("finished", null);
  }
}
