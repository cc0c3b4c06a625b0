"""Colours: what the numbers in a frame mean, and how high dynamic range becomes the standard one.

What a file does not say is guessed as players do: from 720 rows or 1280 columns on BT.709, below it BT.601. What is encoded says
what it is, so nobody has to guess again when it is scaled down. Values have the names that ffmpeg gives them.
"""

from collections.abc import Sequence

import attrs

from transcoded.plan.media.capabilities import Capabilities, ToneMapping
from transcoded.plan.media.probe import VideoStream

_PRIMARIES = frozenset("bt709 bt470m bt470bg smpte170m smpte240m film bt2020 smpte428 smpte431 smpte432".split())
_TRANSFERS = frozenset(
    "bt709 bt470m bt470bg smpte170m smpte240m linear iec61966-2-4 bt1361e iec61966-2-1 bt2020-10 bt2020-12 smpte2084 smpte428 "
    "arib-std-b67".split()
)
_MATRICES = frozenset("bt709 fcc bt470bg smpte170m smpte240m bt2020nc".split())
"""Those that the filter `setparams` of each ffmpeg knows and, of the matrices, that the filter `scale` converts."""

_PLAYED = frozenset({"bt709", "bt470bg", "smpte170m"})
"""Matrices that all players know. An encode keeps them."""

_RGB = ("gbr", "rgb", "bgr", "argb", "abgr", "0rgb", "0bgr", "x2rgb", "x2bgr", "pal8", "mono", "bayer", "xyz")
"""How the names of pixel formats without luma begin."""

_LIMITED_GRAY = frozenset("av1 h264 hevc vvc vp8 vp9 mpeg2video mpeg4".split())
"""Codecs whose video is of limited range if it does not say so. ffmpeg takes gray for full range."""

_DOLBY_BASE = {1: "smpte2084", 4: "arib-std-b67", 6: "smpte2084"}
"""The transfer of a Dolby Vision base layer, by its compatibility."""

_REFERENCE = 100
"""cd/m² that ffmpeg's filter `tonemap` calls 1, also in what it reads from frames."""

_CONTRAST = 1 / 6
"""With it, the curve `reinhard` is close to that of libplacebo and `scale` (`spline`): within 11 of 255 for masters of 1,000 to
10,000 cd/m²."""

_LOWEST_PEAK = 203.0
"""cd/m² of white in HDR (BT.2408). Below it, what a file says about its brightest place is an error, or needs no mapping."""


@attrs.frozen
class Colors:
    """What the numbers of a frame mean. `span` is its range: `tv` (16 to 235) or `pc` (0 to 255)."""

    span: str
    primaries: str
    transfer: str
    matrix: str

    @property
    def marking(self) -> str:
        """The filter that says so of each frame, and changes no pixel."""
        return f"setparams=range={self.span}:color_primaries={self.primaries}:color_trc={self.transfer}:colorspace={self.matrix}"


BT709 = Colors("tv", "bt709", "bt709", "bt709")


def is_rgb(stream: VideoStream) -> bool:
    """Whether the frames have red, green and blue, and not luma and chroma."""
    return (stream.pix_fmt or "").startswith(_RGB)


def source_colors(stream: VideoStream) -> Colors:
    """What the decoded frames are: as the file says, else as players guess."""
    high = stream.height > 576 or stream.width >= 1280
    lines = {576: "bt470bg", 480: "smpte170m", 486: "smpte170m"}.get(min(stream.height, stream.width), "bt709")
    base = _DOLBY_BASE.get(stream.dolby_vision.compatibility) if stream.dolby_vision else None
    transfer = stream.transfer if stream.transfer in _TRANSFERS else base or ("bt709" if high else "smpte170m")
    wide = transfer in {"smpte2084", "arib-std-b67"}
    matrix = {"bt2020c": "bt2020nc"}.get(stream.matrix or "", stream.matrix)
    if is_rgb(stream):
        matrix = "gbr"
    elif matrix not in _MATRICES:
        matrix = "bt2020nc" if wide else "bt709" if high else "smpte170m"
    guessed = "bt2020" if wide else "bt709" if high else lines
    return Colors(
        span=_span(stream),
        primaries=stream.primaries if stream.primaries in _PRIMARIES else guessed,
        transfer=transfer,
        matrix=matrix,
    )


def encoded_colors(stream: VideoStream) -> Colors:
    """What the encoded video is: of standard and limited range, with the source's matrix if all players know it."""
    if stream.hdr is not None:
        return BT709
    source = source_colors(stream)
    high = stream.height > 576 or stream.width >= 1280
    matrix = source.matrix if source.matrix in _PLAYED else "bt709" if high else "smpte170m"
    return attrs.evolve(source, span="tv", matrix=matrix)


def _span(stream: VideoStream) -> str:
    kind = stream.pix_fmt or ""
    if kind.startswith("yuvj") or is_rgb(stream):
        return "pc"
    if stream.color_range in {"tv", "pc"}:
        return stream.color_range
    return "pc" if kind.startswith(("gray", "ya")) and stream.codec not in _LIMITED_GRAY else "tv"


def reshaped(stream: VideoStream) -> bool:
    """Whether it can be shown only with the metadata of Dolby Vision: there is no base layer that others show (profile 5)."""
    return stream.dolby_vision is not None and stream.dolby_vision.compatibility == 0


def tone_mapping_obstacle(stream: VideoStream, capabilities: Capabilities) -> str | None:
    """The reason why this ffmpeg cannot show the video in SDR, as a sentence; None: it can, or need not."""
    if stream.hdr is None:
        return None
    if reshaped(stream) and capabilities.tone_mapping != "libplacebo":
        profile = stream.dolby_vision.profile if stream.dolby_vision else 5
        return (
            f"The video is Dolby Vision of profile {profile}, without a base layer that others can show. To convert it, ffmpeg needs "
            "libplacebo and a Vulkan device, and the ffmpeg of this server has none that works. mode=copy is possible."
        )
    if capabilities.tone_mapping is None:
        return (
            f"The video is {stream.hdr_detail}, and the ffmpeg of this server cannot convert it to standard range: it has neither "
            "libplacebo with a Vulkan device, nor zscale, nor a scale filter that maps tones (FFmpeg 8). mode=copy is possible."
        )
    return None


def tone_mapping_filters(
    way: ToneMapping, width: int, height: int, peak: float | None = None, *, hlg: bool = False, dolby: bool = False
) -> Sequence[str]:
    """The filters from HDR frames, marked with `Colors.marking`, to BT.709 of 8 bits in this size, in pixels.

    `peak` is the brightest luminance in cd/m². None: what the frames say, else the highest that their transfer can express, so that
    nothing is clipped. `hlg`: the transfer is that of HLG, else PQ. `dolby`: apply the metadata of Dolby Vision. All is static: what
    is measured in some frames would differ from segment to segment.
    """
    target = f"w={width}:h={height}"
    if way == "libplacebo":
        bt709 = "colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"
        shaping = f"apply_dolbyvision={'true' if dolby else 'false'}:peak_detect=false"
        return (f"libplacebo={target}:{bt709}:{shaping}:format=yuv420p",)
    bright = "" if peak is None else f":peak={max(peak, _LOWEST_PEAK) / _REFERENCE:.4f}"
    # Scaled first: these filters cost much for each pixel, and zscale takes only even sizes.
    smaller = (f"scale={target}",)
    if way == "zscale":
        return (
            *smaller,
            f"zscale=transfer=linear:npl={_REFERENCE}",
            "format=gbrpf32le",
            "zscale=primaries=bt709",
            # Frames that say nothing of their peak are taken for PQ, or for HLG, by what they are marked as.
            *(() if bright or hlg else ("setparams=color_trc=smpte2084",)),
            f"tonemap=reinhard:param={_CONTRAST:.4f}:desat=0{bright}",
            *(() if bright or hlg else ("setparams=color_trc=linear",)),
            "zscale=transfer=bt709:matrix=bt709:range=tv",
            "format=yuv420p",
        )
    bt709 = "out_transfer=bt709:out_primaries=bt709:out_color_matrix=bt709:out_range=tv"
    return (*smaller, f"scale={bt709}:intent=perceptual", "format=yuv420p")
