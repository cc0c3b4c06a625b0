"""Arguments for the ffmpeg that makes a thumbnail of a file."""

from transcoded.plan.media.argv import BLIND_LEAD, input_argv, prologue, seeks_blindly
from transcoded.plan.media.probe import Media, VideoStream


def thumbnail_argv(media: Media, stream: VideoStream, path: str, time: float, width: int) -> list[str]:
    """One JPEG on stdout: the frame at `time` seconds, at most `width` pixels wide, with square pixels."""
    columns = min(width, stream.width)
    rows = max(2, round(stream.height * columns / max(1, round(stream.width * float(stream.sar)))))
    # A file can have any sample aspect ratio in its header. The limit keeps the image from becoming huge.
    rows = min(rows, 4 * width)
    lead = min(time, BLIND_LEAD) if seeks_blindly(media) else 0.0
    return [
        *prologue(),
        # One thread: each further thread of a decoder keeps a frame of its own, which is 100 MB for 8K with 10 bits.
        *("-filter_threads", "1", "-threads", "1"),
        *input_argv(path, start=time - lead),
        *(("-ss", f"{lead:.6f}") if lead else ()),
        *("-map", f"0:{stream.index}", "-an", "-sn", "-dn"),
        *(
            "-frames:v",
            "1",
            "-filter:v",
            f"scale=w={columns - columns % 2}:h={rows - rows % 2}:out_range=pc,format=yuvj420p",
        ),
        *("-c:v", "mjpeg", "-q:v", "4", "-threads", "1", "-f", "mjpeg", "pipe:1"),
    ]
