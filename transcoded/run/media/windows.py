"""The subtitles of a film in windows: a few minutes of all its text are taken out of the film in one pass, and each window is converted in a thread.

What cannot be had so is cut from the whole text (`Subtitles`): files beside the film, films of other kinds than `pass_of` knows, and text that is not
UTF-8. A charset is guessed from all of it, so that every window has the same. If that takes too long, each window is guessed by itself.
"""

from collections.abc import Sequence
from functools import partial

from transcoded.plan.errors import TimedOut
from transcoded.plan.lru import ENTRY, LRU
from transcoded.plan.media.argv import INPUT_PATH
from transcoded.plan.media.window_argv import Pass, enough, pass_of, window_argv
from transcoded.plan.subtitles.convert import to_webvtt
from transcoded.plan.subtitles.packets import TextReader, as_file
from transcoded.plan.subtitles.windows import cut
from transcoded.run.files.library import Version
from transcoded.run.files.threads import Threads
from transcoded.run.media.extracts import Extracts
from transcoded.run.media.subtitles import (
    DEADLINE,
    KEPT,
    TEXTS_AT_ONCE,
    Subtitles,
    SubtitleSource,
    codec_of,
    has_control,
)
from transcoded.run.places import FairPlaces
from transcoded.run.reactor import IReactor
from transcoded.run.shared_results import SharedResults

PASSES_AT_ONCE = 4
PASSES_PER_CLIENT = 2
"""Films of which windows are read at the same time."""

REMEMBERED_SLOW = 1000
"""Texts whose film takes too long to read."""


class SubtitleWindows:
    """Makes them. `charset` is that of texts that are not UTF-8; None: it is guessed."""

    def __init__(
        self, reactor: IReactor, extracts: Extracts, subtitles: Subtitles, threads: Threads, charset: str | None
    ) -> None:
        self._extracts = extracts
        self._subtitles = subtitles
        self._threads = threads
        self._charset = charset
        self._windows: SharedResults[tuple[str, int], bytes] = SharedResults(
            reactor, KEPT, lambda text: ENTRY + len(text), cancel_abandoned=True
        )
        self._passes: SharedResults[tuple[str, Version, Pass], Sequence[bytes]] = SharedResults(
            reactor, KEPT, lambda texts: ENTRY + sum(ENTRY + len(text) for text in texts), cancel_abandoned=True
        )
        self._slow: LRU[str, bool] = LRU(REMEMBERED_SLOW)
        self._films = FairPlaces(reactor, PASSES_AT_ONCE, PASSES_PER_CLIENT)
        self._turns = FairPlaces(reactor, TEXTS_AT_ONCE, 1)

    async def window(self, source: SubtitleSource, number: int, client: str) -> bytes:
        """Window `number` as WebVTT, for a client (a unit of fairness). Raises as `Subtitles.webvtt` does."""
        return await self._windows.get((source.key, number), lambda: self._window(source, number, client))

    async def _window(self, source: SubtitleSource, number: int, client: str) -> bytes:
        wanted = None if source.sidecar is not None else pass_of(source.media, source.stream, number)
        if wanted is None:
            return await self._of_whole(source, number, client)
        key = source.file.real_path, source.file.version, wanted
        texts = await self._passes.get(key, lambda: self._take(source, wanted, client))
        text = texts[wanted.streams.index(source.stream)]
        if not _is_plain(text) and source.key not in self._slow:
            try:
                return await self._of_whole(source, number, client)
            except TimedOut:
                self._slow.put(source.key, True)
        convert = partial(
            to_webvtt,
            text,
            codec=codec_of(source.stream),
            charset=self._charset,
            language=source.stream.language,
        )
        with await self._turns.ask(client):
            return await self._threads.run(lambda: _cut(convert(), number))

    async def _of_whole(self, source: SubtitleSource, number: int, client: str) -> bytes:
        whole = await self._subtitles.webvtt(source, client)
        with await self._turns.ask(client):
            return await self._threads.run(lambda: _cut(whole, number))

    async def _take(self, source: SubtitleSource, wanted: Pass, client: str) -> Sequence[bytes]:
        """The text of each stream, as a file."""
        reader = TextReader(len(wanted.streams), enough(source.media, wanted))
        arguments = window_argv(INPUT_PATH, source.media, wanted)
        with await self._films.ask(client):
            await self._extracts.read(source.file, arguments, reader, deadline=DEADLINE, client=client)
        return [as_file(track) for track in reader.tracks]


def _is_plain(text: bytes) -> bool:
    """Whether a text is UTF-8, and no bytes that ffmpeg could not decompress."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return not has_control(text)


def _cut(webvtt: bytes, number: int) -> bytes:
    return cut(webvtt.decode(), number).encode()
