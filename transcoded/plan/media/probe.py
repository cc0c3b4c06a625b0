"""What a media file holds, as typed values decoded from ffprobe's JSON (`-show_format -show_streams`).

ffprobe writes most numbers as strings and leaves out what it does not know, and files lie: everything here is
optional at the edge, checked once in `decode`, and afterwards either a sane value or None.
"""

from collections.abc import Mapping
from fractions import Fraction
from math import isfinite
from typing import Literal

import attrs
import msgspec

from transcoded.plan.errors import NotMedia

MAX_DURATION = 10 * 24 * 3600.0
"""Seconds; a longer duration in a file is damage, not length."""

LEAST_SCORE = 5
"""Of 100: below it ffprobe has seen no more than a few bytes that could be the start of something."""

CONTAINERS = (
    "3dostr 4xm aa aac ac3 ac4 aea aiff alp amr amrnb amrwb apac ape apm aptx asf asf_o ast au av1 avi avs avs2 "
    "avs3 bethsoftvid bfi bfstm bink binka boa bonk brstm c93 caf cavsvideo cdxl cine dfpwm dhav dirac dnxhd dsf "
    "dsicin dts dtshd dv dxa ea eac3 evc film_cpk filmstrip flac flic flv fsb gdv genh gif gxf h261 h263 h264 hca "
    "hcom hevc hnm iamf ico idcin idf iff ifv ircam iss iv8 ivf jv kux kvag laf lc3 live_flv lmlm4 loas luodat lvf "
    "lxf m4v matroska,webm mca mgsts mjpeg mjpeg_2000 mlp mlv mm mmf mods moflex mov,mp4,m4a,3gp,3g2,mj2 mp3 mpc "
    "mpc8 mpeg mpegts mpegvideo msf mtaf mtv musx mv mvi mxf mxg nc nistsphere nsp nsv nut nuv obu ogg oma osq paf "
    "pmp pva pvf qcp qoa r3d rka rl2 rm roq rpl rsd rso sbc sdns sdr2 sds sdx ser shn siff sln smjpeg smk smush sol "
    "sox spdif svag svs swf tak thp tiertexseq tmv truehd tta ty usm vag vc1 vc1test vividas vivo vmd voc vqf vvc "
    "w64 wady wav wavarc wc3movie wsaud wsd wsvqa wtv wv wve xa xmv xvag xwma yop yuv4mpegpipe"
).split()
"""Demuxers that ffmpeg may use (`-format_whitelist`): self-contained media. What is not here are playlists and scripts
that name other files (hls, dash, concat, sdp, imf), devices, single images and image sequences, bare subtitles, text."""

FORMAT_WHITELIST = ",".join(CONTAINERS)
PROTOCOL_WHITELIST = "file,pipe"

TEXT_SUBTITLES = frozenset({"ass", "mov_text", "srt", "ssa", "subrip", "text", "webvtt"})


@attrs.frozen
class VideoStream:
    """A picture track. `width` and `height` are as displayed: rotation is applied, even where the codec stores odd ones.

    `fps` is the average frame rate or None, `rotation` one of 0, 90, 180, 270 (clockwise degrees to show it upright),
    `bit_rate` in bits per second or None, `sar` the sample aspect ratio (1 for square pixels),
    `start_time` when the first frame is shown (seconds, on the container's clock), `reorder` by how many frames decoding
    runs ahead of display.
    """

    index: int
    codec: str
    width: int
    height: int
    profile: str | None = None
    level: int | None = None
    pix_fmt: str | None = None
    fps: Fraction | None = None
    bit_rate: int | None = None
    rotation: int = 0
    interlaced: bool = False
    sar: Fraction = Fraction(1)
    transfer: str | None = None
    start_time: float | None = None
    reorder: int | None = None
    default: bool = False
    language: str | None = None
    title: str | None = None

    @property
    def hdr(self) -> bool:
        """Whether its light is coded for HDR displays (PQ or HLG)."""
        return self.transfer in {"smpte2084", "arib-std-b67"}


@attrs.frozen
class AudioStream:
    """A sound track. `sample_rate` in Hz, `bit_rate` in bits per second or None, `position` its index among audio streams."""

    index: int
    position: int
    codec: str
    channels: int
    sample_rate: int
    profile: str | None = None
    bit_rate: int | None = None
    bits_per_sample: int | None = None
    default: bool = False
    language: str | None = None
    title: str | None = None


@attrs.frozen
class SubtitleStream:
    """A subtitle track; `text` says whether it can become WebVTT. `position` is its index among subtitle streams."""

    index: int
    position: int
    codec: str
    text: bool
    default: bool = False
    forced: bool = False
    language: str | None = None
    title: str | None = None


@attrs.frozen
class Media:
    """A probed file: `container` is ffmpeg's demuxer name(s), `duration` and `start_time` seconds, `size` bytes.

    `video` holds moving pictures only; a picture that is only attached is the `cover`.
    """

    container: str
    duration: float | None
    size: int
    video: tuple[VideoStream, ...] = ()
    audio: tuple[AudioStream, ...] = ()
    subtitles: tuple[SubtitleStream, ...] = ()
    start_time: float = 0.0
    bit_rate: int | None = None
    cover: VideoStream | None = None

    @property
    def default_video(self) -> VideoStream | None:
        """The video stream that is played: the default one, else the first."""
        return next((stream for stream in self.video if stream.default), self.video[0] if self.video else None)

    @property
    def default_audio(self) -> AudioStream | None:
        """The audio stream that is played unless another is asked for: the default one, else the first."""
        return next((stream for stream in self.audio if stream.default), self.audio[0] if self.audio else None)


class _SideData(msgspec.Struct):
    rotation: float | int | None = None


class _Stream(msgspec.Struct):
    index: int = 0
    codec_type: str = ""
    codec_name: str = ""
    profile: str | int | None = None
    level: int | None = None
    pix_fmt: str | None = None
    width: int = 0
    height: int = 0
    avg_frame_rate: str = "0/0"
    r_frame_rate: str = "0/0"
    sample_aspect_ratio: str = "1:1"
    field_order: str = ""
    color_transfer: str | None = None
    start_time: str = ""
    has_b_frames: int | None = None
    channels: int = 0
    sample_rate: str = "0"
    bits_per_raw_sample: str = "0"
    bits_per_sample: int = 0
    bit_rate: str = "0"
    duration: str = ""
    tags: dict[str, str] = {}
    disposition: dict[str, int] = {}
    side_data_list: list[_SideData] = []


class _Format(msgspec.Struct):
    format_name: str = ""
    duration: str = ""
    start_time: str = ""
    bit_rate: str = "0"
    probe_score: int = 100
    tags: dict[str, str] = {}


class _Probe(msgspec.Struct):
    streams: list[_Stream] = []
    format: _Format = msgspec.field(default_factory=_Format)


_decoder = msgspec.json.Decoder(_Probe, strict=False)


def decode(output: bytes, size: int) -> Media:
    """Decode ffprobe's JSON about a file of `size` bytes.

    Raises `NotMedia` where it is not JSON, names no container, or has neither picture nor sound that can be decoded.
    """
    try:
        # Tags may hold any bytes; a broken title is no reason to refuse a film.
        probe = _decoder.decode(output.decode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError):
        raise NotMedia("The file cannot be read as media: ffprobe's description of it makes no sense.") from None
    pictures = [(raw, picture) for raw in probe.streams if (picture := _video(raw)) is not None]
    video = tuple(picture for raw, picture in pictures if not _still(raw))
    audio_raw = [raw for raw in probe.streams if raw.codec_type == "audio"]
    audio = tuple(sound for position, raw in enumerate(audio_raw) if (sound := _audio(raw, position)) is not None)
    subtitle_raw = [raw for raw in probe.streams if raw.codec_type == "subtitle"]
    if probe.format.probe_score < LEAST_SCORE:
        raise NotMedia("The file does not look like media: ffprobe only guesses what it could be.")
    if not probe.format.format_name or not (video or audio):
        raise NotMedia("The file holds neither moving pictures nor sound that can be decoded.")
    durations = [_seconds(probe.format.duration), *(_seconds(raw.duration) for raw in probe.streams)]
    return Media(
        container=probe.format.format_name,
        duration=next((duration for duration in durations if duration), None),
        size=size,
        video=video,
        audio=audio,
        subtitles=tuple(_subtitle(raw, position) for position, raw in enumerate(subtitle_raw)),
        start_time=_seconds(probe.format.start_time, negative=True) or 0.0,
        bit_rate=_positive(probe.format.bit_rate),
        cover=next((picture for raw, picture in pictures if _still(raw)), None),
    )


def _still(raw: _Stream) -> bool:
    return bool(raw.disposition.get("attached_pic") or raw.disposition.get("timed_thumbnails"))


def _video(raw: _Stream) -> VideoStream | None:
    if raw.codec_type != "video" or not _known(raw.codec_name) or raw.width < 1 or raw.height < 1:
        return None
    rotations = (side.rotation for side in raw.side_data_list if side.rotation is not None)
    turned = next((rotation for rotation in rotations if abs(rotation) <= 360), 0)
    rotation = round(-turned / 90) * 90 % 360
    sideways = rotation in {90, 270}
    sar = _fraction(raw.sample_aspect_ratio.replace(":", "/")) or Fraction(1)
    return VideoStream(
        index=raw.index,
        codec=raw.codec_name,
        width=raw.height if sideways else raw.width,
        height=raw.width if sideways else raw.height,
        profile=None if raw.profile is None else str(raw.profile),
        level=raw.level if raw.level and raw.level > 0 else None,
        pix_fmt=raw.pix_fmt,
        fps=_fraction(raw.avg_frame_rate) or _fraction(raw.r_frame_rate),
        bit_rate=_positive(raw.bit_rate) or _positive(raw.tags.get("BPS", "0")),
        rotation=rotation,
        interlaced=raw.field_order in {"tt", "bb", "tb", "bt"},
        sar=1 / sar if sideways else sar,
        transfer=raw.color_transfer,
        start_time=_seconds(raw.start_time, negative=True),
        reorder=raw.has_b_frames,
        default=bool(raw.disposition.get("default")),
        **_labels(raw),
    )


def _audio(raw: _Stream, position: int) -> AudioStream | None:
    sample_rate = _positive(raw.sample_rate)
    if not _known(raw.codec_name) or raw.channels < 1 or sample_rate is None:
        return None
    return AudioStream(
        index=raw.index,
        position=position,
        codec=raw.codec_name,
        channels=raw.channels,
        sample_rate=sample_rate,
        profile=None if raw.profile is None else str(raw.profile),
        bit_rate=_positive(raw.bit_rate) or _positive(raw.tags.get("BPS", "0")),
        bits_per_sample=_positive(raw.bits_per_raw_sample) or raw.bits_per_sample or None,
        default=bool(raw.disposition.get("default")),
        **_labels(raw),
    )


def _subtitle(raw: _Stream, position: int) -> SubtitleStream:
    return SubtitleStream(
        index=raw.index,
        position=position,
        codec=raw.codec_name or "unknown",
        text=raw.codec_name in TEXT_SUBTITLES,
        default=bool(raw.disposition.get("default")),
        forced=bool(raw.disposition.get("forced")),
        **_labels(raw),
    )


def _labels(raw: _Stream) -> dict[Literal["language", "title"], str | None]:
    tags: Mapping[str, str] = {name.lower(): value for name, value in raw.tags.items()}
    language = tags.get("language")
    return {"language": None if language == "und" else language, "title": tags.get("title")}


def _known(codec: str) -> bool:
    return codec not in {"", "none", "unknown"}


def _seconds(text: str, *, negative: bool = False) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    if not isfinite(value) or abs(value) > MAX_DURATION or (value <= 0 and not negative):
        return None
    return value


def _positive(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 and int(text) else None


def _fraction(text: str) -> Fraction | None:
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        return None
    return value if value > 0 else None
