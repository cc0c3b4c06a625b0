// Numbers and times as text. Pure functions. A value that is not known is a dash.

/** @param {number} value */
const twoDigits = (value) => String(value).padStart(2, "0");

/**
 * "1:02:03" of seconds.
 * @param {number | null} seconds
 */
export function clock(seconds) {
  if (seconds === null || !Number.isFinite(seconds) || seconds < 0) return "–:––";
  const whole = Math.floor(seconds);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const rest = twoDigits(whole % 60);
  return hours ? `${hours}:${twoDigits(minutes)}:${rest}` : `${minutes}:${rest}`;
}

/**
 * "1 hour 2 minutes 3 seconds": for screen readers.
 * @param {number | null} seconds
 */
export function spoken(seconds) {
  const whole = Math.max(0, Math.floor(seconds ?? 0));
  const rest = `${whole % 60} second${whole % 60 === 1 ? "" : "s"}`;
  const hours = count(Math.floor(whole / 3600), "hour", "hours");
  const minutes = count(Math.floor(whole / 60) % 60, "minute", "minutes");
  return [hours, minutes, rest].filter(Boolean).join(" ");
}

/**
 * "2,000 files"; an empty text for 0.
 * @param {number} number
 * @param {string} one
 * @param {string} many
 */
export const count = (number, one, many) =>
  number ? `${number.toLocaleString("en")} ${number === 1 ? one : many}` : "";

/**
 * "15.0 MB" of bytes.
 * @param {number | null} size
 */
export function bytes(size) {
  if (size === null || !Number.isFinite(size)) return "–";
  let unit = "B";
  for (const larger of ["kB", "MB", "GB", "TB"]) {
    if (size < 999.5) break;
    size /= 1000;
    unit = larger;
  }
  return `${unit !== "B" && size < 99.5 ? size.toFixed(1) : Math.round(size)} ${unit}`;
}

/**
 * The number and the unit of a bit rate: ["5.3", "Mbit/s"].
 * @param {number} bytesPerSecond
 * @returns {[string, string]}
 */
export function bitRate(bytesPerSecond) {
  const bits = bytesPerSecond * 8;
  return bits >= 999_500 ? [(bits / 1e6).toFixed(1), "Mbit/s"] : [String(Math.round(bits / 1e3)), "kbit/s"];
}

/**
 * "4.2 s" or "12 min" of seconds.
 * @param {number} seconds
 */
export function duration(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/**
 * The number and the unit of a time in milliseconds: ["52", "ms"].
 * @param {number} ms
 * @returns {[string, string]}
 */
export function milliseconds(ms) {
  if (ms < 10) return [ms.toFixed(1), "ms"];
  return ms < 1000 ? [String(Math.round(ms)), "ms"] : [(ms / 1000).toFixed(2), "s"];
}

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "narrow" });

/**
 * "2m ago", or the day for what is more than a day old.
 * @param {Date} when
 */
export function ago(when) {
  const seconds = (when.getTime() - Date.now()) / 1000;
  if (seconds > -5) return "now";
  if (seconds > -60) return relative.format(Math.round(seconds), "second");
  if (seconds > -3600) return relative.format(Math.round(seconds / 60), "minute");
  if (seconds > -86400) return relative.format(Math.round(seconds / 3600), "hour");
  return when.toLocaleDateString("en", { day: "numeric", month: "short" });
}
