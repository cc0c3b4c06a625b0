"""What is drawn into videos: subtitles, whole, as ffmpeg reads them from a descriptor of its own.

Text becomes a script, which carries the fonts that are attached to its film. Images are taken out of the film. The result is kept,
and made once for all that ask meanwhile: a seek must not read the film to its end again.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext

import attrs

from transcoded.plan.errors import TranscodedError, Unavailable
from transcoded.plan.lru import ENTRY
from transcoded.plan.media.probe import Attachment, SubtitleStream
from transcoded.plan.subtitles.script import fonts_section, shifted
from transcoded.run.files.threads import Threads
from transcoded.run.media.subtitles import Subtitles, SubtitleSource
from transcoded.run.process.memory_file import memory_file
from transcoded.run.reactor import IReactor
from transcoded.run.shared_results import SharedResults

KEPT = 96 << 20
"""Bytes of subtitles that are kept, fonts among them."""

MAX_FONTS = 100
MAX_FONT_BYTES = 32 << 20
"""Fonts of one film that are used, and their bytes in all; what is more is left out."""

_FONTS = (".ttf", ".otf", ".ttc", ".pfb", ".woff")


@attrs.frozen
class Burned:
    """What is drawn: a `script` with its `fonts`, or `images`."""

    script: str = ""
    fonts: bytes = b""
    images: bytes = b""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to be drawn at any time."""
        return not self.script and not self.images

    @property
    def weight(self) -> int:
        """About how many bytes of memory it takes."""
        return ENTRY + 4 * len(self.script) + len(self.fonts) + len(self.images)

    def data(self, offset: float) -> bytes:
        """The bytes that ffmpeg reads, if time 0 of its frames is `offset` seconds after the beginning of the film."""
        return self.images or shifted(self.script, offset).encode("utf-8", "replace") + self.fonts


class BurnIns:
    """Makes what is drawn."""

    def __init__(self, reactor: IReactor, subtitles: Subtitles, threads: Threads) -> None:
        self._subtitles = subtitles
        self._threads = threads
        self._kept: SharedResults[str, Burned] = SharedResults(
            reactor, KEPT, lambda one: one.weight, cancel_abandoned=True
        )

    async def make(self, source: SubtitleSource, client: str) -> Burned:
        """What is drawn, for a client (a unit of fairness). The first time, it is taken out of the film. Raises what `Subtitles` raises."""
        return await self._kept.get(source.key, lambda: self._make(source, client))

    async def open(self, burned: Burned, offset: float) -> AbstractContextManager[int | None]:
        """A descriptor of what is drawn, which leaving the block closes; None if there is nothing to be drawn.

        `offset` is that of `Burned.data`. Raises `Unavailable` if no descriptor is left.
        """
        if burned.is_empty:
            return nullcontext()
        try:
            return await self._threads.acquire(lambda opened: opened.close(), _Opened, burned, offset)
        except OSError as error:
            raise Unavailable(f"The server cannot start a transcoder now: {error.strerror}.") from error

    async def _make(self, source: SubtitleSource, client: str) -> Burned:
        if not source.stream.text:
            return Burned(images=await self._subtitles.images(source, client))
        script = await self._subtitles.script(source, client)
        fonts = await self._fonts(source, client) if _has_fonts_of_its_own(source.stream) else []
        return Burned(script, await self._threads.run(fonts_section, fonts))

    async def _fonts(self, source: SubtitleSource, client: str) -> Sequence[bytes]:
        found: list[bytes] = []
        left = MAX_FONT_BYTES
        for attachment in [one for one in source.media.attachments if _is_font(one)][:MAX_FONTS]:
            if (attachment.size or 0) > left:
                continue
            try:
                data = await self._subtitles.attachment(source.file, attachment, client)
            except TranscodedError:
                # The text is readable without it.
                continue
            if len(data) <= left:
                left -= len(data)
                found.append(data)
        return found


class _Opened(AbstractContextManager[int]):
    """An open descriptor; leaving the block closes it."""

    def __init__(self, burned: Burned, offset: float) -> None:
        self._stack = ExitStack()
        self._fd = self._stack.enter_context(memory_file(burned.data(offset)))

    def __enter__(self) -> int:
        return self._fd

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the descriptor."""
        self._stack.close()


def _has_fonts_of_its_own(stream: SubtitleStream) -> bool:
    """Whether it names fonts, so that those of the film are wanted. Text of other kinds is drawn in the machine's."""
    return stream.codec in {"ass", "ssa"}


def _is_font(attachment: Attachment) -> bool:
    kind = (attachment.mimetype or "").lower()
    name = (attachment.filename or "").lower()
    return attachment.codec in {"ttf", "otf"} or "font" in kind or "opentype" in kind or name.endswith(_FONTS)
