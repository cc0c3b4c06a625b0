"""Arguments for the ffmpeg that makes a thumbnail of a file."""

from transcoded.plan.media.argv import input_argv, prologue
from transcoded.plan.media.probe import Media, VideoStream

HOLD_RATE = 25
"""Frames per second to which the frames before the thumbnail are repeated. The one that is on display at its time is the last of them."""


def thumbnail_argv(
    media: Media, stream: VideoStream, path: str, time: float, width: int, read_from: float | None = None
) -> list[str]:
    """One JPEG on stdout: the frame that is on display at `time` seconds, at most `width` pixels wide, with square pixels.

    Behind the last frame, that one is shown. `read_from` is as in `stream_argv`.
    """
    columns = min(width, stream.width)
    rows = max(2, round(stream.height * columns / max(1, round(stream.width * float(stream.sar)))))
    # A file can have any sample aspect ratio in its header. The limit keeps the image from becoming huge.
    rows = min(rows, 4 * width)
    filters = [f"scale=w={columns - columns % 2}:h={rows - rows % 2}:out_range=pc", "format=yuvj420p"]
    is_cover = media.default_video is None
    if not is_cover:
        filters = [f"tpad=stop=-1:stop_mode=clone,fps=fps={HOLD_RATE}:start_time={time:.6f}", *filters]
    place = 0.0 if media.restarts else time if read_from is None else read_from
    # Times count from the container's start. An exact seek would leave out a frame that is on display since before.
    clock = ("-copyts", "-itsoffset", f"{0.000_001 - media.start_time:.6f}", "-noaccurate_seek")
    return [
        *prologue(),
        # One thread: each further thread of a decoder keeps a frame of its own, which is 100 MB for 8K with 10 bits.
        *("-filter_threads", "1", "-threads", "1"),
        *(() if is_cover or media.restarts else clock),
        *input_argv(path, start=place),
        *("-map", f"0:{stream.index}", "-an", "-sn", "-dn"),
        *("-frames:v", "1", "-filter:v", ",".join(filters)),
        *("-c:v", "mjpeg", "-q:v", "4", "-threads", "1", "-f", "mjpeg", "pipe:1"),
    ]
