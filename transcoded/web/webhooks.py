"""Webhooks: starts and ends of streams, posted to the URLs in the settings.

The body is JSON, `{"event": …, "data": …}`. With a secret, `X-Transcoded-Timestamp` is the time of the attempt in seconds since
the epoch, and `X-Transcoded-Signature: sha256=…` the HMAC-SHA256 of this text, a full stop and the body. If a receiver does
not answer with a status below 300, the event is sent again after 1, 2, 4, 8 and 16 seconds, and then dropped with a line in
the log. Redirects are not followed. Each URL has its own queue of at most `MAX_WAITING` events and
`MAX_WAITING_BYTES`; a full queue drops the oldest.
"""

import hmac
from collections.abc import Callable, Mapping, Sequence

import msgspec
from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.protocol import Protocol
from twisted.logger import Logger
from twisted.web.client import Agent

from transcoded.plan.endings import Ending
from transcoded.plan.latest import Latest
from transcoded.run.reactor import IReactor
from transcoded.run.streams.stream import Stream
from transcoded.run.streams.stream_info import StreamInfo
from transcoded.web.bounded_client import BoundedEndpoints

MAX_WAITING = 1000
MAX_WAITING_BYTES = 4 << 20

PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds before each further attempt."""

TIMEOUT = 10.0
"""Seconds for one attempt."""


class Webhooks:
    """An observer of the streams that posts their starts and ends to `urls`."""

    def __init__(self, reactor: IReactor, urls: Sequence[str], secret: str | None, now: Callable[[], float]) -> None:
        """Without a secret they are not signed. `now` returns seconds since the epoch."""
        self._hooks = [_Hook(reactor, url, _Signer(secret, now)) for url in urls]

    def stream_started(self, stream: Stream) -> None:
        """Post `stream-started`."""
        self._post("stream-started", stream.info())

    def stream_opened(self, stream: Stream) -> None:
        """Post nothing."""

    def stream_ended(self, ending: Ending) -> None:
        """Post `stream-ended`."""
        self._post("stream-ended", ending)

    def when_idle(self) -> "Deferred[None]":
        """Fires when every event so far was delivered or dropped."""
        return gatherResults([hook.when_idle() for hook in self._hooks]).addCallback(lambda _: None)

    def stop(self) -> None:
        """Drop all events, and cancel what is being sent."""
        for hook in self._hooks:
            hook.stop()

    def _post(self, event: str, data: StreamInfo | Ending) -> None:
        body = msgspec.json.encode({"event": event, "data": data})
        for hook in self._hooks:
            hook.post(body)


class _Signer:
    """Signs bodies."""

    def __init__(self, secret: str | None, now: Callable[[], float]) -> None:
        self._secret = secret
        self._now = now

    def headers(self, body: bytes) -> Mapping[str | bytes, str | bytes]:
        """The headers of an attempt that is made now."""
        if self._secret is None:
            return {}
        timestamp = str(int(self._now()))
        signature = hmac.digest(self._secret.encode(), b"%b.%b" % (timestamp.encode("ascii"), body), "sha256").hex()
        return {"X-Transcoded-Timestamp": timestamp, "X-Transcoded-Signature": f"sha256={signature}"}


class _Hook:
    """One URL. Its events are sent one after the other, in order."""

    _log = Logger()

    def __init__(self, reactor: IReactor, url: str, signer: _Signer) -> None:
        self._reactor = reactor
        self._url = url
        self._signer = signer
        self._waiting: Latest[bytes] = Latest(MAX_WAITING, MAX_WAITING_BYTES, len)
        self._busy: Deferred[None] | None = None
        self._awaited: list[Deferred[None]] = []
        self._stopped = False

    def post(self, body: bytes) -> None:
        """Queue one event."""
        self._waiting.append(body)
        if self._busy is None:
            busy = self._busy = Deferred.fromCoroutine(self._send_all())
            busy.addErrback(lambda failure: failure.trap(CancelledError)).addBoth(self._idle)

    def when_idle(self) -> "Deferred[None]":
        """Fires when the queue is empty."""
        idle: Deferred[None] = Deferred()
        self._awaited.append(idle)
        if self._busy is None:
            self._idle(None)
        return idle

    def stop(self) -> None:
        """Drop the queue and cancel the attempt in progress."""
        self._stopped = True
        self._waiting.clear()
        if self._busy is not None:
            self._busy.cancel()

    def _idle(self, _: object) -> None:
        self._busy = None
        awaited, self._awaited = self._awaited, []
        for idle in awaited:
            idle.callback(None)

    async def _send_all(self) -> None:
        while self._waiting:
            body = self._waiting.popleft()
            for pause in (*PAUSES, None):
                problem = await self._try(body)
                if problem is None:
                    break
                if pause is None:
                    # Without the URL, which can contain a secret.
                    self._log.warn("a webhook event was dropped after all attempts: {problem}", problem=problem)
                else:
                    await self._sleep(pause)

    async def _try(self, body: bytes) -> str | None:
        """Send once. Returns what went wrong, or None."""
        headers: dict[str | bytes, str | bytes] = {"Content-Type": "application/json", **self._signer.headers(body)}
        try:
            # A client keeps cookies. A new one for each attempt has none.
            client = HTTPClient(Agent.usingEndpointFactory(self._reactor, BoundedEndpoints(self._reactor)))
            response = await client.post(
                self._url,
                data=body,
                headers=headers,
                timeout=TIMEOUT,
                allow_redirects=False,
                unbuffered=True,
                reactor=self._reactor,  # type: ignore[arg-type]  # the reactor has connectTCP, too, which treq needs
            )
            response.deliverBody(_DiscardBody())
        except CancelledError:
            if self._stopped:
                raise
            return "no answer in time"
        except Exception as error:  # noqa: BLE001 - after any error of the network the event is sent again
            return type(error).__name__
        return None if response.code < 300 else f"status {response.code}"

    async def _sleep(self, seconds: float) -> None:
        slept: Deferred[None] = Deferred(lambda _: call.cancel())
        call = self._reactor.callLater(seconds, slept.callback, None)
        await slept


class _DiscardBody(Protocol):
    """Closes the connection instead of reading the body, which can be endless and is not needed."""

    def connectionMade(self) -> None:
        """Close the connection."""
        if self.transport is not None:
            self.transport.loseConnection()
