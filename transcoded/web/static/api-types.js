// The values of the HTTP API (docs/http-api.md) as types, for the type checker only: a browser never loads this file.
// Fields that the page does not use are left out. tests/browser/test_types.py compares the others with the daemon's own
// description. Durations are in seconds, sizes in bytes; null means "not known" unless a comment says something else.

// --- Library ---

/**
 * One line of a directory listing. `name` is for people, `path` for requests. `mtime` is in seconds since the epoch.
 * @typedef {object} Entry
 * @property {string} name
 * @property {string} path
 * @property {"directory" | "file"} type
 * @property {number | null} size
 * @property {number | null} mtime
 * @property {boolean} readable  whether the daemon may read it
 */

/**
 * @typedef {object} Listing
 * @property {string} path
 * @property {Entry[]} entries
 * @property {string | null} next_cursor  null on the last page
 */

// --- probe.json ---

/**
 * @typedef {object} VideoStream
 * @property {number} index
 * @property {"video"} kind
 * @property {string} codec
 * @property {string | null} profile
 * @property {number | null} level
 * @property {string | null} pix_fmt
 * @property {number} width
 * @property {number} height
 * @property {number | null} fps
 * @property {boolean} default
 * @property {string | null} language
 * @property {string | null} title
 */

/**
 * `position` counts the audio streams of the file from 0.
 * @typedef {object} AudioStream
 * @property {number} index
 * @property {"audio"} kind
 * @property {number} position
 * @property {string} codec
 * @property {string | null} profile
 * @property {number} channels
 * @property {boolean} default
 * @property {string | null} language
 * @property {string | null} title
 */

/**
 * `position` counts the subtitle streams of the file, and then the files beside it (`external`, without `index`), from 0; `text` says
 * whether the server can convert it to WebVTT.
 * @typedef {object} SubtitleStream
 * @property {number | null} index
 * @property {"subtitle"} kind
 * @property {number} position
 * @property {string} codec
 * @property {boolean} text
 * @property {boolean} default
 * @property {boolean} forced
 * @property {boolean} hearing_impaired
 * @property {boolean} external
 * @property {string | null} language
 * @property {string | null} title
 */

/** @typedef {VideoStream | AudioStream | SubtitleStream} MediaStream */

/**
 * What the server would do with one track for a format.
 * @typedef {object} TrackPlan
 * @property {"copy" | "transcode"} action
 * @property {string} why
 */

/**
 * What the server would do for one progressive format. An unavailable one has only `action` and `why`.
 * @typedef {object} FormatPlan
 * @property {"copy" | "transcode" | "unavailable"} action
 * @property {string} why
 * @property {TrackPlan | null} [video]
 * @property {TrackPlan | null} [audio]
 */

/**
 * @typedef {object} Probe
 * @property {string} path
 * @property {string} container
 * @property {number | null} duration
 * @property {number} size
 * @property {MediaStream[]} streams
 * @property {Record<string, FormatPlan>} formats
 */

// --- Streams and endings ---

/**
 * A live stream. `cpu_percent` is of one core; `state` is shown as it is.
 * @typedef {object} StreamInfo
 * @property {string} id
 * @property {string} path
 * @property {string} format
 * @property {string} state
 * @property {string} client
 * @property {number} uptime_s
 * @property {number} bytes_sent
 * @property {number | null} position_s
 * @property {number | null} speed
 * @property {number | null} fps
 * @property {number | null} cpu_percent
 * @property {number | null} rss_bytes
 * @property {boolean} backpressured
 * @property {string} why
 * @property {string | null} engine  that encodes the video; null: none is encoded
 */

/**
 * A request that waits for a slot.
 * @typedef {object} Queued
 * @property {string} client
 * @property {number} position
 */

/**
 * Counted in units: a transcode takes 2, a copy 1. `waiting` is the length of the queue.
 * @typedef {object} Capacity
 * @property {number} units
 * @property {number} used
 * @property {number} waiting
 */

/**
 * @typedef {object} LiveStreams
 * @property {StreamInfo[]} streams
 * @property {Queued[]} queue
 * @property {Capacity} capacity
 */

/**
 * Why a stream ended. There are no other reasons.
 * @typedef {"finished" | "failed" | "client-gone" | "client-stalled" | "stopped" | "file-released" | "hung" | "expired"
 *   | "overload" | "preempted" | "idle" | "superseded" | "shutdown"} Reason
 */

/**
 * How a stream ended. `kill_ms` is null where the process ended by itself.
 * @typedef {object} Ending
 * @property {string} id
 * @property {string} request_id
 * @property {string} path
 * @property {string} format
 * @property {Reason} reason
 * @property {number | null} exit_code
 * @property {string | null} signal
 * @property {string[]} signals_sent
 * @property {number | null} kill_ms
 * @property {number} duration_s
 * @property {number} bytes_sent
 * @property {string} client
 * @property {string} started
 * @property {string} ended
 * @property {string} stderr_tail
 * @property {string | null} engine
 */

/**
 * Hardware has failed in a stream, or has no session left (`limited`), and the chain `next` goes on.
 * @typedef {object} Fallback
 * @property {string} path
 * @property {string} engine
 * @property {string} next
 * @property {boolean} limited
 * @property {string} why
 */

/**
 * Newest first.
 * @typedef {object} Endings
 * @property {Ending[]} endings
 */

// --- Access ---

/**
 * What this visitor may do. A `role` of null is the page's own: the server has answered 401, so the visitor has to sign in.
 * @typedef {object} Session
 * @property {"admin" | "read" | null} role
 * @property {"key" | "cookie" | "open"} via
 */

export {};
