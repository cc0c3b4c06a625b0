"""Codec strings of video that is copied: what the sample entry says that ffmpeg writes for it.

A playlist names the codec before anything is made, and of HEVC, AV1 and VP9 the probe does not tell all that the name consists of.
"""

from transcoded.plan.cmaf.argv import entry_argv
from transcoded.plan.cmaf.boxes import BoxError
from transcoded.plan.cmaf.segmenter import codec_of
from transcoded.plan.errors import NotMedia, TimedOut, TooMuchOutput, TranscodeFailed
from transcoded.plan.lru import ENTRY
from transcoded.plan.media.argv import INPUT_PATH
from transcoded.plan.media.probe import VideoStream
from transcoded.run.files.library import MediaFile, Version
from transcoded.run.media.extracts import Extracts
from transcoded.run.reactor import IReactor
from transcoded.run.shared_results import SharedResults

MAX_BYTES = 32 << 20
"""Bytes of the init segment and the first packet."""


REMEMBERED = 1 << 20
"""Bytes of codec strings that are kept. They are not in the cache of segments: each request for a segment of a copy needs one."""

Key = tuple[str, Version, int]
"""A file, and the index of a stream."""


class SampleEntries:
    """Finds them, and keeps what it has found. Simultaneous requests share one process."""

    def __init__(self, reactor: IReactor, extracts: Extracts) -> None:
        self._extracts = extracts
        # An empty string: it cannot be copied.
        self._found: SharedResults[Key, str] = SharedResults(reactor, REMEMBERED, lambda text: ENTRY + len(text))

    async def codecs(self, file: MediaFile, stream: VideoStream, client: str) -> str | None:
        """The codec string of a video stream, for a client (a unit of fairness); None: it cannot be copied. Raises `Unavailable` as `Extracts.make` does."""
        key = file.real_path, file.version, stream.index
        try:
            return await self._found.get(key, lambda: self._find(file, stream, client)) or None
        except (TimedOut, TranscodeFailed):
            # That may be different the next time.
            return None

    async def _find(self, file: MediaFile, stream: VideoStream, client: str) -> str:
        name, arguments = f"entry {stream.index}", entry_argv(stream, INPUT_PATH)
        try:
            return codec_of(await self._extracts.make(file, name, arguments, MAX_BYTES, client=client))
        except (BoxError, NotMedia, TooMuchOutput):
            return ""
