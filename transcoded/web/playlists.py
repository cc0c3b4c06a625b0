"""Playlists and manifests: written in a thread, kept, and sent with back-pressure.

* A text is written without the query of the request, so one text serves all requests, whatever their signatures. The query is
  filled in block by block while the text is sent.
* All requests that come while a text is written wait for the same one. One text is written at a time: Python would not write
  two faster, and the reactor must not wait for many threads.
* A client that does not read costs one block, not a text.
"""

from collections.abc import Callable, Hashable

import attrs
from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore
from twisted.internet.interfaces import IConsumer, IPushProducer
from twisted.python.failure import Failure
from twisted.web.server import Request
from zope.interface import implementer

from transcoded.plan.cmaf.uris import Fillings, fill, filled_length
from transcoded.plan.lru import ENTRY, LRU
from transcoded.run.files.threads import Threads
from transcoded.run.reactor import IReactor, OneShot

KEPT = 32 << 20
"""Bytes of texts. The largest possible one has about 10 million; that of a usual film has 50,000."""

BLOCK = 16 * 1024
"""Bytes of a text that are filled in and sent at a time."""


class Playlists:
    """Keeps at most `kept` bytes of texts."""

    def __init__(self, reactor: IReactor, threads: Threads, kept: int = KEPT) -> None:
        self._reactor = reactor
        self._threads = threads
        self._texts: LRU[Hashable, bytes] = LRU(kept, lambda text: ENTRY + len(text))
        self._writing: dict[Hashable, OneShot[bytes]] = {}
        self._turn = DeferredSemaphore(1)

    async def text(self, key: Hashable, write: Callable[[], str]) -> bytes:
        """The text with this key: what `write` returns, encoded, if it is not known. Raises as `Threads.run` does."""
        known = self._texts.get(key)
        if known is not None:
            return known
        writing = self._writing.get(key)
        if writing is None:
            writing = self._writing[key] = OneShot[bytes](self._reactor)
            writing.follow(Deferred.fromCoroutine(self._write(write)).addBoth(self._written, key))
        return await writing.wait()

    async def _write(self, write: Callable[[], str]) -> bytes:
        await self._turn.acquire()
        try:
            return await self._threads.run(lambda: write().encode("utf-8"))
        finally:
            self._turn.release()

    def _written(self, result: bytes | Failure, key: Hashable) -> bytes | Failure:
        del self._writing[key]
        if not isinstance(result, Failure):
            self._texts.put(key, result)
        return result


async def send_text(request: Request, text: bytes, fillings: Fillings, content_type: str) -> bytes | None:
    """Answer with a text, its marks replaced. Returns what a handler of a route returns."""
    request.setHeader("Content-Type", content_type)
    request.setHeader("Cache-Control", "private, no-cache")
    request.setHeader("Content-Length", str(filled_length(text, fillings)))
    if request.method == b"HEAD":
        return b""
    await _Body(text, fillings).send_to(request)
    return None


@implementer(IPushProducer)
@attrs.define(eq=False)
class _Body:
    """Sends a text block by block, as the consumer takes it."""

    _text: bytes
    _fillings: Fillings
    _offset: int = 0
    _consumer: IConsumer | None = None
    _paused: bool = False
    _done: "Deferred[None]" = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._done = Deferred(lambda _: self._finish(Failure(CancelledError())))

    def send_to(self, consumer: IConsumer) -> "Deferred[None]":
        """Start. Fires when all was written to the consumer. Cancelling stops it."""
        self._consumer = consumer
        consumer.registerProducer(self, True)
        self.resumeProducing()
        return self._done

    def pauseProducing(self) -> None:
        """Called by the consumer when it is full."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Called by the consumer when it has room again."""
        self._paused = False
        while self._consumer is not None and not self._paused:
            block = self._text[self._offset : self._offset + BLOCK]
            if not block:
                self._consumer.unregisterProducer()
                self._finish(None)
                return
            self._offset += len(block)
            self._consumer.write(fill(block, self._fillings))

    def stopProducing(self) -> None:
        """Called when the consumer is gone. The caller of `send_to` then cancels its Deferred."""
        self._paused = True

    def _finish(self, result: Failure | None) -> None:
        self._consumer = None
        self._done.callback(result)
