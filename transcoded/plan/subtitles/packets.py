"""Reads Matroska (RFC 9559) with text, as ffmpeg writes it to a pipe: the packets of several tracks of text, and a clock.

The clock is any other track. Its packets tell how far ffmpeg has read, and are not kept: with subtitles alone one would learn that from the next
line, which may be an hour later. The text of a track is given as a file of its own format, in the way in which ffmpeg's own muxers write it.
"""

from collections.abc import Sequence

import attrs

from transcoded.plan.errors import NotMedia, TooMuchOutput
from transcoded.plan.media.vint import read_vint, unknown_size

MAX_TEXT = 16 << 20
"""Bytes of text of all tracks together."""

MAX_HEADER = 1 << 20
"""Bytes of an element that is read and is no packet. The header of a script has the fonts in it only if somebody has put them there by hand."""

_MAX_HEAD = 12
"""Bytes of the head of an element: an ID of four at the most, and a size of eight (RFC 8794, sections 5 and 6)."""

_TIMES = 12
"""Bytes of a block up to its data, at the most (RFC 9559, section 10)."""

# IDs of elements (RFC 9559, section 5.1).
_SEGMENT, _CLUSTER, _GROUP, _TRACKS, _ENTRY = 0x18538067, 0x1F43B675, 0xA0, 0x1654AE6B, 0xAE
_OPENED = frozenset({_SEGMENT, _CLUSTER, _GROUP, _TRACKS, _ENTRY})
_TIME, _BLOCK, _SIMPLE_BLOCK, _DURATION = 0xE7, 0xA1, 0xA3, 0x9B
_CODEC, _PRIVATE = 0x86, 0x63A2
_READ = frozenset({_TIME, _DURATION, _CODEC, _PRIVATE})


@attrs.define
class TextPacket:
    """A line of subtitles: `start` and `duration` in milliseconds, and its bytes as the track has them."""

    start: int
    data: bytes
    duration: int = 0


@attrs.define
class TextTrack:
    """A track: the header of its codec, and its packets in the order of the file."""

    codec: str = ""
    header: bytes = b""
    packets: list[TextPacket] = attrs.Factory(list)


class TextReader:
    """Reads what ffmpeg writes, in blocks of any size. The first `texts` tracks have text, all others are the clock.

    `end`: milliseconds at which enough was read.
    """

    def __init__(self, texts: int, end: int) -> None:
        self.tracks: Sequence[TextTrack] = [TextTrack() for _ in range(texts)]
        self._end = end
        self._data = bytearray()
        self._skip = 0
        self._cluster = 0
        self._entry = -1
        self._last: TextPacket | None = None
        self._size = 0
        self._enough = False

    def feed(self, data: bytes) -> bool:
        """Read on. Returns whether it was enough. Raises `TooMuchOutput` for more text than `MAX_TEXT`, `NotMedia` for what is no Matroska."""
        self._data += data
        place = 0
        while not self._enough:
            if self._skip:
                step = min(self._skip, len(self._data) - place)
                place += step
                self._skip -= step
                if self._skip:
                    break
            found = self._element(place)
            if found is None:
                break
            place = found
        del self._data[:place]
        return self._enough

    def _element(self, place: int) -> int | None:
        """Read the element at a place. Returns where the next one begins; None if not all that is needed of it has come."""
        head = bytes(self._data[place : place + _MAX_HEAD])
        name = read_vint(head, 0, marker=True)
        size = None if name is None else read_vint(head, name[1])
        if name is None or size is None:
            if len(head) == _MAX_HEAD:
                raise _broken()
            return None
        (kind, id_end), (length, body) = name, size
        if length == unknown_size(body - id_end):
            # Such an element is opened.
            length = 0
        start = place + body
        if kind in _OPENED:
            self._entry += kind == _ENTRY
            return start
        if kind in {_BLOCK, _SIMPLE_BLOCK}:
            return self._block(start, length)
        if kind not in _READ:
            self._skip = length
            return start
        if length > MAX_HEADER:
            raise _broken()
        if len(self._data) < start + length:
            return None
        self._value(kind, bytes(self._data[start : start + length]))
        return start + length

    def _value(self, kind: int, data: bytes) -> None:
        if kind == _TIME:
            # Before 0 ffmpeg writes it so.
            self._cluster = int.from_bytes(data, signed=len(data) == 8)
        elif kind == _DURATION and self._last is not None:
            self._last.duration = int.from_bytes(data)
        elif 0 <= self._entry < len(self.tracks):
            track = self.tracks[self._entry]
            if kind == _CODEC:
                track.codec = data.decode("ascii", "replace")
            elif kind == _PRIVATE:
                track.header = data
                self._count(len(data))

    def _block(self, start: int, length: int) -> int | None:
        head = bytes(self._data[start : start + min(length, _TIMES)])
        track = read_vint(head, 0)
        if len(head) < min(length, _TIMES):
            return None
        if track is None or length < track[1] + 3:
            raise _broken()
        number, at = track
        time = self._cluster + int.from_bytes(head[at : at + 2], signed=True)
        if number > len(self.tracks):
            self._last = None
            self._enough = time >= self._end
            self._skip = length
            return start
        if length > MAX_TEXT:
            raise _too_much()
        if len(self._data) < start + length:
            return None
        self._last = TextPacket(time, bytes(self._data[start + at + 3 : start + length]))
        self._count(len(self._last.data) + 100)
        self.tracks[max(0, number - 1)].packets.append(self._last)
        return start + length

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > MAX_TEXT:
            raise _too_much()


def _broken() -> NotMedia:
    return NotMedia("The subtitles of the file cannot be read.")


def _too_much() -> TooMuchOutput:
    return TooMuchOutput(f"The file has more than {MAX_TEXT:,} bytes of subtitles in a few minutes.")


def as_file(track: TextTrack) -> bytes:
    """The text of a track as a file: SubRip, SubStation Alpha or WebVTT, in the charset that it has."""
    if "ASS" in track.codec or "SSA" in track.codec:
        return _ass(track)
    return _vtt(track) if "WEBVTT" in track.codec else _srt(track)


def _srt(track: TextTrack) -> bytes:
    return b"".join(
        b"%d\n%s --> %s\n%s\n\n" % (number, _clock(one.start, b","), _clock(one.start + one.duration, b","), one.data)
        for number, one in enumerate(track.packets, 1)
    )


def _vtt(track: TextTrack) -> bytes:
    lines = [b"WEBVTT\n"]
    for one in track.packets:
        # The name and the settings are lines of their own before the text.
        name, _, rest = one.data.partition(b"\n")
        settings, _, text = rest.partition(b"\n")
        # It leaves hours out that are none.
        ends = (_clock(time, b".").removeprefix(b"00:") for time in (one.start, one.start + one.duration))
        times = b"%s --> %s" % tuple(ends)
        named, set_ = name + b"\n" if name else b"", b" " + settings if settings else b""
        lines.append(b"\n%s%s%s\n%s\n" % (named, times, set_, text))
    return b"".join(lines)


def _ass(track: TextTrack) -> bytes:
    head = track.header.rstrip(b"\0").rstrip()
    lines = [head] if b"[Events]" in head else [head, _EVENTS]
    # A packet has the number of its line, and all columns of it but the times.
    for one in sorted(track.packets, key=_number_of_line):
        layer, _, rest = one.data.partition(b",")[2].partition(b",")
        # Each of the two is rounded by itself. A line may have begun before its film.
        start, length = _hundredths(one.start), _hundredths(one.duration + min(0, one.start))
        text = rest.strip(b"\r\n").partition(b"\n")[0]
        lines.append(b"Dialogue: %s,%s,%s,%s" % (layer, _short_clock(start), _short_clock(start + length), text))
    return b"\n".join(lines) + b"\n"


_EVENTS = b"[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text"


def _number_of_line(packet: TextPacket) -> int:
    number = packet.data.partition(b",")[0]
    return int(number) if number.isdigit() and len(number) < 10 else 0


def _hundredths(milliseconds: int) -> int:
    return (max(0, milliseconds) + 5) // 10


def _short_clock(hundredths: int) -> bytes:
    minutes, rest = divmod(hundredths, 6000)
    return b"%d:%02d:%02d.%02d" % (minutes // 60, minutes % 60, rest // 100, rest % 100)


def _clock(milliseconds: int, point: bytes) -> bytes:
    minutes, rest = divmod(max(0, milliseconds), 60_000)
    return b"%02d:%02d:%02d%s%03d" % (minutes // 60, minutes % 60, rest // 1000, point, rest % 1000)
