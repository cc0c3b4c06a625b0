"""A few short clips to try the daemon with, made by ffmpeg: a picture with a running clock, and a tone that beeps each second."""

import os
import subprocess

from transcoded.run.host.tools import Tools

_PICTURE = ("-f", "lavfi", "-i", "testsrc=size=1280x720:rate=25:duration=60")
_SOUND = ("-f", "lavfi", "-i", "sine=frequency=330:beep_factor=3:sample_rate=48000:duration=60")
_H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "50", "-c:a", "aac")
_MPEG2 = ("-c:v", "mpeg2video", "-b:v", "4M", "-c:a", "mp2", "-b:a", "192k")

CLIPS = {
    "plays everywhere.mp4": (*_PICTURE, *_SOUND, *_H264, "-movflags", "+faststart"),
    "needs transcoding.mpg": (*_PICTURE, *_SOUND, *_MPEG2),
    "sound only.flac": (*_SOUND, "-c:a", "flac"),
}
"""By name: one that browsers play as it is, one that they cannot, one without a picture."""


def make_clips(tools: Tools, directory: str) -> str:
    """Make the clips that are not there yet and return the directory; raises OSError or subprocess.SubprocessError."""
    os.makedirs(directory, exist_ok=True)
    for name, arguments in CLIPS.items():
        path = os.path.join(directory, name)
        if os.path.exists(path):
            continue
        unfinished = os.path.join(directory, f".{name}")
        subprocess.run(
            # With the launcher before it, it dies with this program like every other transcoder.
            tools.launcher.command(
                tools.ffmpeg,
                ["-hide_banner", "-nostdin", "-loglevel", "error", "-y", *arguments, f"file:{unfinished}"],
            ),
            check=True,
            capture_output=True,
            timeout=120,
        )
        os.replace(unfinished, path)
    return directory
