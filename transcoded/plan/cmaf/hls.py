"""HLS playlists (RFC 8216bis) of a presentation: complete from the first request on, since nothing in them is measured.

All URIs are relative, and to each the same query can be added, so that a signed URL opens what it leads to.
"""

import re
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from transcoded.plan.cmaf.ladder import Presentation, Rendition, SubtitleRendition
from transcoded.plan.cmaf.timeline import Timeline, round_half_up
from transcoded.plan.cmaf.track_names import language_tag, names
from transcoded.plan.cmaf.uris import with_query

CONTENT_TYPE = "application/vnd.apple.mpegurl"

# Version 7 is the lowest that may have EXT-X-MAP in a list that is not of I-frames only, with what else is used here.
_HEAD = ("#EXTM3U", "#EXT-X-VERSION:7")
_AUDIO, _SUBTITLES = "audio", "subtitles"
_QUOTE = re.compile(r'["\r\n]')


def master_playlist(presentation: Presentation, query: str = "") -> str:
    """The multivariant playlist: every picture with every sound and subtitle, or the sound alone.

    `query` is put behind each URI as it is, without a question mark: already percent-encoded.
    """
    lines = [*_HEAD, "#EXT-X-INDEPENDENT-SEGMENTS"]
    lines += _media(presentation, query)
    sound = presentation.audio
    groups: list[tuple[str, str]] = []
    if (sound and presentation.video) or len(sound) > 1:
        groups.append(("AUDIO", _quoted(_AUDIO)))
    if presentation.subtitles:
        groups.append(("SUBTITLES", _quoted(_SUBTITLES)))
    # One picture is played with one of the sounds: the dearest of them counts (section 4.4.6.2).
    peak, average = max((one.peak for one in sound), default=0), max((one.average for one in sound), default=0)
    for picture in presentation.video:
        codecs = dict.fromkeys([picture.codecs, *(one.codecs for one in sound)])
        lines += _variant(
            f"cmaf/{picture.id}/index.m3u8",
            query,
            ("BANDWIDTH", str(picture.peak + peak)),
            ("AVERAGE-BANDWIDTH", str(picture.average + average)),
            ("CODECS", _quoted(",".join(codecs))),
            ("RESOLUTION", f"{picture.width}x{picture.height}"),
            ("FRAME-RATE", f"{float(picture.rate):.3f}"),
            *groups,
            ("CLOSED-CAPTIONS", "NONE"),
        )
    if not presentation.video:
        first = next((one for one in sound if one.default), sound[0])
        lines += _variant(
            f"cmaf/{first.id}/index.m3u8",
            query,
            ("BANDWIDTH", str(peak)),
            ("AVERAGE-BANDWIDTH", str(average)),
            ("CODECS", _quoted(first.codecs)),
            *groups,
        )
    return _text(lines)


def media_playlist(rendition: Rendition | SubtitleRendition, query: str = "") -> str:
    """The list of a rendition's segments, from the first to the last, with their exact lengths."""
    if isinstance(rendition, SubtitleRendition):
        # One WebVTT file is one segment; it has no header of times, which means that its 0 is the media's.
        source = f"../../subtitles/{rendition.stream.position}.vtt"
        return _list([rendition.duration], [with_query(source, query)])
    timeline = rendition.timeline
    uris = [with_query(f"{number}.m4s", query) for number in range(len(timeline))]
    return _list(_lengths(timeline), uris, f"#EXT-X-MAP:URI={_quoted(with_query('init.mp4', query))}")


def _media(presentation: Presentation, query: str) -> list[str]:
    """EXT-X-MEDIA of sounds and subtitles (section 4.4.6.1)."""
    lines: list[str] = []
    sounds = presentation.audio if presentation.video or len(presentation.audio) > 1 else ()
    for one, name in zip(sounds, names([one.stream for one in sounds], "Audio"), strict=True):
        language = language_tag(one.stream.language)
        lines.append(
            _tag(
                "#EXT-X-MEDIA",
                ("TYPE", "AUDIO"),
                ("GROUP-ID", _quoted(_AUDIO)),
                ("NAME", _quoted(name)),
                *((("LANGUAGE", _quoted(language)),) if language else ()),
                ("DEFAULT", _yes(one.default)),
                ("AUTOSELECT", _yes(one.default or language is not None)),
                ("CHANNELS", _quoted("2")),
                ("URI", _quoted(with_query(f"cmaf/{one.id}/index.m3u8", query))),
            )
        )
    # At most one may be the default of its group.
    default = next((track.id for track in presentation.subtitles if track.stream.default), None)
    labels = names([track.stream for track in presentation.subtitles], "Subtitles")
    for track, name in zip(presentation.subtitles, labels, strict=True):
        language = language_tag(track.stream.language)
        lines.append(
            _tag(
                "#EXT-X-MEDIA",
                ("TYPE", "SUBTITLES"),
                ("GROUP-ID", _quoted(_SUBTITLES)),
                ("NAME", _quoted(name)),
                *((("LANGUAGE", _quoted(language)),) if language else ()),
                ("DEFAULT", _yes(track.id == default)),
                ("AUTOSELECT", _yes(track.id == default or track.stream.forced or language is not None)),
                ("FORCED", _yes(track.stream.forced)),
                ("URI", _quoted(with_query(f"cmaf/{track.id}/index.m3u8", query))),
            )
        )
    return lines


def _variant(uri: str, query: str, *attributes: tuple[str, str]) -> list[str]:
    return [_tag("#EXT-X-STREAM-INF", *attributes), with_query(uri, query)]


def _list(lengths: Sequence[Fraction], uris: Sequence[str], *extra: str) -> str:
    # Section 4.4.3.1: no length, rounded to whole seconds, may be above the target.
    target = max(1, *(round_half_up(length) for length in lengths))
    lines = [*_HEAD, f"#EXT-X-TARGETDURATION:{target}", "#EXT-X-MEDIA-SEQUENCE:0", "#EXT-X-PLAYLIST-TYPE:VOD", *extra]
    for length, uri in zip(lengths, uris, strict=True):
        lines += [f"#EXTINF:{float(length):.6f},", uri]
    return _text([*lines, "#EXT-X-ENDLIST"])


def _lengths(timeline: Timeline) -> list[Fraction]:
    """Lengths in whole microseconds whose sums are right: what rounding takes from one it gives to the next."""
    ticks = [*timeline.starts, timeline.end]
    micro = [round_half_up(timeline.seconds(tick) * 1_000_000) for tick in ticks]
    return [Fraction(later - earlier, 1_000_000) for earlier, later in pairwise(micro)]


def _tag(name: str, *attributes: tuple[str, str]) -> str:
    return f"{name}:{','.join(f'{key}={value}' for key, value in attributes)}"


def _quoted(value: str) -> str:
    """A quoted-string (section 4.2), which can hold neither a double quote nor the end of a line."""
    plain = _QUOTE.sub("'", value)
    return f'"{plain}"'


def _yes(value: bool) -> str:
    return "YES" if value else "NO"


def _text(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"
