"""HLS playlists (RFC 8216bis) of a presentation. They are complete at the first request: nothing in them is measured.

All URIs are relative. Each has the mark `QUERY`: `fillings` says what replaces it, so that a signed URL gives access to all
that its playlist names.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

from transcoded.plan.cmaf.renditions import Presentation, Rendition, SubtitleRendition, VideoRendition
from transcoded.plan.cmaf.tiles import image_stream_tag
from transcoded.plan.cmaf.timeline import Timeline, round_half_up
from transcoded.plan.cmaf.track_names import language_tag, names
from transcoded.plan.cmaf.uris import QUERY, Fillings, encoded
from transcoded.plan.media.storyboard import Storyboard
from transcoded.plan.subtitles.windows import window_lengths

CONTENT_TYPE = "application/vnd.apple.mpegurl"

# Enough for EXT-X-MAP in a playlist that is not of I-frames only, and for all other tags that are used.
_HEAD = ("#EXTM3U", "#EXT-X-VERSION:7")
_INDEPENDENT = "#EXT-X-INDEPENDENT-SEGMENTS"
_PICTURES = "#EXT-X-I-FRAMES-ONLY"
_SUBTITLES = "subtitles"
_FOR_THE_DEAF = "public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound"
_QUOTE = re.compile(r'["\r\n]')


def fillings(query: str) -> Fillings:
    """What replaces the marks in a playlist. `query` is percent-encoded, without its question mark."""
    return {QUERY.encode(): encoded(query).encode()}


def master_playlist(presentation: Presentation, images: Storyboard | None = None) -> str:
    """The multivariant playlist: each video rendition with all audio and subtitles, or audio alone. `images` are for scrubbing."""
    # In a multivariant playlist it would be said of all segments of all renditions.
    closed = not any(one.open_gop for one in presentation.video)
    lines = [*_HEAD, *([_INDEPENDENT] if closed else [])]
    lines += _media(presentation)
    subtitles = [("SUBTITLES", _quoted(_SUBTITLES))] if presentation.subtitles else []
    ranges = {video.range for video in presentation.video}
    for video, group in presentation.variants:
        codecs = dict.fromkeys([video.codecs, *(group.codecs if group else ())])
        lines += _variant(
            f"cmaf/{video.id}/index.m3u8",
            # A player combines the video with one audio rendition: the one with the highest bit rate counts (section 4.4.6.2).
            ("BANDWIDTH", str(video.peak + (group.peak if group else 0))),
            ("AVERAGE-BANDWIDTH", str(video.average + (group.average if group else 0))),
            ("CODECS", _quoted(",".join(codecs))),
            *((("SUPPLEMENTAL-CODECS", _quoted("/".join(video.supplemental))),) if video.supplemental else ()),
            *((("VIDEO-RANGE", video.range),) if ranges != {"SDR"} else ()),
            ("RESOLUTION", f"{video.width}x{video.height}"),
            ("FRAME-RATE", f"{float(video.rate):.3f}"),
            *((("AUDIO", _quoted(group.name)),) if group else ()),
            *subtitles,
            ("CLOSED-CAPTIONS", "NONE"),
        )
    if not presentation.video:
        named = _has_groups(presentation)
        for group in presentation.groups:
            first = next((one for one in group.renditions if one.default), group.renditions[0])
            lines += _variant(
                f"cmaf/{first.id}/index.m3u8",
                ("BANDWIDTH", str(group.peak)),
                ("AVERAGE-BANDWIDTH", str(group.average)),
                ("CODECS", _quoted(",".join(group.codecs))),
                *((("AUDIO", _quoted(group.name)),) if named else ()),
                *subtitles,
            )
    if presentation.trick is not None:
        lines.append(_trick(presentation.trick))
    if images is not None:
        lines.append(image_stream_tag(images))
    return _text(lines)


def _has_groups(presentation: Presentation) -> bool:
    """Whether audio is a rendition besides the variants: there is video, or a choice."""
    return bool(presentation.video) or any(len(group.renditions) > 1 for group in presentation.groups)


def media_playlist(rendition: Rendition | SubtitleRendition) -> str:
    """The media playlist of a rendition: all its segments, with exact durations."""
    if isinstance(rendition, SubtitleRendition):
        lengths = [round_half_up(length * 1_000_000) for length in window_lengths(rendition.duration)]
        return _list(lengths, [f"{number}.vtt{QUERY}" for number in range(len(lengths))])
    timeline = rendition.timeline
    uris = [f"{number}.m4s{QUERY}" for number in range(len(timeline))]
    extra = [_INDEPENDENT]
    if isinstance(rendition, VideoRendition) and (rendition.open_gop or rendition.intra):
        extra = [_PICTURES] if rendition.intra else []
    return _list(_lengths(timeline), uris, *extra, f'#EXT-X-MAP:URI="init.mp4{QUERY}"')


def _media(presentation: Presentation) -> list[str]:
    """The EXT-X-MEDIA tags of audio and subtitles (section 4.4.6.1)."""
    lines: list[str] = []
    streams = [one.stream for one in presentation.groups[0].renditions] if presentation.groups else []
    labels = {one.position: name for one, name in zip(streams, names(streams, "Audio"), strict=True)}
    for group in presentation.groups if _has_groups(presentation) else ():
        for one in group.renditions:
            language = language_tag(one.stream.language)
            lines.append(
                _tag(
                    "#EXT-X-MEDIA",
                    ("TYPE", "AUDIO"),
                    ("GROUP-ID", _quoted(group.name)),
                    ("NAME", _quoted(labels[one.stream.position])),
                    *((("LANGUAGE", _quoted(language)),) if language else ()),
                    ("DEFAULT", _yes(one.default)),
                    ("AUTOSELECT", _yes(one.default or language is not None)),
                    ("CHANNELS", _quoted(one.hls_channels)),
                    ("URI", f'"cmaf/{one.id}/index.m3u8{QUERY}"'),
                )
            )
    # At most one rendition of a group can be the default.
    default = next((track.id for track in presentation.subtitles if track.stream.default), None)
    texts = names([track.stream for track in presentation.subtitles], "Subtitles")
    for track, name in zip(presentation.subtitles, texts, strict=True):
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
                *((("CHARACTERISTICS", _quoted(_FOR_THE_DEAF)),) if track.stream.hearing_impaired else ()),
                ("URI", f'"cmaf/{track.id}/index.m3u8{QUERY}"'),
            )
        )
    return lines


def _trick(video: VideoRendition) -> str:
    """The tag of the playlist for fast play (section 4.4.6.3)."""
    return _tag(
        "#EXT-X-I-FRAME-STREAM-INF",
        ("BANDWIDTH", str(video.peak)),
        ("AVERAGE-BANDWIDTH", str(video.average)),
        ("CODECS", _quoted(video.codecs)),
        ("RESOLUTION", f"{video.width}x{video.height}"),
        ("URI", f'"cmaf/{video.id}/index.m3u8{QUERY}"'),
    )


def _variant(uri: str, *attributes: tuple[str, str]) -> list[str]:
    return [_tag("#EXT-X-STREAM-INF", *attributes), f"{uri}{QUERY}"]


def _list(lengths: Sequence[int], uris: Sequence[str], *extra: str) -> str:
    """The playlist of these segments, whose lengths are in microseconds."""
    # Section 4.4.3.1: no duration, rounded to whole seconds, can be above the target duration.
    target = max(1, (max(lengths) + 500_000) // 1_000_000)
    lines = [*_HEAD, f"#EXT-X-TARGETDURATION:{target}", "#EXT-X-MEDIA-SEQUENCE:0", "#EXT-X-PLAYLIST-TYPE:VOD", *extra]
    for length, uri in zip(lengths, uris, strict=True):
        lines.append(f"#EXTINF:{length // 1_000_000}.{length % 1_000_000:06},\n{uri}")
    return _text([*lines, "#EXT-X-ENDLIST"])


def _lengths(timeline: Timeline) -> list[int]:
    """Durations in whole microseconds. Boundaries are rounded, not durations: rounding errors do not add up."""
    scale = timeline.timescale
    micro = [(2_000_000 * tick + scale) // (2 * scale) for tick in (*timeline.starts, timeline.end)]
    return [later - earlier for earlier, later in pairwise(micro)]


def _tag(name: str, *attributes: tuple[str, str]) -> str:
    return f"{name}:{','.join(f'{key}={value}' for key, value in attributes)}"


def _quoted(value: str) -> str:
    """A quoted-string (section 4.2): it can contain no double quote and no line break."""
    plain = _QUOTE.sub("'", value)
    return f'"{plain}"'


def _yes(value: bool) -> str:
    return "YES" if value else "NO"


def _text(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"
