"""What the daemon makes of the corpus, compared with what is right: one result for each kind of file and each route."""

import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import attrs

from tests.support.corpus import Kind
from tests.support.daemon import LiveDaemon, media_url
from tests.support.marks import BARS, Marks, read_marks
from tests.support.programs import NEWEST

Verdict = Literal["held", "refused", "wrong"]


@attrs.frozen
class Result:
    """What came of one route. `why` is the daemon's reason for a refusal, or what is wrong."""

    kind: str
    route: str
    verdict: Verdict
    why: str = ""


class WrongError(AssertionError):
    """What came is not what is right."""


class RefusedError(Exception):
    """The daemon says that it cannot, and why."""


@attrs.frozen
class Checker:
    """Checks one kind. `directory` is for what comes from the daemon."""

    daemon: LiveDaemon
    kind: Kind
    root: str
    directory: Path

    def results(self) -> Iterator[Result]:
        """One result for each route that concerns the kind."""
        for route, check in self._checks():
            try:
                check()
            except RefusedError as refusal:
                yield Result(self.kind.name, route, "refused", str(refusal))
            except AssertionError as wrong:
                yield Result(self.kind.name, route, "wrong", str(wrong).splitlines()[0])
            else:
                yield Result(self.kind.name, route, "held")

    def _checks(self) -> Sequence[tuple[str, Callable[[], None]]]:
        start = self._middle
        checks: list[tuple[str, Callable[[], None]]] = [("probe.json", self.probe)]
        if self.kind.size is None and self.kind.rate == 25.0 and not self.kind.name.startswith("absurd"):
            return [
                *checks,
                ("stream.mp3", lambda: self.stream("mp3")),
                ("stream.mp4", lambda: self.stream("mp4")),
                *([] if start is None else [("stream.flac?start", lambda: self.stream("flac", start))]),
                ("hls", self.hls),
            ]
        return [
            *checks,
            ("stream.mp4", lambda: self.stream("mp4")),
            ("stream.mkv", lambda: self.stream("mkv")),
            ("stream.ts", lambda: self.stream("ts")),
            *([] if start is None else [("stream.webm?start", lambda: self.stream("webm", start))]),
            *([] if start is None else [("stream.mp4?start", lambda: self.stream("mp4", start))]),
            ("hls", self.hls),
            ("thumbnail", self.thumbnail),
        ]

    @property
    def _middle(self) -> float | None:
        """A time in the middle of the file, between two frames and between two seconds."""
        return round(self.kind.seconds * 0.6) + 0.45 if self.kind.seconds > 2 else None

    @property
    def _url(self) -> str:
        return f"{self.root}/{self.kind.name}"

    def _get(self, tail: str) -> bytes:
        response = self.daemon.get(media_url(self._url, tail))
        if response.status in {400, 415}:
            raise RefusedError(response.json()["detail"])
        _check(response.status == 200, f"status {response.status}: {response.body[:300]!r}")
        _check(response.complete, "the response broke off")
        return response.body

    # The routes.

    def probe(self) -> None:
        """Its length, its size, its tracks."""
        found = self.daemon.json(media_url(self._url, "/probe.json"))
        self._length(found["duration"])
        _check(not found["duration_estimated"], "the length is only estimated")
        video = [stream for stream in found["streams"] if stream["kind"] == "video"]
        _check(bool(video) is (self._rate is not None), f"{len(video)} video streams")

    def stream(self, fmt: str, start: float | None = None) -> None:
        """A progressive stream."""
        query = "" if start is None else f"?start={start}"
        path = self.directory / f"{self.kind.name}.{fmt}"
        path.write_bytes(self._get(f"/stream.{fmt}{query}"))
        # A track may begin later than ffmpeg looks by itself.
        marks = read_marks(NEWEST.ffmpeg, NEWEST.ffprobe, str(path), "-analyzeduration", "30M", "-probesize", "30M")
        path.unlink()
        timed = fmt in {"mp4", "mkv", "webm", "ts"}
        # Decoding before the first picture takes some time, by which the whole stream can be late. What counts is how its tracks stand to each other.
        first = marks.pictures[0][0] if marks.pictures and timed and self.kind.video_at == 0 else 0.0
        zero = first if fmt == "ts" or first < 1 else 0.0
        self._check(marks, start or 0.0, zero, timed=timed)

    def hls(self) -> None:
        """HLS: the last segment is requested first. Video and sound come in renditions of their own.

        The encoded video is there also if it is not offered, because it would take as much as the source.
        """
        master = self._get("/master.m3u8").decode()
        names = sorted(set(re.findall(r"cmaf/([va][0-9]+)/index", master)), key=lambda name: (name[0], int(name[1:])))
        copied = re.search(r"RESOLUTION=[0-9]+x([0-9]+).*\ncmaf/copy/", master)
        unlisted = f"v{int(copied[1]) // 2 * 2}" if copied else None
        pictures = next((name for name in names if name[0] == "v"), unlisted)
        if pictures == unlisted and unlisted is not None:
            # Where it cannot be decoded, it is copied and nothing else.
            found = self.daemon.get(media_url(self._url, f"/cmaf/{unlisted}/index.m3u8"))
            pictures = None if found.status == 404 else unlisted
        sounds = next((name for name in names if name[0] == "a"), None)
        shown = Marks((), ())
        if pictures is not None:
            shown = self._rendition(pictures)
        heard = self._rendition(sounds).beeps if sounds is not None else ()
        if pictures is not None or not copied:
            self._check(attrs.evolve(shown, beeps=heard), 0.0, 0.0, timed=True)
        if copied:
            self._check(attrs.evolve(self._rendition("copy"), beeps=heard), 0.0, 0.0, timed=True)

    def thumbnail(self) -> None:
        """The picture that is on display in the middle."""
        time = 0.0 if self._middle is None else self._middle
        path = self.directory / f"{self.kind.name}.jpg"
        path.write_bytes(self._get(f"/thumbnail.jpg?time={time}"))
        if self.kind.marks and self.kind.size is not None and not self.kind.damaged:
            marks = read_marks(NEWEST.ffmpeg, NEWEST.ffprobe, str(path))
            _check(len(marks.pictures) == 1, "no picture")
            # Before the first picture it is that one.
            self._number(marks.pictures[0][1], max(time, self.kind.video_at))
        path.unlink()

    def _rendition(self, name: str) -> Marks:
        base = f"/cmaf/{name}/"
        playlist = self._get(f"{base}index.m3u8").decode()
        segments = [line for line in playlist.splitlines() if line and not line.startswith("#")]
        init = re.search(r'EXT-X-MAP:URI="([^"]+)"', playlist)
        _check(init is not None and bool(segments), "no segments")
        assert init is not None
        last = self._get(base + segments[-1])
        data = [self._get(base + init[1]), *(self._get(base + one) for one in segments[:-1]), last]
        path = self.directory / f"{self.kind.name}.{quote(name)}.mp4"
        path.write_bytes(b"".join(data))
        marks = read_marks(NEWEST.ffmpeg, NEWEST.ffprobe, str(path))
        complaints = subprocess.run(
            [NEWEST.ffmpeg, "-v", "error", "-i", str(path), "-f", "null", "-"], check=False, capture_output=True
        )
        path.unlink()
        if not (self.kind.damaged and name == "copy"):
            _check(not complaints.stderr, f"{name} cannot be decoded: {complaints.stderr[-200:]!r}")
        return marks

    # What is right.

    @property
    def _rate(self) -> float | None:
        has_picture = self.kind.size is not None or not self.kind.beeps or "pixels" in self.kind.name
        return self.kind.rate if has_picture else None

    def _check(self, marks: Marks, start: float, zero: float, *, timed: bool) -> None:
        kind = self.kind
        if self._rate is not None:
            _check(bool(marks.pictures), "no picture came")
            if kind.size is not None and kind.marks and timed:
                self._size(marks)
            if kind.marks and not kind.damaged:
                self._pictures(marks, start, zero)
        if kind.beeps and not kind.damaged:
            self._sounds(marks, start, zero, timed=timed)

    def _size(self, marks: Marks) -> None:
        assert self.kind.size is not None
        width, height = self.kind.size
        _check(
            abs(marks.width / marks.height - width / height) < 0.03 or marks.width == 240,
            f"{marks.width}x{marks.height} instead of {width}x{height}",
        )

    def _pictures(self, marks: Marks, start: float, zero: float) -> None:
        kind = self.kind
        numbers = [number for _, number in marks.pictures]
        _check(numbers == sorted(numbers), "pictures are out of order")
        end = kind.seconds - start
        times = [0.02, end / 3, end * 2 / 3, max(0.0, end - 1.5 / kind.rate - 0.02)]
        for time in times:
            if time + start >= kind.video_at + 0.1:
                shown = marks.picture_at(time + zero + self._tolerance / 2)
                _check(shown is not None, f"no picture at {time + start:.3f} s")
                assert shown is not None
                self._number(shown, time + start)

    def _number(self, number: int, time: float) -> None:
        kind = self.kind
        right = kind.first + (time - 0) * kind.rate
        low, high = right - 1.02 - self._tolerance * kind.rate, right + 1.02 + self._tolerance * kind.rate
        if "uneven" in kind.name:
            low -= 5
        _check(low <= number <= high, f"picture {number} at {time:.3f} s instead of {right:.1f}")

    def _sounds(self, marks: Marks, start: float, zero: float, *, timed: bool) -> None:
        kind = self.kind
        audible = 2.0 if "short" in kind.name else kind.seconds
        expected = {
            kind.beep + second: kind.beep_at + second - start
            for second in range(int(audible) + 1)
            if start + 0.05 < kind.beep_at + second < audible - 0.15
        }
        heard = {second: at - zero for at, second in marks.beeps}
        for second, at in expected.items():
            _check(second in heard, f"the beep of second {second} is missing: {sorted(heard)}")
            if timed:
                late = heard[second] - at
                _check(abs(late) <= self._tolerance, f"the beep of second {second} is {late * 1000:.0f} ms late")

    def _length(self, seconds: float | None) -> None:
        allowed = max(0.06, 1.1 / self.kind.rate) + self.kind.loose
        _check(
            seconds is not None and abs(seconds - self.kind.seconds) <= allowed,
            f"{seconds} s instead of {self.kind.seconds}",
        )

    @property
    def _tolerance(self) -> float:
        """Seconds: what nobody hears or sees, and what the source itself is off."""
        return 0.045 + self.kind.loose


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise WrongError(what)


assert BARS  # the marks of the corpus
