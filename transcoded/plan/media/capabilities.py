"""What the ffmpeg of this machine can do: a value whose every entry was tried.

Codecs have the names that ffprobe gives them (`av1`, `hevc`, `subrip`), encoders and filters those of ffmpeg (`libx264`, `zscale`).
"""

from typing import Literal, Self

import attrs

ToneMapping = Literal["libplacebo", "zscale", "scale"]
"""How HDR becomes SDR: libplacebo on a Vulkan device; zscale and tonemap; `scale` with `intent=perceptual` (FFmpeg 8)."""

EngineName = Literal["nvenc", "vaapi", "qsv", "vulkan", "v4l2m2m", "videotoolbox", "amf", "rkmpp", "software"]

VIDEO_CODECS = frozenset(
    "8bps aic amv apv asv1 asv2 av1 avrp avs2 avs3 avui ayuv bmp cavs cfhd cinepak cllc cscd dirac dnxhd dvvideo dxtory evc ffv1 "
    "ffvhuff flashsv flashsv2 flv1 fraps gif h261 h263 h263i h263p h264 hap hevc hq_hqa hqx huffyuv indeo2 indeo3 indeo4 indeo5 "
    "jpeg2000 lagarith magicyuv mjpeg mjpegb mpeg1video mpeg2video mpeg4 msmpeg4v1 msmpeg4v2 msmpeg4v3 msrle mss1 mss2 msvideo1 "
    "notchlc pixlet png prores prores_raw qtrle r10k r210 rawvideo rpza rv10 rv20 rv30 rv40 rv60 sheervideo smc sp5x speedhq svq1 "
    "svq3 theora tiff tscc tscc2 utvideo v210 v210x v308 v408 v410 vc1 vc1image vp3 vp4 vp5 vp6 vp6a vp6f vp7 vp8 vp9 vvc webp wmv1 "
    "wmv2 wmv3 wmv3image y41p yuv4 zmbv".split()
)
AUDIO_CODECS = frozenset(
    "aac aac_latm ac3 adpcm_ct adpcm_g722 adpcm_g726 adpcm_g726le adpcm_ima_amv adpcm_ima_dk3 adpcm_ima_dk4 adpcm_ima_qt "
    "adpcm_ima_wav adpcm_ms adpcm_swf adpcm_yamaha alac amr_nb amr_wb ape aptx aptx_hd atrac1 atrac3 atrac3al atrac3p atrac3pal "
    "atrac9 cook dolby_e dsd_lsbf dsd_lsbf_planar dsd_msbf dsd_msbf_planar dst dts dvaudio eac3 evrc flac g723_1 g728 g729 gsm "
    "gsm_ms ilbc mace3 mace6 mlp mp1 mp2 mp3 mp3adu mp3on4 mp4als musepack7 musepack8 nellymoser opus pcm_alaw pcm_bluray pcm_dvd "
    "pcm_f16le pcm_f24le pcm_f32be pcm_f32le pcm_f64be pcm_f64le pcm_lxf pcm_mulaw pcm_s16be pcm_s16be_planar pcm_s16le "
    "pcm_s16le_planar pcm_s24be pcm_s24daud pcm_s24le pcm_s24le_planar pcm_s32be pcm_s32le pcm_s32le_planar pcm_s64be pcm_s64le "
    "pcm_s8 pcm_s8_planar pcm_u16be pcm_u16le pcm_u24be pcm_u24le pcm_u32be pcm_u32le pcm_u8 qcelp qdm2 qdmc qoa ra_144 ra_288 ralf "
    "s302m sbc shorten sipr speex tak truehd truespeech tta twinvq vorbis wavpack wmalossless wmapro wmav1 wmav2 wmavoice".split()
)
SUBTITLE_CODECS = frozenset(
    "ass dvb_subtitle dvb_teletext dvd_subtitle eia_608 hdmv_pgs_subtitle mov_text subrip text webvtt xsub".split()
)
CODECS = VIDEO_CODECS | AUDIO_CODECS | SUBTITLE_CODECS
"""The codecs that `codec_whitelist` allows to decode and that can be tried. ARIB captions cannot: their decoder takes its parameters
from a transport stream only."""


@attrs.frozen
class CodecEngine:
    """A kind of hardware that codes video, or `software`.

    `works`: at least one frame was decoded or encoded; `why` says what was found out, for people. `decodes` and `encodes` are
    codecs, `decodes_10_bit` those of frames with 10 bits. `filters` are names of ffmpeg's filters for frames on the device. `confined`: it works in
    the sandbox, if there is one. `device` is what was opened, as ffmpeg names it; empty: the first.
    """

    name: EngineName
    works: bool
    why: str
    decodes: frozenset[str] = frozenset()
    encodes: frozenset[str] = frozenset()
    decodes_10_bit: frozenset[str] = frozenset()
    filters: frozenset[str] = frozenset()
    confined: bool = True
    device: str = ""


@attrs.frozen
class Capabilities:
    """What one ffmpeg can do on this machine.

    `version` is as ffmpeg states it. `tone_mapping` is the best way that works, None: HDR cannot be shown in SDR. `burns_in_text`
    and `burns_in_bitmap`: subtitles of this kind can be drawn into the video. `input_options` are options of an input, without
    the dash, that not every ffmpeg has.
    """

    version: str = "none"
    decoders: frozenset[str] = frozenset()
    encoders: frozenset[str] = frozenset()
    filters: frozenset[str] = frozenset()
    engines: tuple[CodecEngine, ...] = ()
    tone_mapping: ToneMapping | None = None
    burns_in_text: bool = False
    burns_in_bitmap: bool = False
    input_options: frozenset[str] = frozenset()

    @property
    def count(self) -> int:
        """How many things it can do."""
        coded = sum(len(one.decodes) + len(one.encodes) for one in self.engines if one.name != "software")
        drawn = bool(self.tone_mapping) + self.burns_in_text + self.burns_in_bitmap
        return len(self.decoders) + len(self.encoders) + len(self.filters) + coded + drawn

    def decoding_obstacle(self, codec: str) -> str | None:
        """The reason why a stream of this codec cannot be decoded, as a sentence for people; None: it can."""
        return None if codec in self.decoders else f"The ffmpeg of this server cannot decode {codec}."

    def encoding_obstacle(self, encoder: str) -> str | None:
        """The reason why nothing can be encoded with this encoder, as a sentence for people; None: it can."""
        return None if encoder in self.encoders else f"The ffmpeg of this server has no {encoder} that works."

    @classmethod
    def everything(cls, tone_mapping: ToneMapping | None = "scale") -> Self:
        """An ffmpeg that can do all that this program uses: for tests, and where the ffmpeg is not known.

        It has no `input_options`: an ffmpeg that does not know one does nothing at all.
        """
        return cls(
            version="9.0",
            decoders=CODECS,
            encoders=frozenset(
                "aac eac3 flac libmp3lame libopus libvpx-vp9 libx264 libx265 mjpeg pcm_s16le pcm_s24le webvtt".split()
            ),
            filters=frozenset(
                "ass aresample bwdif crop fps format libplacebo overlay pan scale setpts setsar subtitles tile tonemap tpad "
                "zscale".split()
            ),
            tone_mapping=tone_mapping,
            burns_in_text=True,
            burns_in_bitmap=True,
        )
