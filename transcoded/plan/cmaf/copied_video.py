"""The copied video: which files can be offered with the video as it is, and what a playlist says of it.

Players decode what they can and leave out the variants whose `CODECS` they do not know, so more is offered here than one browser plays: H.264,
HEVC, AV1 and VP9, in SDR, HDR10 and HLG, turned and with pixels that are not square. What no player shows rightly in segments is not offered:
interlaced video, which has combs; a crop or a mirror of the container; H.264 with open groups of pictures, since browsers begin only at an IDR picture.
"""

from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise
from math import ceil

from transcoded.plan.cmaf.codecs import avc_string
from transcoded.plan.cmaf.rates import frame_rate
from transcoded.plan.cmaf.renditions import VideoRange, VideoRendition
from transcoded.plan.cmaf.timeline import TARGET, Timeline, copied_timeline, keyframe_tick, short_enough
from transcoded.plan.media.copying import unplayable_picture
from transcoded.plan.media.formats import H264_PIX_FMTS
from transcoded.plan.media.probe import Media, VideoStream
from transcoded.plan.media.timeline.packets import PacketScan

COPIED = "copy"
"""The id of the copied rendition."""

_BOXES, _ROW = 160, 16
"""Bytes that the boxes of a segment take, and at most so many for each frame (`write_fragment`)."""

# The H.264 profiles that browsers decode, by ffprobe's names: profile_idc and constraint flags (ITU-T H.264, section
# A.2).
_PROFILES = {"Constrained Baseline": (66, 0xC0), "Baseline": (66, 0), "Main": (77, 0x40), "High": (100, 0)}

_PIX_FMTS: Mapping[str, frozenset[str]] = {
    "h264": H264_PIX_FMTS,
    "hevc": frozenset({"yuv420p", "yuvj420p", "yuv420p10le"}),
    "av1": frozenset({"yuv420p", "yuv420p10le"}),
    "vp9": frozenset({"yuv420p", "yuv420p10le"}),
}
"""What players decode of each codec, by ffmpeg's names."""

_RANGES: Mapping[str, VideoRange] = {"smpte2084": "PQ", "arib-std-b67": "HLG"}

_DOLBY_BRANDS = {1: "db1p", 2: "db2g", 4: "db4h"}
"""The brands of Dolby Vision over a base layer of HDR10, SDR and HLG, by the compatibility (Dolby Vision Streams within the HTTP Live Streaming format)."""
_DOLBY_ENTRIES = {("hevc", 8): "dvh1", ("av1", 10): "dav1"}


def copyable(stream: VideoStream) -> bool:
    """Whether players can show the video as it is, as far as the probe tells."""
    if stream.pix_fmt not in _PIX_FMTS.get(stream.codec, ()) or stream.interlaced or stream.edited:
        return False
    if stream.codec == "h264" and (stream.profile not in _PROFILES or stream.level is None):
        return False
    return unplayable_picture(stream) is None


def needs_entry(stream: VideoStream) -> bool:
    """Whether only a sample entry says what its codec string is. That of H.264 follows from profile and level."""
    return copyable(stream) and stream.codec != "h264"


def copied_video(
    media: Media, stream: VideoStream, scan: PacketScan, codecs: str | None, target: Fraction = TARGET
) -> VideoRendition | None:
    """The copied video, if players show it and its keyframes are known and close enough together; else None.

    `codecs` is the codec string of its sample entry; None: not known, and then only H.264 is possible.
    """
    if not copyable(stream) or not scan.keyframes or media.duration is None:
        return None
    if stream.codec == "h264" and scan.leading:
        return None
    if stream.codec == "h264":
        assert stream.level is not None  # noqa: S101 - `copyable` has seen to that
        codecs = avc_string(*_PROFILES[stream.profile or ""], stream.level)
    if codecs is None:
        return None
    duration = Fraction(round(media.duration * 1_000_000), 1_000_000)
    rate = frame_rate(stream.fps, stream.timing_rate)
    timeline = copied_timeline(scan.keyframes, duration, rate, target)
    if not short_enough(timeline):
        return None
    measured = _bit_rates(timeline, scan, max(rate, stream.fps or rate))
    # If it was not measured, the estimate is high: a player stalls if the real peak is above the announced one.
    average, peak = measured or ((estimate := video_average(media, stream)), 2 * estimate)
    return VideoRendition(
        id=COPIED,
        stream=stream,
        width=max(1, round(stream.width * stream.sar)) if stream.sar > 1 else stream.width,
        height=max(1, round(stream.height / stream.sar)) if stream.sar < 1 else stream.height,
        rate=rate,
        average=average,
        peak=peak,
        codecs=codecs,
        level=stream.level or 0,
        timeline=timeline,
        copied=True,
        delay=scan.delay_in(timeline.timescale, rate),
        sar=stream.sar,
        range=_RANGES.get(stream.transfer or "", "SDR"),
        open_gop=bool(scan.leading),
        supplemental=_dolby_vision(stream),
    )


def _bit_rates(timeline: Timeline, scan: PacketScan, rate: Fraction) -> tuple[int, int] | None:
    """The average and the highest bit rate of the segments, in bits per second, with what their boxes take; None: not measured."""
    if len(scan.offsets) != len(scan.keyframes) + 1:
        return None
    ticks = (keyframe_tick(time, timeline.timescale) for time in scan.keyframes)
    before = dict(zip(ticks, scan.offsets, strict=False))
    places = [scan.offsets[0], *(before[start] for start in timeline.starts[1:]), scan.offsets[-1]]
    lengths = [later - earlier for earlier, later in pairwise((*timeline.starts, timeline.end))]
    frames, scale = float(rate) / timeline.timescale, 8 * timeline.timescale
    sizes = [
        later - earlier + _BOXES + _ROW * ceil(length * frames)
        for (earlier, later), length in zip(pairwise(places), lengths, strict=True)
    ]
    peak = ceil(max(size * scale / length for size, length in zip(sizes, lengths, strict=True)))
    return min(round(sum(sizes) * scale / timeline.end), peak), peak


def video_average(media: Media, stream: VideoStream) -> int:
    """The average bit rate of the video in bits per second; that of the whole file if no other is known."""
    whole = round(media.size * 8 / media.duration) if media.duration else 0
    return min(stream.bit_rate or whole, whole)


def _dolby_vision(stream: VideoStream) -> tuple[str, str] | None:
    """The codec string of Dolby Vision (RFC 8216bis, SUPPLEMENTAL-CODECS) and its brand, if the base layer is of use to others."""
    dolby = stream.dolby_vision
    if dolby is None:
        return None
    entry, brand = _DOLBY_ENTRIES.get((stream.codec, dolby.profile)), _DOLBY_BRANDS.get(dolby.compatibility)
    if entry is None or brand is None:
        return None
    return f"{entry}.{dolby.profile:02d}.{dolby.level:02d}", brand
