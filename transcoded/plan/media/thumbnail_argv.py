"""Arguments for the ffmpeg that makes a thumbnail of a file."""

from collections.abc import Sequence

from transcoded.plan.media.argv import Options, input_argv, prologue
from transcoded.plan.media.geometry import fitted
from transcoded.plan.media.picture import JPEG, decoding_argv, graph_argv, picture_argv
from transcoded.plan.media.probe import Media, VideoStream

HOLD_RATE = 25
"""Frames per second to which the frames before the thumbnail are repeated. The one that is on display at its time is the last of them."""

_HIGHEST = 4
"""Times as high as wide a thumbnail may be. A video can have any shape."""


def thumbnail_argv(
    media: Media,
    stream: VideoStream,
    path: str,
    time: float,
    width: int,
    read_from: float | None = None,
    options: Options | None = None,
) -> list[str]:
    """One JPEG on stdout: the frame that is on display at `time` seconds, at most `width` pixels wide, upright, with square pixels.

    Behind the last frame, that one is shown. `read_from` is as in `stream_argv`.
    """
    options = options or Options()
    is_cover = media.default_video is None
    hold = f"tpad=stop=-1:stop_mode=clone,fps=fps={HOLD_RATE}:start_time={time:.6f}"
    if stream.width:
        timing = () if is_cover else (hold,)
        graph = picture_argv(stream, timing, *thumbnail_size(stream, width), options.capabilities, jpeg=True)
    else:
        graph = graph_argv(stream, ",".join(_of_any_size(width)))
    place = 0.0 if media.restarts else time if read_from is None else read_from
    # Times count from the container's start. An exact seek would leave out a frame that is on display since before.
    clock = ("-copyts", "-itsoffset", f"{0.000_001 - media.start_time:.6f}", "-noaccurate_seek")
    return [
        *prologue(),
        # One thread: each further thread of a decoder keeps a frame of its own, which is 100 MB for 8K with 10 bits.
        *("-filter_complex_threads", "1", "-threads", "1"),
        *(() if is_cover or media.restarts else clock),
        *decoding_argv(options.capabilities),
        *input_argv(path, start=place),
        *graph,
        *("-an", "-sn", "-dn", "-frames:v", "1"),
        *("-c:v", "mjpeg", "-q:v", "4", "-threads", "1", "-f", "mjpeg", "pipe:1"),
    ]


def _of_any_size(width: int) -> Sequence[str]:
    """The filters for a picture of which nothing is known but its codec, at most `width` pixels wide."""
    columns, rows = f"max(2,2*trunc(min({width},iw)/2))", f"max(2,2*trunc(min({_HIGHEST * width},ow/dar)/2))"
    colors = f"out_range={JPEG.span}:out_color_matrix={JPEG.matrix}"
    return (f"scale=w='{columns}':h='{rows}':{colors}", "format=yuvj420p", "setsar=1")


def thumbnail_size(stream: VideoStream, width: int) -> tuple[int, int]:
    """Width and height in pixels, both even: of the video, or smaller."""
    whole, height = fitted(stream)
    columns = min(width, whole)
    rows = min(round(height * columns / whole), _HIGHEST * width)
    return max(2, columns - columns % 2), max(2, rows - rows % 2)
