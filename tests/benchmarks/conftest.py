"""The clips, for what is done by hand with ffmpeg."""

from tests.support.clips import clips

__all__ = ["clips"]
