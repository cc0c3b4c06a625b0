"""The filter graph from decoded frames to an encoder of pictures. Streams, segments and thumbnails have the same.

It begins with a normaliser: whatever size, shape or pixel format a frame has, it is brought into the probed size, without distorting
what it shows. Broadcasts change all of these in the middle. So the graph is never rebuilt (`-reinit_filter 0`), which would lose
the frames and the counts that are in it. Before the normaliser there are only filters that look at no pixel, because the others read
beyond the end of a frame that is smaller than the one they were made for. ffmpeg would put filters of its own there, to crop and to
turn: both are switched off, and done here.
"""

from collections.abc import Sequence
from fractions import Fraction

from transcoded.plan.media.burn_in import images_filters, text_filter
from transcoded.plan.media.capabilities import Capabilities
from transcoded.plan.media.colors import (
    Colors,
    encoded_colors,
    is_rgb,
    reshaped,
    source_colors,
    tone_mapping_filters,
)
from transcoded.plan.media.orientation import Orientation
from transcoded.plan.media.probe import Crop, SubtitleStream, VideoStream

JPEG = Colors("pc", "bt709", "bt709", "smpte170m")
"""What JPEG means by its numbers (JFIF 1.02): BT.601 of full range, always."""

_SMALLEST_DEINTERLACED = 16
"""Pixels of a side. The filter bwdif refuses frames whose planes have less than three."""

_MARKED = frozenset("cavs dvvideo h264 hevc mpeg2video mpeg4 prores vc1".split())
"""Codecs whose decoders say of each frame whether it is interlaced. Of others, only the container says so, and of all frames."""

_MIXED = frozenset({"mpeg2video"})
"""Codecs whose files have interlaced and whole frames in any order, whatever the first is: discs and broadcasts."""

_TURNS = {
    Orientation(90): ("transpose=clock",),
    Orientation(180): ("hflip", "vflip"),
    Orientation(270): ("transpose=cclock",),
    Orientation(0, mirrored=True): ("hflip",),
    Orientation(90, mirrored=True): ("hflip", "transpose=clock"),
    Orientation(180, mirrored=True): ("vflip",),
    Orientation(270, mirrored=True): ("hflip", "transpose=cclock"),
}


def decoding_argv(capabilities: Capabilities) -> Sequence[str]:
    """Options of an input whose video is decoded: ffmpeg puts no filter before ours, and does not rebuild the graph."""
    cropping = ("-apply_cropping:v", "codec") if "apply_cropping" in capabilities.input_options else ()
    return ("-reinit_filter:v", "0", "-noautorotate", *cropping)


def picture_argv(
    stream: VideoStream,
    timing: Sequence[str],
    width: int,
    height: int,
    capabilities: Capabilities,
    *,
    jpeg: bool = False,
    burn: SubtitleStream | None = None,
    images_file: int = 1,
    last: Sequence[str] = (),
) -> Sequence[str]:
    """Options that make frames of this size of a stream, upright, in square pixels and SDR, of 8 bits and 4:2:0: in place of `-map` and `-filter:v`.

    Width and height are in pixels as displayed. `timing` are filters that come first, and look at no pixel. With `jpeg` the frames
    are what JPEG takes, else what video encoders take. `burn` are subtitles that are drawn into them; if these are images, they are
    the input with the number `images_file`. `last` are filters behind all others.
    """
    if burn is None:
        filters = picture_filters(stream, timing, width, height, capabilities, jpeg=jpeg)
        return graph_argv(stream, ",".join((filters, *last)))
    target = JPEG if jpeg else encoded_colors(stream)
    before = ",".join((*timing, *_shaping(stream, width, height, target, capabilities)))
    after = ",".join((*finishing(stream, target), *last))
    if burn.text:
        return graph_argv(stream, f"{before},{text_filter(stream)},{after}")
    scaled, left, top = images_filters(burn, stream, width, height, target.matrix)
    images = f"[{images_file}:0]{scaled},format=yuva420p[images]"
    overlay = f"overlay=x={left}:y={top}:eof_action=pass:repeatlast=0"
    # In their own time base the times of images would be rounded to those of the frames, and each image come one frame late.
    drawn = f"settb=1/1000000[picture];{images};[picture][images]{overlay},format=yuv420p"
    return graph_argv(stream, f"{before},{drawn},{after}")


def picture_filters(
    stream: VideoStream,
    timing: Sequence[str],
    width: int,
    height: int,
    capabilities: Capabilities,
    *,
    jpeg: bool = False,
) -> str:
    """The filters of `picture_argv` where nothing is drawn into the frames, as part of a graph."""
    target = JPEG if jpeg else encoded_colors(stream)
    return ",".join((*timing, *_shaping(stream, width, height, target, capabilities), *finishing(stream, target)))


def graph_argv(stream: VideoStream, filters: str) -> Sequence[str]:
    """Options that send a stream through these filters, in place of `-map` and `-filter:v`.

    The idle branch makes ffmpeg up to 6 forget where the output comes from. Else it would copy what the file says about the source to
    it: to turn it, to show it in HDR, to reshape it.
    """
    source = f"[0:{stream.index}]"
    return ("-filter_complex", f"{source}{filters}[v];{source}nullsink", "-map", "[v]")


def _shaping(stream: VideoStream, width: int, height: int, target: Colors, capabilities: Capabilities) -> Sequence[str]:
    """From decoded frames to upright ones of the target's size and colours."""
    turn = Orientation(stream.rotation, stream.mirrored)
    lying = (height, width) if turn.sideways else (width, height)
    return (
        *marking(stream),
        *_normalising(stream),
        *_deinterlacing(stream),
        *_cropping(stream.crop),
        *_converting(stream, *lying, target, capabilities),
        *_TURNS.get(turn, ()),
    )


def finishing(stream: VideoStream, target: Colors) -> Sequence[str]:
    """Say what the frames are now, and nothing else."""
    return (
        "setsar=1",
        target.marking,
        # ffmpeg from 7 on sends to the encoder what was attached to a frame.
        "sidedata=mode=delete" + ("" if stream.hdr else ":type=DISPLAYMATRIX"),
    )


def marking(stream: VideoStream) -> Sequence[str]:
    """Say what the frames are. ffmpeg refuses some that contradict themselves, such as 4:2:0 of red, green and blue."""
    # With RGB there is nothing to say. And reshaping takes frames as they are.
    return () if is_rgb(stream) or reshaped(stream) else (source_colors(stream).marking,)


def _normalising(stream: VideoStream) -> Sequence[str]:
    """Bring each frame into the size that was probed, with bars where its shape is another one. Most frames have it already."""
    width, height = _coded(stream)
    sar = 1 / stream.sar if Orientation(stream.rotation).sideways else stream.sar
    whole = Fraction(width, height) * sar
    # The shape of the frame by that of the whole. A difference below 2 % is rounding, and not worth a bar. ffmpeg up to 7.0 does not
    # take what is cropped into account when it computes the shape of pixels.
    if stream.crop != Crop():
        whole, sar = Fraction(width, height), Fraction(1)
    shape = f"{'dar' if stream.crop == Crop() else 'a'}*{whole.denominator}/{whole.numerator}"
    same = f"lt(abs({shape}-1),0.02)"
    if sar != 1:
        # ffmpeg from 7 on gives all frames the pixels of the first. If their number changes, their shape has changed with it.
        same = f"{same}+lt(abs(sar*{sar.denominator}/{sar.numerator}-1),0.001)"
    # In interlaced frames, a bar of four lines leaves each line of luma and chroma in its field.
    columns = f"if({same},{width},min({width},max(4,4*trunc({width}*{shape}/4))))"
    rows = f"if({same},{height},min({height},max(4,4*trunc({height}/({shape})/4))))"
    return (
        f"scale=w='{columns}':h='{rows}':eval=frame:interl=-1",
        f"pad=w={width}:h={height}:x='4*trunc((ow-iw)/8)':y='4*trunc((oh-ih)/8)':eval=frame",
    )


def may_be_interlaced(stream: VideoStream) -> bool:
    """Whether there can be interlaced frames."""
    return stream.interlaced or stream.codec in _MIXED or (stream.codec in _MARKED and stream.field_order is None)


def _deinterlacing(stream: VideoStream) -> Sequence[str]:
    """Interlaced frames become whole; others pass."""
    if not may_be_interlaced(stream) or min(_coded(stream)) < _SMALLEST_DEINTERLACED:
        return ()
    return (f"bwdif=mode=send_frame:deint={'interlaced' if stream.codec in _MARKED else 'all'}",)


def _coded(stream: VideoStream) -> tuple[int, int]:
    """Width and height of decoded frames, in pixels."""
    sideways = Orientation(stream.rotation).sideways
    width, height = (stream.height, stream.width) if sideways else (stream.width, stream.height)
    return stream.coded_width or width, stream.coded_height or height


def _cropping(crop: Crop) -> Sequence[str]:
    if crop == Crop():
        return ()
    return (f"crop=w=iw-{crop.left + crop.right}:h=ih-{crop.top + crop.bottom}:x={crop.left}:y={crop.top}",)


def _converting(
    stream: VideoStream, width: int, height: int, target: Colors, capabilities: Capabilities
) -> Sequence[str]:
    """Scale, to SDR and to the target's colours. The scaler passes frames on that need nothing."""
    pixels = "yuvj420p" if target is JPEG else "yuv420p"
    if stream.hdr is not None and capabilities.tone_mapping is not None:
        mapped = tone_mapping_filters(
            capabilities.tone_mapping,
            width,
            height,
            stream.peak,
            hlg=source_colors(stream).transfer == "arib-std-b67",
            dolby=reshaped(stream),
        )
        if target is not JPEG:
            return mapped
        return (*mapped, f"scale=out_color_matrix={target.matrix}:out_range={target.span}", f"format={pixels}")
    converted = target.matrix != source_colors(stream).matrix
    matrix = f":out_color_matrix={target.matrix}" if converted else ""
    return (f"scale=w={width}:h={height}:out_range={target.span}{matrix}", f"format={pixels}")
