"""Codec strings of video that is copied: what the sample entry says that ffmpeg writes for it.

A playlist names the codec before anything is made, and of HEVC, AV1 and VP9 the probe does not tell all that the name consists of.
"""

from transcoded.plan.cmaf.argv import entry_argv
from transcoded.plan.cmaf.boxes import BoxError
from transcoded.plan.cmaf.segmenter import codec_of
from transcoded.plan.errors import NotMedia, TimedOut, TooMuchOutput, TranscodeFailed
from transcoded.plan.media.argv import INPUT_PATH
from transcoded.plan.media.probe import VideoStream
from transcoded.run.files.library import MediaFile
from transcoded.run.media.extracts import Extracts

MAX_BYTES = 32 << 20
"""Bytes of the init segment and the first packet."""


class SampleEntries:
    """Finds them, and keeps what it has found."""

    def __init__(self, extracts: Extracts) -> None:
        self._extracts = extracts

    async def codecs(self, file: MediaFile, stream: VideoStream, client: str) -> str | None:
        """The codec string of a video stream, for a client (a unit of fairness); None: it cannot be copied. Raises `Unavailable` as `Extracts.make` does."""
        name = f"entry {stream.index}"
        try:
            init = self._extracts.kept(file, name)
            if init is None:
                init = await self._extracts.make(file, name, entry_argv(stream, INPUT_PATH), MAX_BYTES, client=client)
            return codec_of(init)
        except (BoxError, NotMedia, TimedOut, TooMuchOutput, TranscodeFailed):
            return None
