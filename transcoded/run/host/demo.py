"""The clips of `--demo`, made by ffmpeg: a test video with a running clock, and a tone that beeps each second."""

import os

from transcoded.run.files.private_directory import PrivateDirectory
from transcoded.run.host.tools import ToolError, Tools
from transcoded.run.process.trial import Trial
from transcoded.run.process.trials import Trials

DEADLINE = 120.0
"""Seconds in which all clips must be made."""

_VIDEO = ("-f", "lavfi", "-i", "testsrc=size=1280x720:rate=25:duration=60")
_AUDIO = ("-f", "lavfi", "-i", "sine=frequency=330:beep_factor=3:sample_rate=48000:duration=60")
_H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "50", "-c:a", "aac")
_MPEG2 = ("-c:v", "mpeg2video", "-b:v", "4M", "-c:a", "mp2", "-b:a", "192k")

CLIPS = {
    "plays everywhere.mp4": (*_VIDEO, *_AUDIO, *_H264, "-movflags", "+faststart"),
    "needs transcoding.mpg": (*_VIDEO, *_AUDIO, *_MPEG2),
    "sound only.flac": (*_AUDIO, "-c:a", "flac"),
}
"""ffmpeg's arguments by file name: a clip that browsers play as it is, one that they cannot play, and one without video."""


def make_clips(tools: Tools, path: str, trials: Trials) -> str:
    """Make the clips that do not exist yet, all at the same time, and return the path of their directory.

    Raises `ToolError` for the setting `demo` if ffmpeg cannot make a clip, `UntrustedFile` if somebody else could have put
    something into the directory, and other OSErrors if it cannot be written.
    """
    directory = PrivateDirectory.open(os.path.abspath(path))
    try:
        missing = [name for name in CLIPS if not _exists(directory, name)]
        for name in missing:
            directory.remove(f".{name}")  # what a start that was killed has left
        quiet = ("-hide_banner", "-nostdin", "-loglevel", "error", "-y")
        made = trials.run(
            tools.launcher,
            [Trial(tools.ffmpeg, [*quiet, *CLIPS[name], f"file:{os.path.join(path, f'.{name}')}"]) for name in missing],
            DEADLINE,
        )
        for name, outcome in zip(missing, made, strict=True):
            if outcome.problem is not None:
                raise ToolError("demo", f"the clips cannot be made: {tools.ffmpeg} {outcome.problem}")
            directory.rename(f".{name}", name)
    finally:
        directory.close()
    return path


def _exists(directory: PrivateDirectory, name: str) -> bool:
    try:
        os.close(directory.open_file(name, os.O_RDONLY))
    except FileNotFoundError:
        return False
    return True
