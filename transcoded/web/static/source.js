// What is attached to the <video>. Positions are seconds of the file; the element's own clock may start elsewhere.
// Invariant: at most one source is attached, and detaching it closes its connection, which ends its transcoder.
import { leaveSegments } from "./api.js";
import { StillFrame } from "./still-frame.js";

/** @import { Probe } from "./api-types.js" */
/** @import { Way } from "./ways.js" */

/**
 * @param {TimeRanges} ranges
 * @returns {[number, number][]}
 */
const rangesOf = (ranges) => Array.from({ length: ranges.length }, (_, at) => [ranges.start(at), ranges.end(at)]);

export class Source {
  /** Seconds of the file at which the element's own clock is 0. */
  offset = 0;
  #video;
  #frame;
  #probe;
  #signal;
  /** @type {number | null} where a source that is still opening will start */
  #target = null;
  #segments = false;
  #attachments = 0;

  /**
   * @param {HTMLVideoElement} video
   * @param {HTMLCanvasElement} canvas  for the last frame while a source is opened
   * @param {Probe} probe
   * @param {AbortSignal} signal  the end of the view
   */
  constructor(video, canvas, probe, signal) {
    this.#video = video;
    this.#frame = new StillFrame(video, canvas);
    this.#probe = probe;
    this.#signal = signal;
    const loaded = () => {
      this.#target = null;
      this.#frame.hide();
    };
    video.addEventListener("loadeddata", loaded, { signal });
  }

  get position() {
    return this.#target ?? this.offset + this.#video.currentTime;
  }

  /** NaN while it is not known. */
  get duration() {
    const { duration } = this.#video;
    return this.#probe.duration ?? (Number.isFinite(duration) ? this.offset + duration : NaN);
  }

  get attached() {
    return this.#video.hasAttribute("src");
  }

  /**
   * Another source is about to be attached: its position counts from now on, and the last frame stays until then.
   * @param {number} position
   */
  expect(position) {
    this.#frame.show();
    this.#target = position;
  }

  /**
   * Attach the source of a way, to start at a position.
   * @param {Way} way
   * @param {number} position
   */
  attach(way, position) {
    this.offset = way.mode === "live" ? position : 0;
    if (way.mode !== "hls") this.#leaveSegments();
    this.#attachments += 1;
    this.#video.src = way.url(position);
    this.#segments = way.mode === "hls";
    if (way.mode !== "live" && position > 0) this.#seekOnceLoaded(position);
  }

  /** The last frame and the position stay. */
  detach() {
    this.expect(this.position);
    this.#attachments += 1;
    if (this.attached) {
      this.#video.pause();
      this.#video.removeAttribute("src");
      this.#video.load();
    }
    this.#leaveSegments();
  }

  /**
   * Up to where the browser has the media around a position; the position itself where it has none there.
   * @param {number} position
   */
  bufferedUntil(position) {
    const ranges = rangesOf(this.#video.buffered);
    const time = position - this.offset;
    const here = ranges.findLast(([from, to]) => from - 0.5 <= time && time <= to);
    return here ? here[1] + this.offset : position;
  }

  /**
   * Seek within the source that is attached.
   * @param {number} position
   */
  seek(position) {
    this.#video.currentTime = position - this.offset;
  }

  /**
   * Whether the source that is attached holds that moment, so that no other needs to be opened.
   * @param {number} position
   */
  holds(position) {
    const time = position - this.offset;
    /** @param {TimeRanges} ranges */
    const within = (ranges) => rangesOf(ranges).some(([from, to]) => from <= time && time <= to - 0.3);
    return this.#target === null && within(this.#video.buffered) && within(this.#video.seekable);
  }

  /** @param {number} position */
  #seekOnceLoaded(position) {
    const own = this.#attachments;
    const seek = () => {
      if (own === this.#attachments) this.#video.currentTime = position;
    };
    this.#video.addEventListener("loadedmetadata", seek, { once: true, signal: this.#signal });
  }

  /** The server cannot see that no more segments will be requested, so the page says so. */
  #leaveSegments() {
    if (this.#segments) leaveSegments(this.#probe.path);
    this.#segments = false;
  }
}
