"""How filters are tried: by filtering a few frames, and what can go wrong without an error by looking at the pictures.

A tone mapper has to keep the order of a ramp of PQ, and to show what is brighter than the white of SDR. What burns subtitles in
has to draw something: without a font, ffmpeg draws nothing and reports nothing.
"""

import struct
from collections.abc import Mapping, Sequence
from itertools import pairwise

from transcoded.plan.media.attempts import Attempt, Part, Picture, Run, source
from transcoded.plan.media.capabilities import ToneMapping
from transcoded.plan.media.codec_trials import Claims, Sample
from transcoded.plan.media.colors import Colors, tone_mapping_filters

_PICTURES = ("-f", "lavfi", "-i", "testsrc2=size=64x64:rate=25:duration=0.08,format=yuv420p")
# A little more than the half second that dynaudnorm needs: with less, that of ffmpeg 5 crashes.
_SOUND = ("-f", "lavfi", "-i", "sine=sample_rate=48000:duration=0.6,aformat=channel_layouts=stereo")

VIDEO_FILTERS: Mapping[str, str] = {
    "bwdif": "bwdif=mode=send_frame:deint=interlaced",
    "colorspace": "colorspace=all=bt709:iall=bt601-6-625",
    "crop": "crop=32:32",
    "format": "format=yuv420p",
    "fps": "fps=30000/1001",
    "hflip": "hflip",
    "overlay": "split[a][b];[a][b]overlay=format=auto",
    "pad": "pad=96:96:16:16",
    "scale": "scale=w=32:h=32:out_range=tv",
    "select": "select=gte(n\\,0)",
    "setdar": "setdar=1",
    "setparams": "setparams=colorspace=bt709:range=tv",
    "setpts": "setpts=PTS-STARTPTS",
    "setsar": "setsar=1",
    "split": "split[a][b];[b]nullsink;[a]null",
    "thumbnail": "thumbnail=n=2",
    "tile": "tile=2x1",
    "tonemap": "format=gbrpf32le,tonemap=hable,format=gbrp",
    "tpad": "tpad=stop=2:stop_mode=clone",
    "transpose": "transpose=1",
    "trim": "trim=end=1",
    "vflip": "vflip",
    "xstack": "split[a][b];[a][b]xstack=inputs=2:layout=0_0|64_0",
    "yadif": "yadif",
    "zscale": "zscale=w=32:h=32",
}
"""Filters for video that are tried, each in a graph with one input and one output. What plans with another one adds it here."""

AUDIO_FILTERS: Mapping[str, str] = {
    "acompressor": "acompressor",
    "adelay": "adelay=10:all=1",
    "aformat": "aformat=sample_rates=44100:channel_layouts=mono",
    "alimiter": "alimiter",
    "amix": "asplit[a][b];[a][b]amix",
    "apad": "apad=pad_len=100",
    "aresample": "aresample=async=1:first_pts=0",
    "asetnsamples": "asetnsamples=n=1024",
    "asetpts": "asetpts=PTS-STARTPTS",
    "atempo": "atempo=1.1",
    "atrim": "atrim=end=1",
    "channelmap": "channelmap=0|1",
    "dynaudnorm": "dynaudnorm",
    "equalizer": "equalizer=f=1000:t=q:w=1:g=2",
    "highpass": "highpass=f=100",
    "loudnorm": "loudnorm",
    "lowpass": "lowpass=f=8000",
    "pan": "pan=mono|c0=0.5*c0+0.5*c1",
    "volume": "volume=0.5",
}
"""The same for sound."""

TONE_MAPPERS: Mapping[ToneMapping, frozenset[str]] = {
    "libplacebo": frozenset({"libplacebo"}),
    "zscale": frozenset({"zscale", "tonemap"}),
    "scale": frozenset({"scale"}),
}
"""The ways of tone mapping, the best first, each with the filters that it needs.

libplacebo takes no Vulkan device that is made of software (Mesa's lavapipe) unless it is told to, and it is not: it makes one frame of
1080p in a second then, and zscale makes twenty.
"""

_WIDTH, _HEIGHT = 256, 16
_HDR = Colors("tv", "bt2020", "smpte2084", "bt2020nc")

_ASS = b"""[Script Info]
ScriptType: v4.00+
PlayResX: 160
PlayResY: 90
[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, Alignment
Style: Default,sans-serif,60,&H00FFFFFF,5
[Events]
Format: Layer, Start, End, Style, Text
Dialogue: 0,0:00:00.00,0:00:10.00,Default,HIM
"""


def filter_attempts(claims: Claims) -> Sequence[Run]:
    """The runs that try the filters of an ffmpeg."""
    found: list[Run] = []
    for source_, graphs in ((_PICTURES, VIDEO_FILTERS), (_SOUND, AUDIO_FILTERS)):
        parts = tuple(
            Part(f"filters/{name}", source_, options=(("filter", graph),))
            for name, graph in graphs.items()
            if name in claims.filters
        )
        found += [Attempt(parts)] if parts else []
    return found


def option_attempts() -> Sequence[Run]:
    """The runs that try options of inputs.

    FFmpeg 7.1 and later crop as the container says, unless they are told not to by an option that older ones do not know.
    """
    return [Attempt((Part("input_options/apply_cropping", ("-apply_cropping:v", "codec", *_PICTURES)),))]


def tone_mapping_attempts(claims: Claims) -> Sequence[Run]:
    """The run that maps a ramp of PQ to SDR in the best way that this ffmpeg may have, with the others for the case that it fails."""
    rows = struct.pack(f"<{_WIDTH}H", *(64 + round(876 * at / (_WIDTH - 1)) for at in range(_WIDTH))) * _HEIGHT
    ramp = rows + struct.pack("<H", 512) * (_WIDTH * _HEIGHT // 2)
    size = f"{_WIDTH}x{_HEIGHT}"
    raw = ("-f", "rawvideo", "-pixel_format", "yuv420p10le", "-video_size", size, *source(ramp))
    best: Picture | None = None
    for way, filters in reversed(list(TONE_MAPPERS.items())):
        if claims.filters.issuperset(filters):
            graph = ",".join((_HDR.marking, *tone_mapping_filters(way, _WIDTH, _HEIGHT)))
            # `perceptual` is what is used. But it computes its tables for 7 s, and `saturation` for 0.2, in the same code.
            graph = graph.replace("intent=perceptual", "intent=saturation")
            best = Picture(f"tone_mapping/{way}", (*raw, "-filter:v", graph), is_tone_mapped, otherwise=best)
    return [] if best is None else [best]


def is_tone_mapped(output: bytes) -> bool:
    """Whether this is a ramp of PQ as SDR shows it: a picture in yuv420p.

    From left to right it gets brighter and never darker, but for the noise of dithering. It begins black, ends bright, and is
    grey. The white of SDR (203 cd/m², ITU-R BT.2408) is no darker than a third, and 1,000 cd/m² is visibly brighter.
    """
    if len(output) != _WIDTH * _HEIGHT * 3 // 2:
        return False
    luma, chroma = output[: _WIDTH * _HEIGHT], output[_WIDTH * _HEIGHT :]
    means = [sum(luma[at::_WIDTH]) / _HEIGHT for at in range(_WIDTH)]
    rises = all(after >= before - 1 for before, after in pairwise(means))
    white, highlight = means[round(0.58 * _WIDTH)], means[round(0.75 * _WIDTH)]
    grey = max(abs(value - 128) for value in chroma) <= 8
    return rises and grey and means[0] < 32 and means[-1] > 180 and white > 80 and highlight - white > 12


def burn_in_attempts(claims: Claims, samples: Sequence[Sample]) -> Sequence[Run]:
    """The runs that draw subtitles into a black picture."""
    black = ("-f", "lavfi", "-i", "color=black:size=160x90:rate=10:duration=0.5,format=gray")
    found: list[Run] = [
        # The filters read a file by its name. That of the standard input exists in the sandbox, too.
        Picture(
            f"filters/{name}",
            (*black, "-filter:v", f"{name}=filename=/proc/self/fd/0", "-pix_fmt", "gray"),
            is_drawn,
            _ASS,
        )
        for name in ("ass", "subtitles")
        if name in claims.filters
    ]
    discs = next((one for one in samples if one.codec == "hdmv_pgs_subtitle"), None)
    if discs is not None and discs.codec in claims.decoders and "overlay" in claims.filters:
        graph = ("-filter_complex", "[0:v][1:s]overlay,format=gray", "-pix_fmt", "gray")
        subtitles = ("-f", discs.demuxer, *source(discs.data))
        found.append(Picture("burns_in/bitmap", (*black, *subtitles, *graph), is_drawn))
    return found


def is_drawn(output: bytes) -> bool:
    """Whether something white was drawn into black pictures, and they are not all white."""
    white = sum(value > 180 for value in output)
    return 20 < white < len(output) // 2


def concluded_tone_mapping(proven: frozenset[str]) -> ToneMapping | None:
    """The best way that works."""
    return next((way for way in TONE_MAPPERS if f"tone_mapping/{way}" in proven), None)
