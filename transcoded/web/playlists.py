"""Playlists and manifests: written in a thread, kept, and sent with back-pressure.

* A text is written without the query of the request, so one text serves all requests, whatever their signatures. The query is
  filled in block by block while the text is sent.
* All requests that come while a text is written wait for the same one. One text is written at a time: Python would not write
  two faster, and the reactor must not wait for many threads.
* A client that does not read costs one block, not a text.
"""

from collections.abc import Callable, Hashable

from twisted.web.server import Request

from transcoded.plan.cmaf.uris import Fillings, fill, filled_length
from transcoded.plan.lru import ENTRY
from transcoded.run.files.threads import Threads
from transcoded.run.places import FairPlaces
from transcoded.run.reactor import IReactor
from transcoded.run.shared_results import SharedResults
from transcoded.web.answers import Body
from transcoded.web.blocks import send_blocks

KEPT = 32 << 20
"""Bytes of texts. The largest possible one has about 10 million; that of a usual film has 50,000."""

MAX_WAITING = 512
"""Texts that wait to be written, one after the other."""

BLOCK = 16 * 1024
"""Bytes of a text that are filled in and sent at a time."""


class Playlists:
    """Keeps at most `kept` bytes of texts."""

    def __init__(self, reactor: IReactor, threads: Threads, kept: int = KEPT) -> None:
        self._threads = threads
        self._texts: SharedResults[Hashable, bytes] = SharedResults(reactor, kept, lambda text: ENTRY + len(text))
        self._turn = FairPlaces(reactor, 1, 1, MAX_WAITING, MAX_WAITING)

    async def text(self, key: Hashable, write: Callable[[], str]) -> bytes:
        """The text with this key: what `write` returns, encoded, if it is not known. Raises as `Threads.run` does."""
        return await self._texts.get(key, lambda: self._write(write))

    async def _write(self, write: Callable[[], str]) -> bytes:
        with await self._turn.ask(""):
            return await self._threads.run(lambda: write().encode("utf-8"))


def filled_text(request: Request, text: bytes, fillings: Fillings, content_type: str) -> Body:
    """The answer with a text, its marks replaced."""
    request.setHeader("Content-Type", content_type)
    request.setHeader("Cache-Control", "private, no-cache")

    async def send() -> None:
        await send_blocks(request, text, BLOCK, lambda block: fill(block, fillings))

    return Body(filled_length(text, fillings), send)
