"""Webhooks: starts and ends of streams, posted to URLs of the operator's, signed, retried, and bounded.

The body is JSON, `{"event": …, "data": …}`; `X-Transcoded-Signature: sha256=…` is the HMAC-SHA256 of it under the signing
key. What is not taken with a status below 300 is tried again after 1, 2, 4, 8 and 16 seconds, and then dropped with a line in
the log. Each URL has a queue of its own, of at most `MAX_WAITING` events; a full one drops the oldest.
"""

import hmac
from collections import deque
from collections.abc import Sequence

import msgspec
import treq
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.protocol import Protocol
from twisted.logger import Logger

from transcoded.plan.endings import Ending
from transcoded.run.reactor import IReactor
from transcoded.run.streams.stream import Stream
from transcoded.run.streams.stream_info import StreamInfo

MAX_WAITING = 1000
PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0)
TIMEOUT = 10.0


class Webhooks:
    """An observer of the streams that tells it all to some URLs."""

    def __init__(self, reactor: IReactor, urls: Sequence[str], signing_key: bytes) -> None:
        self._hooks = [_Hook(reactor, url, signing_key) for url in urls]

    def stream_started(self, stream: Stream) -> None:
        """As an observer."""
        self._post("stream-started", stream.info())

    def stream_opened(self, stream: Stream) -> None:
        """As an observer: not told."""

    def stream_ended(self, ending: Ending) -> None:
        """As an observer."""
        self._post("stream-ended", ending)

    def when_told(self) -> "Deferred[None]":
        """Fires when every event so far was taken or given up."""
        return gatherResults([hook.when_told() for hook in self._hooks]).addCallback(lambda _: None)

    def stop(self) -> None:
        """Give up what is under way."""
        for hook in self._hooks:
            hook.stop()

    def _post(self, event: str, data: StreamInfo | Ending) -> None:
        body = msgspec.json.encode({"event": event, "data": data})
        for hook in self._hooks:
            hook.post(body)


class _Hook:
    """One URL: events one after the other, in order."""

    _log = Logger()

    def __init__(self, reactor: IReactor, url: str, signing_key: bytes) -> None:
        self._reactor = reactor
        self._url = url
        self._signing_key = signing_key
        self._waiting: deque[bytes] = deque(maxlen=MAX_WAITING)
        self._busy: Deferred[None] | None = None
        self._awaited: list[Deferred[None]] = []
        self._stopped = False

    def post(self, body: bytes) -> None:
        """One more."""
        self._waiting.append(body)
        if self._busy is None:
            busy = self._busy = Deferred.fromCoroutine(self._work())
            busy.addErrback(lambda failure: failure.trap(CancelledError)).addBoth(self._rest)

    def when_told(self) -> "Deferred[None]":
        """Fires when nothing is left to tell."""
        told: Deferred[None] = Deferred()
        self._awaited.append(told)
        if self._busy is None:
            self._rest(None)
        return told

    def stop(self) -> None:
        """No more."""
        self._stopped = True
        self._waiting.clear()
        if self._busy is not None:
            self._busy.cancel()

    def _rest(self, _: object) -> None:
        self._busy = None
        awaited, self._awaited = self._awaited, []
        for told in awaited:
            told.callback(None)

    async def _work(self) -> None:
        while self._waiting:
            body = self._waiting.popleft()
            for pause in (*PAUSES, None):
                problem = await self._try(body)
                if problem is None:
                    break
                if pause is None:
                    # The host alone: the URL may hold a secret.
                    self._log.warn("a webhook was given up: {problem}", problem=problem)
                else:
                    await self._sleep(pause)

    async def _try(self, body: bytes) -> str | None:
        """One attempt; what went wrong."""
        headers: dict[bytes | str, bytes | str] = {
            "Content-Type": "application/json",
            "X-Transcoded-Signature": f"sha256={hmac.digest(self._signing_key, body, 'sha256').hex()}",
        }
        try:
            response = await treq.post(
                self._url,
                data=body,
                headers=headers,
                timeout=TIMEOUT,
                persistent=False,
                unbuffered=True,
                reactor=self._reactor,  # type: ignore[arg-type]  # it connects too
            )
            response.deliverBody(_Enough())
        except CancelledError:
            if self._stopped:
                raise
            return "no answer in time"
        except Exception as error:  # noqa: BLE001 - whatever a network can do, it is tried again
            return type(error).__name__
        return None if response.code < 300 else f"status {response.code}"

    async def _sleep(self, seconds: float) -> None:
        slept: Deferred[None] = Deferred(lambda _: call.cancel())
        call = self._reactor.callLater(seconds, slept.callback, None)
        await slept


class _Enough(Protocol):
    """What a receiver says beside its status is of no interest, and may be endless."""

    def connectionMade(self) -> None:
        """Hang up."""
        if self.transport is not None:
            self.transport.loseConnection()
