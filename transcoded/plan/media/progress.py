"""The reports of `ffmpeg -progress`: lines of `key=value`, each report closed by a line `progress=continue|end`."""

from math import isfinite

import attrs

_MAX_PENDING = 16_384


@attrs.frozen
class Progress:
    """Where a transcoder is. `position_s`: seconds of output made; `speed`: output seconds per second; None: not said."""

    position_s: float | None = None
    speed: float | None = None
    fps: float | None = None
    frame: int | None = None
    done: bool = False


@attrs.define
class ProgressParser:
    """Takes bytes in any chunking and keeps the last whole report. Bounded: an endless line is dropped."""

    latest: Progress = Progress()
    _pending: bytes = b""
    _values: dict[str, str] = attrs.Factory(dict)

    def feed(self, data: bytes) -> bool:
        """Take more bytes; True if a report was completed by them."""
        *lines, self._pending = (self._pending + data).split(b"\n")
        if len(self._pending) > _MAX_PENDING:
            self._pending = b""
        completed = False
        for line in lines:
            key, _, value = line.decode("ascii", "replace").partition("=")
            if key.strip() == "progress":
                self.latest = self._report(done=value.strip() == "end")
                self._values = {}
                completed = True
            elif len(self._values) < 100:
                self._values[key.strip()] = value.strip()
        return completed

    def _report(self, *, done: bool) -> Progress:
        # out_time_ms is microseconds too, an old mistake of ffmpeg that is kept for compatibility.
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
