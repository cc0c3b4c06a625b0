"""The audio that HLS and DASH offer: for each stream AAC in stereo and, of surround sound, in 5.1; and as it is, where players take it.

A player gets one of the groups, and in it one rendition of each stream: `aac` is for all, `aac-6` for those with more than two loudspeakers, `own` has
what can be copied. A stream that a group has no rendition of its own for is in it as in the group before, so that a change of the language changes nothing else.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction

from transcoded.plan.cmaf.codecs import AAC_CODEC
from transcoded.plan.cmaf.renditions import AudioGroup, AudioRendition
from transcoded.plan.cmaf.timeline import Timeline, copied_audio_timeline
from transcoded.plan.media.probe import AudioStream, Media
from transcoded.plan.media.sound import output_channels
from transcoded.plan.media.timeline.extents import begins_late

STEREO, SURROUND, OWN = "aac", "aac-6", "own"
"""The groups."""

STEREO_RATE, SURROUND_RATE = 128_000, 384_000
"""Bits per second."""

_CODECS: Mapping[str, str] = {"aac": AAC_CODEC, "ac3": "ac-3", "eac3": "ec-3", "flac": "fLaC", "opus": "opus"}
"""Codec strings of what is copied: the types of the sample entries (ETSI TS 102 366, annex F; the FLAC and Opus mappings), which players compare without regard to case."""

_RATES: Mapping[str, int] = {"flac": 1_200_000}
_USUAL_RATE = 448_000
"""Bits per second of copied sound whose rate is not known."""

_CONTAINERS = frozenset({"mov", "matroska", "webm"})
"""Those with times for each packet, and an index by which a seek leads to whole packets."""

_EDGE = 0.1
"""Seconds by which copied sound may begin later, or end earlier, than the film: nothing is put there."""

_MAX_CHANNELS = 8


def audio_renditions(
    media: Media, heard: Sequence[AudioStream], copied_only: Sequence[AudioStream], grid: Timeline, step: Fraction
) -> tuple[tuple[AudioRendition, ...], tuple[AudioGroup, ...]]:
    """The renditions of these streams, and the groups. `heard` can be encoded here, `copied_only` cannot.

    `grid` is the timeline of what is encoded, `step` the length of a segment in seconds.
    """
    streams = sorted((*heard, *copied_only), key=lambda one: one.position)
    default = _default(media, heard or copied_only)
    stereo = {one.position: _encoded(one, one == default, grid, 2) for one in heard}
    surround = {
        one.position: _encoded(one, one == default, grid, 6)
        for one in heard
        if one.channels >= 5 and output_channels(one, 6, 6, lossless=False) == 6
    }
    copies = ((one.position, _copied(media, one, one == default, step)) for one in streams)
    own = {position: copy for position, copy in copies if copy is not None}
    groups: list[AudioGroup] = []
    before: dict[int, AudioRendition] = {}
    for name, found in ((STEREO, stereo), (SURROUND, surround), (OWN, own)):
        if found:
            before = {**before, **found}
            groups.append(AudioGroup(name, tuple(before[one.position] for one in streams if one.position in before)))
    # Everybody plays AAC, and here it costs nothing.
    own_first = [one for one in groups if one.name == OWN and one.plays_everywhere]
    ordered = (*own_first, *(one for one in groups if one not in own_first))
    everything = {one.id: one for group in groups for one in group.renditions}
    return tuple(sorted(everything.values(), key=lambda one: (one.stream.position, one.copied, one.channels))), ordered


def copyable_audio(media: Media, stream: AudioStream) -> bool:
    """Whether the packets of a stream can be its segments, wherever they are cut."""
    if _CONTAINERS.isdisjoint(media.container.split(",")) or media.restarts or not stream.seen or stream.edited:
        return False
    if stream.codec not in _CODECS or stream.frame is None or stream.first_packet is None:
        return False
    if stream.channels > _MAX_CHANNELS or (stream.codec == "aac" and (stream.profile != "LC" or not stream.described)):
        return False
    if stream.duration is None or media.duration is None:
        return False
    late = begins_late(media, stream)
    return late <= _EDGE and late + stream.duration >= media.duration - _EDGE


def _default(media: Media, streams: Sequence[AudioStream]) -> AudioStream | None:
    return media.default_audio if media.default_audio in streams else next(iter(streams), None)


def _encoded(stream: AudioStream, default: bool, grid: Timeline, channels: int) -> AudioRendition:
    rate = STEREO_RATE if channels <= 2 else SURROUND_RATE
    return AudioRendition(
        id=f"a{stream.position}" if channels <= 2 else f"a{stream.position}-{channels}",
        stream=stream,
        default=default,
        average=rate,
        peak=rate * 5 // 4,
        timeline=grid,
        channels=channels,
    )


def _copied(media: Media, stream: AudioStream, default: bool, step: Fraction) -> AudioRendition | None:
    if not copyable_audio(media, stream):
        return None
    assert stream.frame is not None and stream.first_packet is not None and stream.duration is not None  # noqa: PT018, S101 - `copyable_audio` has seen to that
    first = round((stream.first_packet - media.start_time) * stream.sample_rate)
    end = round((begins_late(media, stream) + stream.duration) * stream.sample_rate)
    rate = stream.bit_rate or _RATES.get(stream.codec, _USUAL_RATE)
    return AudioRendition(
        id=f"a{stream.position}-copy",
        stream=stream,
        default=default,
        average=rate,
        # Of a codec of constant rate, a bit more than it says; of one of variable rate it is not known.
        peak=rate * 3 // 2 if stream.codec in {"flac", "opus"} else rate * 5 // 4,
        timeline=copied_audio_timeline(first, end, stream.frame, stream.sample_rate, step),
        codecs=_CODECS[stream.codec],
        delay=max(0, -first),
        copied=True,
        channels=stream.channels,
        objects="JOC" if "Atmos" in (stream.profile or "") else None,
    )
