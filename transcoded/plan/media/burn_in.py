"""Burn-in: which subtitles can be drawn into a video, and the filters that draw them.

The subtitles are taken out of the film first (`run.media.burn_in`), and given to ffmpeg at a descriptor of their own, whole. So a
line that is showing at the start is drawn, wherever the start is; and ffmpeg's filters for subtitles, which read any file in any
format that they are given the name of, get nothing but a script that was written here (`plan.subtitles.script`).
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction

from transcoded.plan.errors import BadParameter
from transcoded.plan.media.capabilities import Capabilities
from transcoded.plan.media.geometry import fitted
from transcoded.plan.media.probe import Media, SubtitleStream, VideoStream

SUBTITLES_FD = 6
"""The file descriptor at which ffmpeg has the subtitles that it draws, open for reading."""

SUBTITLES_PATH = f"/proc/self/fd/{SUBTITLES_FD}"

IMAGES: Mapping[str, str] = {"hdmv_pgs_subtitle": "sup", "dvd_subtitle": "matroska", "dvb_subtitle": "matroska"}
"""Codecs of subtitles that are images, and ffmpeg's name of the format in which they are taken out of a film."""

_CANVASES = {"hdmv_pgs_subtitle": (1920, 1080)}
_CANVAS = (720, 576)
"""Pixels of the canvas of images that do not say it (ETSI EN 300 743, section 5.1.3; most Blu-ray discs)."""

_WIDEST_DVD = 720
_BETWEEN = Fraction(155, 100)
"""A picture of a DVD is 4:3 or 16:9. A film that is wider than this is 16:9, or was cut out of it."""

_ROUNDING = Fraction(2, 100)

_EARLY = 0.002
"""Seconds by which images are early: ffmpeg from 7 on shows them a moment after their time, and so one frame late."""


def subtitles_to_burn_in(
    media: Media, position: int, parameter: str, capabilities: Capabilities | None
) -> SubtitleStream:
    """The subtitles at a position. `capabilities` None: not known, so nothing is refused for them.

    Raises `BadParameter`, with the name of the parameter, if there are none or they cannot be drawn.
    """
    streams = media.subtitles
    if not 0 <= position < len(streams):
        has = f"allowed for this file: 0 to {len(streams) - 1}." if streams else "this file has no subtitles."
        raise BadParameter(parameter, f"{position} is not allowed; {has}")
    if media.default_video is None:
        raise BadParameter(parameter, "this file has no video that subtitles could be drawn into.")
    stream = streams[position]
    obstacle = _obstacle(stream, capabilities)
    if obstacle is not None:
        raise BadParameter(
            parameter, f"subtitles {position} ({stream.codec}) cannot be drawn into the video: {obstacle}."
        )
    return stream


def _obstacle(stream: SubtitleStream, capabilities: Capabilities | None) -> str | None:
    if not stream.text and stream.codec not in IMAGES:
        return f"only text and {', '.join(IMAGES)} can"
    if capabilities is None:
        return None
    if stream.text and not capabilities.burns_in_text:
        return "for text, ffmpeg needs libass and a font, and the ffmpeg of this server has not both"
    if not stream.text and not capabilities.burns_in_bitmap:
        return "the ffmpeg of this server cannot draw images"
    if not stream.text and stream.codec not in capabilities.decoders:
        return "the ffmpeg of this server cannot decode them"
    return None


def images_argv(stream: SubtitleStream | None, offset: float) -> Sequence[str]:
    """Arguments for the input with images; none if what is drawn is text, or nothing. Time 0 of the frames is `offset` seconds after the beginning of the film."""
    if stream is None or stream.text:
        return ()
    width, height = _canvas(stream)
    return (
        *(
            "-protocol_whitelist",
            "file",
            "-format_whitelist",
            "sup,matroska",
            "-codec_whitelist",
            "pgssub,dvdsub,dvbsub",
        ),
        # Its times are those of the film, and are not to be counted from the first image.
        *("-seek_timestamp", "1", "-itsoffset", f"{-offset - _EARLY:.6f}"),
        *("-canvas_size", f"{width}x{height}", "-i", f"file:{SUBTITLES_PATH}"),
    )


def text_filter(video: VideoStream) -> str:
    """The filter that draws a script into upright frames with square pixels of any size."""
    width, height = fitted(video)
    return f"ass=filename={SUBTITLES_PATH}:original_size={width}x{height}"


def images_filters(
    stream: SubtitleStream, video: VideoStream, width: int, height: int, matrix: str
) -> tuple[str, int, int]:
    """The filter that scales the images for frames of this size, and where they are laid over them, from the left and from above: all in pixels."""
    columns, rows = _place(stream, video, width, height)
    left, top = (width - columns) // 4 * 2, (height - rows) // 4 * 2
    return f"scale=w={columns}:h={rows}:out_color_matrix={matrix}:out_range=tv", left, top


def _canvas(stream: SubtitleStream) -> tuple[int, int]:
    if stream.width > 0 and stream.height > 0:
        return stream.width, stream.height
    return _CANVASES.get(stream.codec, _CANVAS)


def _place(stream: SubtitleStream, video: VideoStream, width: int, height: int) -> tuple[int, int]:
    """The size of the canvas in a picture of this size: all of it if they have one shape, else as large as fits in.

    So nothing of the subtitles of a disc is cut off if the film was cropped since.
    """
    columns, rows = _canvas(stream)
    shape = Fraction(columns, rows)
    picture = Fraction(width, height)
    if stream.codec == "dvd_subtitle" and columns <= _WIDEST_DVD:
        # The whole picture of a disc, whatever pixels it has; the film can be cropped since.
        shape = Fraction(16, 9) if picture > _BETWEEN else Fraction(4, 3)
    coded = Fraction(video.coded_width or video.width, video.coded_height or video.height)
    same = any(abs(one / other - 1) < _ROUNDING for one, other in ((shape, picture), (Fraction(columns, rows), coded)))
    if same or stream.codec == "dvb_subtitle":
        return width, height
    return _even(min(Fraction(width), height * shape)), _even(min(Fraction(height), width / shape))


def _even(pixels: Fraction) -> int:
    return max(2, int(pixels) // 2 * 2)
