// The tracks of a file, and which of them are played unless others are chosen.

/** @import { AudioStream, Probe, SubtitleStream, VideoStream } from "./api-types.js" */

/**
 * `video` and `audio` are the default tracks, or the first ones where none is marked as the default.
 * @typedef {object} Tracks
 * @property {VideoStream | null} video
 * @property {AudioStream | null} audio
 * @property {VideoStream[]} videoTracks
 * @property {AudioStream[]} audioTracks
 * @property {SubtitleStream[]} subtitleTracks
 */

/**
 * @param {Probe} probe
 * @returns {Tracks}
 */
export function tracksOf({ streams }) {
  const videoTracks = streams.filter((stream) => stream.kind === "video");
  const audioTracks = streams.filter((stream) => stream.kind === "audio");
  return {
    video: videoTracks.find((stream) => stream.default) ?? videoTracks[0] ?? null,
    audio: audioTracks.find((stream) => stream.default) ?? audioTracks[0] ?? null,
    videoTracks,
    audioTracks,
    subtitleTracks: streams.filter((stream) => stream.kind === "subtitle"),
  };
}
