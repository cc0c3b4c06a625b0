"""What a presentation consists of: the renditions of video, audio and subtitles that HLS and DASH offer, as values."""

from fractions import Fraction
from typing import Literal

import attrs

from transcoded.plan.cmaf.codecs import AAC_CODEC
from transcoded.plan.cmaf.timeline import BOUNDARY, Timeline
from transcoded.plan.media.capabilities import EngineName
from transcoded.plan.media.probe import STREAM, AudioStream, SubtitleStream, VideoStream

VideoRange = Literal["SDR", "PQ", "HLG"]
"""The dynamic range, as HLS names it (RFC 8216bis, section 4.4.6.2)."""

CHUNK = Fraction(1, 4)
"""Seconds of a chunk of encoded video, about. Shorter ones would come earlier, and take more bytes for their tables."""


@attrs.frozen
class VideoRendition:
    """The video in one size.

    `width` and `height` are pixels as displayed, in square pixels. `rate` is in frames per second. `average` and `peak` are in bits per second;
    the peak is over any one segment. `level` is the level_idc of H.264 that is encoded. `phase` is the distance, in seconds, of the source's
    frames from the frames of the timeline: less than a frame. `delay` is that of the `Segmenter`, in ticks. `burn` are subtitles that are drawn into it.

    Of a copied one, `sar` is the shape of its pixels, `range` its dynamic range, and `supplemental` the codec string and the brand of Dolby
    Vision, for players that know it. `open_gop`: its segments may begin with frames that only those can show who have the segment before.

    `engine` is the kind of hardware that encodes it, as long as it works: then other encoders go on, and each of its segments says what decoders need, whoever made it.

    `intra`: it is for fast play and scrubbing, with one picture in each segment (`plan.cmaf.trick`). `keyframes_only`: of the source only keyframes are decoded for it.
    """

    id: str
    stream: VideoStream
    width: int
    height: int
    rate: Fraction
    average: int
    peak: int
    codecs: str
    level: int
    timeline: Timeline
    copied: bool = False
    phase: Fraction = Fraction(0)
    delay: int = 0
    burn: SubtitleStream | None = None
    sar: Fraction = Fraction(1)
    range: VideoRange = "SDR"
    supplemental: tuple[str, str] | None = None
    open_gop: bool = False
    intra: bool = False
    keyframes_only: bool = False
    engine: EngineName = "software"

    @property
    def chunk(self) -> int:
        """The frames of a chunk, in which segments are given out while they are made. 0: as a whole. What is copied comes as fast as it is read."""
        return 0 if self.copied or self.intra else max(1, round(self.rate * CHUNK))


@attrs.frozen
class AudioRendition:
    """One audio stream, encoded as AAC at 48 kHz, or as it is.

    Bit rates are in bits per second. `delay` is that of the `Segmenter`: what the decoder needs before the first sound that is heard. `objects` is the kind of
    sound that is described by objects besides the channels, as HLS names it.
    """

    id: str
    stream: AudioStream
    default: bool
    average: int
    peak: int
    timeline: Timeline
    codecs: str = AAC_CODEC
    delay: int = 0
    copied: bool = False
    channels: int = 2
    objects: str | None = None

    @property
    def hls_channels(self) -> str:
        """The attribute CHANNELS (RFC 8216bis, section 4.4.6.1). Of sound with objects, Apple's players expect the number that they can be placed in."""
        return f"16/{self.objects}" if self.objects else str(self.channels)


@attrs.frozen
class AudioGroup:
    """One rendition of each audio stream, of which a player plays one."""

    name: str
    renditions: tuple[AudioRendition, ...]

    @property
    def peak(self) -> int:
        """That of the rendition with the highest one (RFC 8216bis, section 4.4.6.2)."""
        return max(one.peak for one in self.renditions)

    @property
    def average(self) -> int:
        """As `peak`."""
        return max(one.average for one in self.renditions)

    @property
    def codecs(self) -> tuple[str, ...]:
        """The codec strings of all, each once."""
        return tuple(dict.fromkeys(one.codecs for one in self.renditions))

    @property
    def plays_everywhere(self) -> bool:
        """Whether it is AAC of two channels."""
        return self.codecs == (AAC_CODEC,) and all(one.channels <= 2 for one in self.renditions)


@attrs.frozen
class SubtitleRendition:
    """One text subtitle stream, as WebVTT: in windows (`plan.subtitles.windows`), or as one file for the whole `duration`, in seconds."""

    id: str
    stream: SubtitleStream
    duration: Fraction


Rendition = VideoRendition | AudioRendition


@attrs.frozen
class Presentation:
    """All renditions of one file. `duration` is in seconds. In `video` the copied one comes first, then the largest. A player begins with the first of the `groups`.

    `bit_rate` is the most that a client allows for a video with its audio, in bits per second; None: any. `trick` is the video for fast play; None: there is none.
    """

    duration: Fraction
    video: tuple[VideoRendition, ...]
    audio: tuple[AudioRendition, ...]
    subtitles: tuple[SubtitleRendition, ...]
    groups: tuple[AudioGroup, ...] = ()
    bit_rate: int | None = None
    trick: VideoRendition | None = None

    @property
    def everything(self) -> tuple[Rendition, ...]:
        """All renditions that are made of segments."""
        return (*self.video, *self.audio, *(() if self.trick is None else (self.trick,)))

    @property
    def variants(self) -> tuple[tuple[VideoRendition, AudioGroup | None], ...]:
        """Each video with each group of audio, as far as they are together within the limit of the bit rate."""
        groups: tuple[AudioGroup | None, ...] = self.groups or (None,)
        return tuple(
            (video, group)
            for video in self.video
            for group in groups
            if self.bit_rate is None or video.peak + (0 if group is None else group.peak) <= self.bit_rate
        )

    def of_one_codec(self, *, copied: bool) -> "Presentation":
        """The video that is copied, or those that are encoded, and the first group of audio. Where there is no such video, the other kind."""
        kept = tuple(one for one in self.video if one.copied == copied) or self.video
        groups = self.groups[:1]
        heard = {one.id for group in groups for one in group.renditions}
        return attrs.evolve(self, video=kept, groups=groups, audio=tuple(one for one in self.audio if one.id in heard))

    @property
    def weight(self) -> int:
        """About how many bytes of memory it takes, rather too many than too few. Renditions share their timelines."""
        media = self.everything
        starts = {id(one.timeline): len(one.timeline) for one in media}
        return STREAM * (1 + len(media) + len(self.subtitles)) + BOUNDARY * sum(starts.values())

    def rendition(self, name: str) -> Rendition | SubtitleRendition | None:
        """The rendition with this id, or None. That of hardware is also known without its engine, as it is called where there is none."""
        exact = next((one for one in (*self.everything, *self.subtitles) if one.id == name), None)
        return exact or next((one for one in self.video if one.id == f"{name}-{one.engine}"), None)
