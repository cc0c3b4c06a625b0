"""The reports of `ffmpeg -progress`: lines `key=value`. Each report ends with `progress=continue` or `progress=end`."""

from math import isfinite

import attrs

# Bytes of one line, and keys of one report.
_MAX_LINE = 16_384
_MAX_KEYS = 100


@attrs.frozen
class Progress:
    """The progress of an ffmpeg. None: not reported.

    `position_s`: seconds of output so far. `speed`: seconds of output per second, over the whole run. `fps`: frames per
    second that are encoded. `frame`: frames so far. `done`: this was the last report.
    """

    position_s: float | None = None
    speed: float | None = None
    fps: float | None = None
    frame: int | None = None
    done: bool = False


@attrs.define
class ProgressParser:
    """Takes bytes in chunks of any size, and keeps the last complete report. Lines that are too long are dropped."""

    latest: Progress = Progress()
    _pending: bytes = b""
    _values: dict[str, str] = attrs.Factory(dict)

    def feed(self, data: bytes) -> bool:
        """Take more bytes. True if they complete a report."""
        *lines, self._pending = (self._pending + data).split(b"\n")
        if len(self._pending) > _MAX_LINE:
            self._pending = b""
        completed = False
        for line in lines:
            key, _, value = line.decode("ascii", "replace").partition("=")
            if key.strip() == "progress":
                self.latest = self._report(done=value.strip() == "end")
                self._values = {}
                completed = True
            elif len(self._values) < _MAX_KEYS:
                self._values[key.strip()] = value.strip()
        return completed

    def _report(self, *, done: bool) -> Progress:
        # out_time_ms is in microseconds too: an old bug of ffmpeg, kept for compatibility.
        micros = self._number("out_time_us")
        frame = self._number("frame")
        return Progress(
            position_s=None if micros is None else micros / 1e6,
            speed=self._number("speed"),
            fps=self._number("fps"),
            frame=None if frame is None else int(frame),
            done=done,
        )

    def _number(self, key: str) -> float | None:
        try:
            value = float(self._values.get(key, "").removesuffix("x"))
        except ValueError:
            return None
        return value if isfinite(value) else None
