"""The table of output formats: which codecs each can contain, which its players play, and how it is encoded.

These are two questions. `plays` lists the codecs that players of this format can be expected to play: `mode=auto`
copies them. `holds` lists the codecs that the container can contain: `mode=copy` copies them, because a client that
requests a copy knows its player.
"""

from collections.abc import Mapping

import attrs

H264_PIX_FMTS = frozenset({"yuv420p", "yuvj420p"})
"""8 bits and 4:2:0, the only H.264 that browsers and televisions decode. Names of ffmpeg."""


@attrs.frozen
class Encoder:
    """How a codec is encoded for live use.

    `name` is the name of ffmpeg's encoder. `bit_rate` is the default in bits per second (None: `quality` decides, or
    the codec is lossless). `quality` are options that are replaced by a requested bit rate. `sample_rates`, in Hz, are
    those that sound is encoded with, in descending order; with `any_rate` also those between them. `max_channels` are at most as many as
    the encoder takes.
    """

    codec: str
    name: str
    bit_rate: int | None = None
    options: tuple[str, ...] = ()
    quality: tuple[str, ...] = ()
    sample_rates: tuple[int, ...] = ()
    any_rate: bool = False
    max_channels: int = 2

    @property
    def lossless(self) -> bool:
        """Whether it keeps sound as it is."""
        return self.any_rate


# The zerolatency tune switches B-frames and lookahead off: each frame leaves the encoder as soon as it has come in.
X264 = Encoder("h264", "libx264", options=("-preset", "veryfast", "-tune", "zerolatency"), quality=("-crf", "22"))
VP9 = Encoder(
    "vp9",
    "libvpx-vp9",
    options=(
        *("-deadline", "realtime", "-cpu-used", "8", "-row-mt", "1", "-tile-columns", "2"),
        *("-lag-in-frames", "0", "-error-resilient", "1"),
    ),
    quality=("-crf", "33", "-b:v", "0"),
)
_RATES = (48_000, 44_100, 32_000, 24_000, 22_050, 16_000)
AAC = Encoder("aac", "aac", 160_000, sample_rates=(*_RATES, 12_000, 11_025, 8_000), max_channels=6)
MP3 = Encoder("mp3", "libmp3lame", 192_000, sample_rates=_RATES)
OPUS = Encoder("opus", "libopus", 128_000, sample_rates=(48_000,), max_channels=6)
# Above 192 kHz browsers do not decode FLAC and PCM. FLAC of FFmpeg 5.1 has no rates above 655,350 Hz.
_ALL_RATES = (192_000, 176_400, 96_000, 88_200, *_RATES, 8_000, 4_000)
FLAC = Encoder(
    "flac", "flac", options=("-compression_level", "3"), sample_rates=_ALL_RATES, any_rate=True, max_channels=8
)
PCM = Encoder("pcm_s16le", "pcm_s16le", sample_rates=_ALL_RATES, any_rate=True, max_channels=8)
PCM_24 = Encoder("pcm_s24le", "pcm_s24le", sample_rates=_ALL_RATES, any_rate=True, max_channels=8)

# A fragment has about 200 ms, so that playback can start at once. The moov box describes no samples, because none is
# known yet (ISO/IEC 14496-12, section 8.8).
_FRAGMENTS = ("-frag_duration", "200000")
_MOVFLAGS = "frag_keyframe+empty_moov+default_base_moof"
# Without `frag_discont`, and with negative times shifted to 0 as ffmpeg does by default, each track would begin at 0: out of step.
_HEADER_FIRST = (
    *("-movflags", f"{_MOVFLAGS}+frag_discont", "-use_editlist", "0"),
    *("-avoid_negative_ts", "make_non_negative"),
)
# The header comes with the first fragment, as soon as there is a packet of each track. It knows by then where each begins.
_HEADER_LATE = ("-movflags", f"{_MOVFLAGS}+delay_moov")
_TS = ("-muxdelay", "0", "-muxpreload", "0", "-flush_packets", "1")
# ffmpeg keeps 32 KiB of what it writes to a pipe, and must go back to the size of ID3 tags. In FLAC it knows sizes beforehand.
_ID3_COVER = 20 << 10
_FLAC_COVER = 2 << 20
_CLUSTERS = ("-cluster_time_limit", "500", "-flush_packets", "1")


@attrs.frozen
class Format:
    """One output format.

    `name` is its name in the URL, `muxer` and `options` are ffmpeg's. `content_type` is its media type,
    `audio_content_type` that of a stream without video. `video` and `audio` are its encoders; `video` is None if the
    format has audio only. `plays_*` and `holds_*` are sets of codecs, by ffmpeg's names (see the top of this module).
    `rotates`: players apply a rotation that is stored in the container. `deinterlaces`: players make whole frames of interlaced
    ones, as televisions and programs such as VLC and Kodi do, and browsers do not. `hvc1`: HEVC needs Apple's tag. `adts`: AAC describes itself in
    each packet, and not in the header. `header_first` and `header_late` are options by which the header is written before any packet, or
    after the first of each stream; if there are none of the latter, the format cannot do that. `timed`: packets have time stamps.
    `tags`: it has a place for tags, such as a title. `max_cover`: bytes of the largest cover that it can have when it is written to a pipe.
    """

    name: str
    muxer: str
    options: tuple[str, ...]
    content_type: str
    audio_content_type: str
    video: Encoder | None
    audio: Encoder
    plays_video: frozenset[str] = frozenset()
    plays_audio: frozenset[str] = frozenset()
    holds_video: frozenset[str] = frozenset()
    holds_audio: frozenset[str] = frozenset()
    rotates: bool = False
    deinterlaces: bool = False
    hvc1: bool = False
    adts: bool = False
    header_first: tuple[str, ...] = ()
    header_late: tuple[str, ...] = ()
    timed: bool = False
    tags: bool = False
    max_cover: int = 0

    @property
    def writes_late(self) -> bool:
        """Whether its header can be written after the first packets."""
        return bool(self.header_late)


def _table(*formats: Format) -> Mapping[str, Format]:
    return {one.name: one for one in formats}


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


FORMATS: Mapping[str, Format] = _table(
    Format(
        name="mp4",
        muxer="mp4",
        options=_FRAGMENTS,
        content_type="video/mp4",
        audio_content_type="audio/mp4",
        video=X264,
        audio=AAC,
        plays_video=_set("h264"),
        plays_audio=_set("aac mp3"),
        holds_video=_set("h264 hevc av1 vp9 mpeg4 mpeg2video"),
        holds_audio=_set("aac mp3 ac3 eac3 opus flac alac"),
        rotates=True,
        hvc1=True,
        header_first=_HEADER_FIRST,
        header_late=_HEADER_LATE,
        timed=True,
        tags=True,
    ),
    Format(
        name="webm",
        muxer="webm",
        options=_CLUSTERS,
        content_type="video/webm",
        audio_content_type="audio/webm",
        video=VP9,
        audio=OPUS,
        plays_video=_set("vp8 vp9 av1"),
        plays_audio=_set("opus vorbis"),
        holds_video=_set("vp8 vp9 av1"),
        holds_audio=_set("opus vorbis"),
        timed=True,
        tags=True,
    ),
    Format(
        name="mkv",
        muxer="matroska",
        options=_CLUSTERS,
        content_type="video/x-matroska",
        audio_content_type="audio/x-matroska",
        video=X264,
        audio=AAC,
        plays_video=_set("h264 hevc vp8 vp9 av1 mpeg4 mpeg2video mpeg1video theora"),
        plays_audio=_set("aac mp3 mp2 ac3 eac3 dts truehd flac alac opus vorbis pcm_s16le pcm_s24le"),
        holds_video=_set("h264 hevc vp8 vp9 av1 mpeg4 mpeg2video mpeg1video theora prores ffv1 mjpeg vc1 wmv3"),
        holds_audio=_set(
            "aac mp3 mp2 ac3 eac3 dts truehd mlp flac alac opus vorbis pcm_s16le pcm_s24le pcm_s32le pcm_f32le wmav2"
        ),
        deinterlaces=True,
        timed=True,
        tags=True,
    ),
    Format(
        name="ts",
        muxer="mpegts",
        options=_TS,
        content_type="video/mp2t",
        audio_content_type="video/mp2t",
        video=X264,
        audio=AAC,
        plays_video=_set("h264 mpeg2video"),
        plays_audio=_set("aac mp3 mp2 ac3 eac3"),
        holds_video=_set("h264 hevc mpeg2video mpeg1video"),
        holds_audio=_set("aac mp3 mp2 ac3 eac3 dts opus"),
        deinterlaces=True,
        adts=True,
        timed=True,
    ),
    Format(
        name="mp3",
        muxer="mp3",
        # ffmpeg cannot seek back in a pipe, so the Xing header would say: 0 frames.
        options=("-write_xing", "0", "-flush_packets", "1"),
        content_type="audio/mpeg",
        audio_content_type="audio/mpeg",
        video=None,
        audio=MP3,
        plays_audio=_set("mp3"),
        holds_audio=_set("mp3"),
        tags=True,
        max_cover=_ID3_COVER,
    ),
    Format(
        name="opus",
        muxer="ogg",
        options=("-page_duration", "200000", "-flush_packets", "1"),
        content_type="audio/ogg; codecs=opus",
        audio_content_type="audio/ogg; codecs=opus",
        video=None,
        audio=OPUS,
        plays_audio=_set("opus"),
        holds_audio=_set("opus"),
        tags=True,
    ),
    Format(
        name="flac",
        muxer="flac",
        options=("-flush_packets", "1"),
        content_type="audio/flac",
        audio_content_type="audio/flac",
        video=None,
        audio=FLAC,
        plays_audio=_set("flac"),
        holds_audio=_set("flac"),
        tags=True,
        max_cover=_FLAC_COVER,
    ),
    Format(
        name="aac",
        muxer="adts",
        options=("-flush_packets", "1"),
        content_type="audio/aac",
        audio_content_type="audio/aac",
        video=None,
        audio=AAC,
        plays_audio=_set("aac"),
        holds_audio=_set("aac"),
        adts=True,
    ),
    Format(
        name="wav",
        muxer="wav",
        options=("-flush_packets", "1"),
        content_type="audio/wav",
        audio_content_type="audio/wav",
        video=None,
        audio=PCM,
        plays_audio=_set("pcm_s16le pcm_s24le"),
        holds_audio=_set("pcm_s16le pcm_s24le pcm_s32le pcm_f32le pcm_u8"),
        tags=True,
    ),
)
