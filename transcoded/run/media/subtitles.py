"""The subtitles of a film as text: taken out of the film by ffmpeg, or read from a file beside it, then converted in a thread.

Each result is named by a key of everything that it is made from. It is kept, and made once for all that ask meanwhile. Few are made
at the same time: a large file of text takes seconds of the interpreter, and a film is read to its end.
"""

import os
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import attrs

from transcoded.plan.errors import NotMedia, TranscodeFailed, Unavailable
from transcoded.plan.lru import ENTRY
from transcoded.plan.media.argv import INPUT_PATH
from transcoded.plan.media.burn_in import IMAGES
from transcoded.plan.media.probe import Attachment, Media, SubtitleStream
from transcoded.plan.media.subtitle_argv import attachment_argv, form_of, subtitle_argv
from transcoded.plan.subtitles.convert import to_utf8, to_webvtt
from transcoded.plan.subtitles.script import to_script
from transcoded.run.files.library import MediaFile, Version
from transcoded.run.files.opener import FileOpener
from transcoded.run.files.sidecars import MAX_TEXT, Sidecar
from transcoded.run.media.extracts import Extracts
from transcoded.run.places import FairPlaces
from transcoded.run.reactor import IReactor
from transcoded.run.shared_results import SharedResults

MAX_IMAGES = 64 << 20
"""Bytes of a stream of images that is taken out of a film, which is held in memory meanwhile."""

MAX_ATTACHMENT = 64 << 20
"""Bytes. Fonts for Chinese or Japanese have up to 50 million."""

FILMS_AT_ONCE = 3
TEXTS_AT_ONCE = 2
"""Films that are read at the same time, and texts that are converted; one of each for one client."""

DEADLINE = 120.0
"""Seconds in which ffmpeg must have read a film to its end."""

T = TypeVar("T")

KEPT = 32 << 20
"""Bytes of text that are kept."""

_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_COMPRESSED = "Unsupported encoding type"
"""What ffmpeg says of a stream that it cannot decompress. It then passes on what it has read, and succeeds."""


@attrs.frozen
class SubtitleSource:
    """Where subtitles come from: a stream of a film, or a file beside it. `key` names everything that they are made from."""

    file: MediaFile
    media: Media
    stream: SubtitleStream
    sidecar: Sidecar | None
    key: str


class Subtitles:
    """Makes them. `charset` is that of texts that are not UTF-8; None: it is guessed."""

    def __init__(self, reactor: IReactor, extracts: Extracts, opener: FileOpener, charset: str | None) -> None:
        self._extracts = extracts
        self._opener = opener
        self._charset = charset
        self._texts: SharedResults[tuple[str, str], bytes] = SharedResults(
            reactor, KEPT, lambda text: ENTRY + len(text), cancel_abandoned=True
        )
        self._films = FairPlaces(reactor, FILMS_AT_ONCE, 1)
        self._turns = FairPlaces(reactor, TEXTS_AT_ONCE, 1)

    async def webvtt(self, source: SubtitleSource, client: str) -> bytes:
        """The subtitles as WebVTT, for a client (a unit of fairness).

        Raises `NotMedia` for images, and for text that is too long; what `Extracts.make` raises for a stream, and what
        `FileOpener.open` raises for a file.
        """
        return await self._texts.get((source.key, "vtt"), lambda: self._as_webvtt(source, client))

    async def as_it_is(self, source: SubtitleSource, client: str) -> bytes:
        """The subtitles in the format that they have (`form_of`), text in UTF-8. Raises as `webvtt` does."""
        if form_of(source.stream) == "sup":
            return await self._stream(source, "sup", client)
        return await self._texts.get((source.key, "as it is"), lambda: self._as_it_is(source, client))

    async def script(self, source: SubtitleSource, client: str) -> str:
        """The text as a script to draw it. Raises as `webvtt` does."""
        return await self._converted(source, client, partial(to_script, codec=codec_of(source.stream)))

    async def images(self, source: SubtitleSource, client: str) -> bytes:
        """The images in the format of `burn_in.IMAGES`, with all their times; empty if there are none. Raises as `webvtt` does."""
        if source.sidecar is None:
            return await self._stream(source, IMAGES[source.stream.codec], client)
        with await self._opener.open(source.sidecar) as opened:
            return await self._opener.threads.run(_read, opened.fd, source.sidecar.version, MAX_IMAGES)

    async def attachment(self, file: MediaFile, attachment: Attachment, client: str) -> bytes:
        """An attached file of a film. Raises as `Extracts.make` does."""
        arguments = attachment_argv(INPUT_PATH, attachment.index)
        name = f"attachment {attachment.index}"
        return await self._from_film(file, name, arguments, MAX_ATTACHMENT, _no_check, client)

    async def _as_webvtt(self, source: SubtitleSource, client: str) -> bytes:
        return await self._converted(source, client, partial(to_webvtt, codec=codec_of(source.stream)))

    async def _as_it_is(self, source: SubtitleSource, client: str) -> bytes:
        return await self._converted(source, client, to_utf8)

    async def _converted(self, source: SubtitleSource, client: str, convert: Callable[..., T]) -> T:
        """The text, converted in a thread: a stranger can have written the file."""
        data = await self._bytes(source, client)
        with await self._turns.ask(client):
            return await self._opener.threads.run(
                partial(convert, data, charset=self._charset, language=source.stream.language)
            )

    async def _bytes(self, source: SubtitleSource, client: str) -> bytes:
        if source.sidecar is None:
            return await self._stream(source, form_of(source.stream) or "ass", client)
        with await self._opener.open(source.sidecar) as opened:
            return await self._opener.threads_for(source.sidecar).run(_read, opened.fd, source.sidecar.version)

    async def _stream(self, source: SubtitleSource, form: str, client: str) -> bytes:
        arguments = subtitle_argv(INPUT_PATH, source.media, source.stream, form)
        limit, check = (MAX_TEXT, _check_text) if source.stream.text else (MAX_IMAGES, _no_check)
        return await self._from_film(source.file, f"subtitles {source.stream.index}", arguments, limit, check, client)

    async def _from_film(
        self,
        file: MediaFile,
        name: str,
        arguments: Sequence[str],
        max_bytes: int,
        check: Callable[[bytes, str], None],
        client: str,
    ) -> bytes:
        kept = self._extracts.kept(file, name)
        if kept is not None:
            return kept
        with await self._films.ask(client):
            try:
                return await self._extracts.make(
                    file, name, arguments, max_bytes, deadline=DEADLINE, check=check, client=client
                )
            except TranscodeFailed as problem:
                if _COMPRESSED in problem.stderr_tail:
                    raise _compressed() from problem
                raise


def codec_of(stream: SubtitleStream) -> str:
    """The codec of the text that is taken out of a film, or of a file beside it."""
    return {"srt": "subrip", "vtt": "webvtt"}.get(form_of(stream) or "", "ass")


def _read(fd: int, version: Version, limit: int = MAX_TEXT) -> bytes:
    """All of an open file of subtitles. Raises `Unavailable` if it is being written, or was since it was found."""
    blocks: list[bytes] = []
    size = 0
    while size <= limit and (block := os.pread(fd, 1 << 20, size)):
        blocks.append(block)
        size += len(block)
    # After that, so that what is kept under the key of a version is of this version.
    if Version.of(os.fstat(fd)) != version or size != version.size:
        raise Unavailable("The subtitle file was changed while it was read; try again.", 1)
    return b"".join(blocks)


def _no_check(data: bytes, stderr: str) -> None:
    """What is not text is whole if ffmpeg has succeeded."""


def has_control(text: bytes) -> bool:
    """Whether there are control characters, which no text has."""
    return _CONTROL.search(text) is not None


def _check_text(data: bytes, stderr: str) -> None:
    """Raise `NotMedia` if text could not be decompressed, although ffmpeg has succeeded."""
    if _COMPRESSED in stderr and has_control(data):
        raise _compressed()


def _compressed() -> NotMedia:
    return NotMedia("This part of the file is compressed in a way that this ffmpeg cannot read.")
