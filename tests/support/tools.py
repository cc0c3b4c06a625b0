"""Programs for parts that are tested without the trials of the start."""

from transcoded.plan.media.capabilities import Capabilities
from transcoded.plan.media.launcher import Launcher
from transcoded.plan.media.program_choice import Candidate, Choice
from transcoded.run.host.tools import Tools


def made_tools(
    ffmpeg: str = "/nowhere/ffmpeg", ffprobe: str = "/nowhere/ffprobe", capabilities: Capabilities | None = None
) -> Tools:
    """These programs, without a launcher, and an ffmpeg that can do everything unless something else is said."""
    chosen = Candidate(ffmpeg, "settings", "ffmpeg version 9.0", capabilities=capabilities or Capabilities.everything())
    probe = Candidate(ffprobe, "settings", "ffprobe version 9.0")
    why = "it is named in the settings"
    return Tools(Choice(chosen, why, (chosen,)), Choice(probe, why, (probe,)), Launcher())
