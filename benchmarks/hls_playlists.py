"""Playlists of HLS (RFC 8216) as far as a player needs them that shows nothing: where the segments are, and when they begin."""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urljoin

import attrs

from benchmarks.workshop import CannotMeasure

_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^",]*)')


@attrs.frozen
class Variant:
    """One variant of a multivariant playlist. `url` is absolute, `height` in rows (0: not said), `group` that of its audio."""

    url: str
    height: int
    bandwidth: int
    group: str | None = None


@attrs.frozen
class Master:
    """A multivariant playlist. `audio` are the URLs of the media playlists of audio by group: the default one of each; one that is in the video has none."""

    variants: Sequence[Variant]
    audio: Mapping[str, str]

    def variant(self, height: int | None) -> Variant:
        """The first variant of this height; None: the first of the largest."""
        wanted = max(one.height for one in self.variants) if height is None else height
        for one in self.variants:
            if one.height == wanted:
                return one
        raise CannotMeasure(f"no variant has {wanted} rows, only {sorted({one.height for one in self.variants})}")


@attrs.frozen
class Segment:
    """A media segment: its URL, and when it begins and how long it is, in seconds."""

    url: str
    start: float
    duration: float


@attrs.frozen
class MediaPlaylist:
    """A media playlist. `init` is the URL of its init segment, None where it has none."""

    init: str | None
    segments: Sequence[Segment]

    def at(self, place: float) -> int:
        """The number of the segment with this time; the last one for what comes after the end."""
        later = [number for number, one in enumerate(self.segments) if one.start > place + 1e-6]
        return max(0, later[0] - 1 if later else len(self.segments) - 1)


def read_master(text: str, url: str) -> Master:
    """Read a multivariant playlist (RFC 8216, section 4.3.4). `url` is its own."""
    variants, audio = [], {}
    lines = _lines(text)
    for number, line in enumerate(lines):
        values = attributes(line)
        if line.startswith("#EXT-X-STREAM-INF:"):
            height = int(values.get("RESOLUTION", "0x0").partition("x")[2])
            bandwidth = int(values.get("BANDWIDTH", "0"))
            after = lines[number + 1] if number + 1 < len(lines) else ""
            variants.append(Variant(urljoin(url, after), height, bandwidth, values.get("AUDIO")))
        elif line.startswith("#EXT-X-MEDIA:") and values.get("TYPE") == "AUDIO" and "URI" in values:
            group = values["GROUP-ID"]
            if group not in audio or values.get("DEFAULT") == "YES":
                audio[group] = urljoin(url, values["URI"])
    if not variants:
        raise CannotMeasure(f"{url} has no variants: {text[:200]!r}")
    return Master(tuple(variants), audio)


def read_media(text: str, url: str) -> MediaPlaylist:
    """Read a media playlist (RFC 8216, section 4.3.3). `url` is its own."""
    init, segments, duration, start = None, [], None, 0.0
    for line in _lines(text):
        if line.startswith("#EXT-X-MAP:"):
            init = urljoin(url, attributes(line)["URI"])
        elif line.startswith("#EXTINF:"):
            duration = float(line.partition(":")[2].partition(",")[0])
        elif not line.startswith("#") and duration is not None:
            segments.append(Segment(urljoin(url, line), start, duration))
            start, duration = start + duration, None
    if not segments:
        raise CannotMeasure(f"{url} has no segments: {text[:200]!r}")
    return MediaPlaylist(init, tuple(segments))


def attributes(line: str) -> Mapping[str, str]:
    """The attributes of a tag (section 4.2), quotes taken off."""
    return {name: value.strip('"') for name, value in _ATTRIBUTE.findall(line.partition(":")[2])}


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
