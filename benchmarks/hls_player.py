"""A player of HLS without a picture: it reads playlists as a player does, requests segments, and notes when their bytes come.

It knows nothing of the server but the URL of the multivariant playlist, so each contender is asked in the same way. Video and audio are requested at
the same time, over one connection each, which stays open. Times are milliseconds since the click, or since the seek.
"""

import http.client
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import Self

import attrs

from benchmarks.hls_playlists import MediaPlaylist, read_master, read_media
from benchmarks.workshop import CannotMeasure

PATIENCE = 40.0
"""Seconds after which a segment counts as not coming."""

AHEAD = 30.0
"""Seconds of film that a player has in store before it waits; those of hls.js."""

RETRY = 0.25
"""Seconds before a request is repeated that a busy server has put off."""

_LATER = frozenset({408, 409, 429, 503})


@attrs.frozen
class Arrival:
    """When a response came: its first byte and its last, in seconds of the monotonic clock; and its bytes."""

    first: float
    last: float
    size: int


@attrs.frozen
class Shown:
    """What a viewer waits for, in milliseconds: the playlist, the first byte of video, and the first segments of video and audio as a whole.

    `playlist` is 0 behind a seek. `film` is how many seconds of film the segment of video has.
    """

    playlist: float
    first: float
    whole: float
    film: float


class Playhead:
    """Where a player is in a film whose tracks arrive bit by bit. Times are seconds; `now` is that of the monotonic clock."""

    def __init__(self, tracks: int, place: float) -> None:
        self.stalls = 0
        self.stalled = 0.0
        """For how long, altogether."""
        self._lock = threading.Lock()
        self._ends = [place] * tracks
        self._place = place
        # When it was at `_place`, and since when it waits there; at the beginning neither.
        self._played_since: float | None = None
        self._stalled_since: float | None = None

    def arrived(self, track: int, end: float, now: float) -> None:
        """A track is there up to `end`. If the player has waited for it, it goes on."""
        with self._lock:
            self._move(now)
            self._ends[track] = end
            if self._played_since is None and min(self._ends) > self._place:
                self._played_since = now
                if self._stalled_since is not None:
                    self.stalls += 1
                    self.stalled += now - self._stalled_since
                    self._stalled_since = None

    def at(self, now: float) -> float:
        """The place."""
        with self._lock:
            self._move(now)
            return self._place if self._played_since is None else self._place + now - self._played_since

    def _move(self, now: float) -> None:
        end = min(self._ends)
        if self._played_since is not None and self._place + now - self._played_since > end:
            self._stalled_since = self._played_since + end - self._place
            self._place, self._played_since = end, None


class Line:
    """A connection that stays open. `source` is the loopback address that it comes from."""

    def __init__(self, port: int, source: str) -> None:
        self.port = port
        self._source = source
        self._connection: http.client.HTTPConnection | None = None

    def text(self, url: str) -> str:
        """A playlist."""
        blocks: list[bytes] = []
        self.fetch(url, keep=blocks.append)
        return b"".join(blocks).decode()

    def fetch(self, url: str, method: str = "GET", keep: Callable[[bytes], object] | None = None) -> Arrival:
        """A whole response. What a busy server puts off is asked for again, until `PATIENCE` is over. Raises `CannotMeasure`."""
        deadline = time.monotonic() + PATIENCE
        while True:
            response = self._response(url, method)
            first, size = 0.0, 0
            try:
                while block := response.read1(1 << 18):
                    first = first or time.monotonic()
                    size += len(block)
                    if keep is not None and response.status < 300:
                        keep(block)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                raise CannotMeasure(f"{url} broke off after {size} bytes: {error!r}") from error
            last = time.monotonic()
            missing = response.length
            # Else the connection could not be used again: after the last byte, `read1` leaves it open.
            response.close()
            if response.will_close:
                self.close()
            if missing:
                self.close()
                raise CannotMeasure(f"{url} broke off after {size} bytes")
            if response.status < 300:
                return Arrival(first or last, last, size)
            if response.status not in _LATER or last > deadline:
                raise CannotMeasure(f"{url} was answered with {response.status}")
            time.sleep(RETRY)

    def _response(self, url: str, method: str) -> http.client.HTTPResponse:
        again = self._connection is not None
        connection = self._connection or self._connect()
        try:
            connection.request(method, url)
            return connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if again:  # A server may end a connection that has nothing to do.
                return self._response(url, method)
            raise CannotMeasure(f"{url}: {error!r}") from error

    def _connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, PATIENCE, source_address=(self._source, 0))
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = connection
        return connection

    def ask_and_leave(self, url: str, seconds: float) -> None:
        """Request it, and break the connection after this time, whatever has come."""
        with suppress(OSError, http.client.HTTPException):
            connection = self._connection or self._connect()
            connection.request("GET", url)
        time.sleep(seconds)
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Player:
    """One viewer of one film. `master` is the path of the multivariant playlist, `height` the variant that is wanted (None: the largest)."""

    def __init__(self, port: int, master: str, height: int | None, source: str = "127.0.0.1") -> None:
        self._url, self._height = master, height
        self._lines = (Line(port, source), Line(port, source))
        self._pool = ThreadPoolExecutor(2)
        self._media: list[MediaPlaylist] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pool.shutdown()
        for line in self._lines:
            line.close()

    @property
    def length(self) -> float:
        """Seconds of the film."""
        return sum(one.duration for one in self._media[0].segments)

    def start(self, place: float = 0.0) -> Shown:
        """Click: get all playlists, and what is first shown at `place`."""
        clicked = time.monotonic()
        master = read_master(self._lines[0].text(self._url), self._url)
        playlist = time.monotonic()
        variant = master.variant(self._height)
        urls = [variant.url]
        if variant.group is not None and variant.group in master.audio:
            urls.append(master.audio[variant.group])
        tracks = list(self._pool.map(lambda line, url: self._begin(line, url, place), self._lines, urls))
        self._media = [media for media, _ in tracks]
        return self._shown(clicked, [arrival for _, arrival in tracks], place, 1000 * (playlist - clicked))

    def seek(self, place: float) -> Shown:
        """Go there: the segments of video and audio with this time."""
        began = time.monotonic()
        return self._shown(began, self._segments(place), place, 0.0)

    def scrub(self, places: Sequence[float], seconds: float) -> Shown:
        """Go to one place after the other, `seconds` at each, and stay at the last: what counts is the time from there."""
        for place in places[:-1]:
            urls = [media.segments[media.at(place)].url for media in self._media]
            list(self._pool.map(lambda line, url: line.ask_and_leave(url, seconds), self._lines, urls))
        return self.seek(places[-1])

    def play(self, start: float, seconds: float) -> tuple[float, float]:
        """Take all segments from `start` on, as fast as they come, until so much film is there; how much film of video it was, and in what time, in seconds."""
        began = time.monotonic()

        def take(line: Line, media: MediaPlaylist) -> float:
            film, number = 0.0, media.at(start)
            while film < seconds - 1e-3 and number < len(media.segments):
                line.fetch(media.segments[number].url)
                film += media.segments[number].duration
                number += 1
            return film

        films = list(self._pool.map(take, self._lines, self._media))
        return films[0], time.monotonic() - began

    def watch(self, start: float, seconds: float) -> Playhead:
        """Watch so much film from `start` on, as long as that takes, `AHEAD` in store. Where it has stalled is known afterwards. Raises `CannotMeasure`."""
        playhead = Playhead(len(self._media), start)
        failed = threading.Event()

        def take(track: int) -> None:
            media = self._media[track]
            number = media.at(start)
            begin = sum(one.duration for one in media.segments[:number])
            while begin < start + seconds and number < len(media.segments):
                # Another track may hold the player up, so how long this takes is not known.
                while begin > playhead.at(time.monotonic()) + AHEAD:
                    if failed.wait(RETRY):
                        return
                try:
                    arrival = self._lines[track].fetch(media.segments[number].url)
                except CannotMeasure:
                    failed.set()
                    raise
                begin += media.segments[number].duration
                playhead.arrived(track, begin, arrival.last)
                number += 1

        list(self._pool.map(take, range(len(self._media))))
        return playhead

    def _begin(self, line: Line, url: str, place: float) -> tuple[MediaPlaylist, Arrival]:
        media = read_media(line.text(url), url)
        if media.init is not None:
            line.fetch(media.init)
        return media, line.fetch(media.segments[media.at(place)].url)

    def _segments(self, place: float) -> Sequence[Arrival]:
        urls = [media.segments[media.at(place)].url for media in self._media]
        return list(self._pool.map(lambda line, url: line.fetch(url), self._lines, urls))

    def _shown(self, began: float, arrivals: Sequence[Arrival], place: float, playlist: float) -> Shown:
        video = self._media[0]
        return Shown(
            playlist=playlist,
            first=1000 * (arrivals[0].first - began),
            whole=1000 * (max(one.last for one in arrivals) - began),
            film=video.segments[video.at(place)].duration,
        )
