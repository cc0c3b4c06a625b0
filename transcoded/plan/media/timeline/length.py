"""How long a file is: what its header says is taken for a fact, for an estimate, or for nothing, and packets are counted where it matters."""

import attrs

from transcoded.plan.media.probe import Media
from transcoded.plan.media.timeline.packets import PacketScan

MAX_BYTES_COUNTED = 8 << 30
"""Bytes. The packets of a larger file are not counted: ffprobe has to read the whole file."""

COPIED_CODECS = frozenset({"h264", "hevc", "av1", "vp9"})
"""Codecs that are copied into segments, whatever the format of their pixels."""

MIN_BYTES_PER_SECOND = 0.1
"""A file of fewer bytes per second of its length has a wrong length in its header, which is then taken for not known.

No real file is close to it. A second of the following has at least so many bytes: speech at 8 kbit/s 1,000; silence in Opus,
even if its encoder leaves packets out (DTX), 20; silence in FLAC, in frames of the largest size at 8 kHz, 1.7; a slideshow
of one H.264 frame a minute, all of which repeat the first, 0.5.
"""

PADDING = 0.1
"""Seconds: more than the samples that encoders of MP3 and AAC put before and behind the sound."""

_ESTIMATED = frozenset(
    "aac ac3 eac3 amr amrnb amrwb aptx aptx_hd dts dtshd truehd mlp mp3 mjpeg_2000 g722 g723_1 gsm latm loas obu sbc h261 h263 h264 hevc evc vvc "
    "m4v mjpeg mpegvideo mpeg1video mpeg2video cavsvideo dirac vc1 vc1test rawvideo avs2 avs3 ogg adx spdif".split()
)
"""Demuxers of formats that have no length, or only one of the first of several parts. ffmpeg takes it from the bit rate of the beginning."""


def settle(media: Media, scan: PacketScan | None) -> Media:
    """The media with its length: as its packets say, or as its header does, and then perhaps as an estimate."""
    if scan is None or scan.end is None or not is_plausible(scan.end, media.size):
        return media
    told = media.duration
    # What an encoder has put in front and behind is in packets, and only the header says how much it is.
    duration = told if told is not None and abs(told - scan.end) < PADDING else scan.end
    return attrs.evolve(media, duration=duration, duration_estimated=False, restarts=scan.restarts, claimed=None)


def is_plausible(seconds: float, size: int) -> bool:
    """Whether a file of `size` bytes can be so long."""
    return size >= seconds * MIN_BYTES_PER_SECOND


def wants_count(media: Media) -> bool:
    """Whether only the packets say how long it is, and there are few enough of them to be counted."""
    return (media.duration_estimated or media.duration is None) and media.size <= MAX_BYTES_COUNTED


def keyframes_are_useful(media: Media) -> bool:
    """Whether the video could be copied."""
    video = media.default_video
    if video is None or video.edited or media.restarts or media.duration is None:
        return False
    return video.codec in COPIED_CODECS


def is_estimate(container: str) -> bool:
    """Whether the length that ffprobe tells of such a file comes from its bit rate, or may be that of a part of it."""
    return not _ESTIMATED.isdisjoint(container.split(","))
