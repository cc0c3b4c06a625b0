"""Attempts: runs of ffmpeg that find out whether it can do something, each about several things at once.

What an attempt is about is named as `decoders/av1`, `filters/bwdif`. A thing is proven by what ffmpeg wrote, not by its exit
status. If a run proves only some of its things, the others are tried again in smaller runs, down to one thing at a time: one
that breaks a run must not hide what the others can do.
"""

import base64
import re
from collections.abc import Callable, Sequence

import attrs

QUIET = ("-hide_banner", "-nostdin", "-loglevel", "error", "-nostats")

MAX_ARGUMENT = 90_000
"""Bytes of an input that goes into an argument; the system allows 128 KiB in one (MAX_ARG_STRLEN), and base64 takes a third more."""

_PIECES = 6
"""Into how many parts a run is divided that has not proven all."""

# ffmpeg before 7 ends, instead of going on with the others, when a decoder that was opened makes no frame.
_OPENED_BEFORE_7 = "Error marking filters as finished"


@attrs.frozen
class Part:
    """One thing in an attempt.

    `input` are the arguments of one input, `data` is what it reads if it ends with `-i`. `options` are those of its output stream, without the
    number of the stream: `c` and `libx264` become `-c:3 libx264`.
    """

    subject: str
    input: tuple[str, ...]
    data: bytes = attrs.field(default=b"", repr=False)
    options: tuple[tuple[str, str], ...] = ()


@attrs.frozen
class Attempt:
    """A run of ffmpeg with several `parts`, each an input and an output stream. A part that comes out with a frame is proven."""

    parts: tuple[Part, ...]

    @property
    def subjects(self) -> frozenset[str]:
        """What it is about."""
        return frozenset(part.subject for part in self.parts)

    @property
    def arguments(self) -> Sequence[str]:
        """Ffmpeg's arguments."""
        return [*QUIET, *self._inputs(), *self._streams(), "-f", "framecrc", "pipe:1"]

    @property
    def stdin(self) -> bytes:
        """What ffmpeg reads from its standard input: an input that is too long for an argument."""
        return next((part.data for part in self.parts if len(part.data) > MAX_ARGUMENT), b"")

    def proven(self, output: bytes, problem: str | None) -> frozenset[str]:
        """What this output on stdout proves. `problem` is that of `Outcome`."""
        # A line for each packet: stream, dts, pts, duration, size, checksum (framecrc).
        numbers = {int(number) for number in re.findall(rb"^(\d+),[^,]*,[^,]*,[^,]*, *[1-9]", output, re.MULTILINE)}
        return frozenset(part.subject for number, part in enumerate(self.parts) if number in numbers)

    def again(self, proven: frozenset[str]) -> Sequence["Attempt"]:
        """Smaller runs for what was not proven. None if there was only one thing in this one."""
        left = [part for part in self.parts if part.subject not in proven]
        if len(self.parts) == 1:
            return []
        size = max(1, len(left) // _PIECES)
        return [attrs.evolve(self, parts=tuple(left[at : at + size])) for at in range(0, len(left), size)]

    def _inputs(self) -> Sequence[str]:
        return [argument for part in self.parts for argument in (*part.input, *source(part.data))]

    def _streams(self) -> Sequence[str]:
        found: list[str] = []
        for number, part in enumerate(self.parts):
            found += ["-map", f"{number}:0"]
            for name, value in part.options:
                found += [f"-{name}:{number}", value]
        return found


@attrs.frozen
class Opening(Attempt):
    """A run in which decoders are opened, and whose parts need not come out with a frame. It proves all parts, or none."""

    @property
    def arguments(self) -> Sequence[str]:
        """Ffmpeg's arguments."""
        # The report of progress begins when every decoder is open.
        progress = ("-progress", "pipe:1")
        return [*QUIET, *progress, *self._inputs(), *self._streams(), "-f", "null", "-"]

    def proven(self, output: bytes, problem: str | None) -> frozenset[str]:
        """All, if ffmpeg got as far as reading packets."""
        opened = b"progress=" in output or _OPENED_BEFORE_7 in (problem or "")
        return self.subjects if opened else frozenset()


@attrs.frozen
class Picture:
    """A run that makes pictures, as raw bytes, and that proves its `subject` if `is_right` says so of these bytes.

    `command` are ffmpeg's arguments but the first and last ones. `helper`: it runs under the limits of a helper. `otherwise` is another way to the same end, which is tried if this one fails.
    """

    subject: str
    command: tuple[str, ...] = attrs.field(repr=False)
    is_right: Callable[[bytes], bool] = attrs.field(repr=False)
    stdin: bytes = attrs.field(default=b"", repr=False)
    otherwise: "Picture | None" = None
    helper: bool = True

    @property
    def subjects(self) -> frozenset[str]:
        """What it is about."""
        return frozenset({self.subject})

    @property
    def arguments(self) -> Sequence[str]:
        """Ffmpeg's arguments."""
        return [*QUIET, *self.command, "-f", "rawvideo", "pipe:1"]

    def proven(self, output: bytes, problem: str | None) -> frozenset[str]:
        """Its subject, if the pictures are right."""
        return self.subjects if problem is None and self.is_right(output) else frozenset()

    def again(self, proven: frozenset[str]) -> "Sequence[Run]":
        """The other way, if this one has failed."""
        return [] if proven or self.otherwise is None else [self.otherwise]


Run = Attempt | Picture


def source(data: bytes) -> Sequence[str]:
    """The arguments that give ffmpeg the data of an input, without a file: nothing but the program is in the sandbox. None for no data."""
    if not data:
        return ()
    if len(data) > MAX_ARGUMENT:
        return ("-i", "pipe:0")
    return ("-i", "data:application/octet-stream;base64," + base64.b64encode(data).decode("ascii"))
