"""The daemon: the service, its ports, and the order in which both start and stop."""

from collections.abc import Sequence

from twisted.application.service import IService, MultiService
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.internet.task import deferLater
from twisted.internet.tcp import Connection
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from transcoded.config import Settings, SettingsError
from transcoded.process_setup import freeze_garbage, refuse, stop_reactor, take_signals, use_monotonic_clock
from transcoded.run.reactor import IReactor
from transcoded.service import Transcoded
from transcoded.web.app import QuietSite

FLUSH_TIMEOUT = 5.0
"""Seconds that a stop gives to what is still to be sent."""

_log = Logger()


def new_daemon(reactor: IReactor, settings: Settings) -> "Daemon":
    """The whole daemon; ends the program with one line and a status if the settings cannot work."""
    use_monotonic_clock(reactor)
    try:
        endpoints = [_endpoint(reactor, description) for description in settings.listen]
        return Daemon(reactor, Transcoded(reactor, settings), endpoints)
    except SettingsError as error:
        refuse(error)


@implementer(IService)
class Daemon(MultiService):
    """The service and its ports. Its stop has an order: no new streams, all transcoders reaped, then the ports."""

    def __init__(self, reactor: IReactor, transcoded: Transcoded, endpoints: Sequence[IStreamServerEndpoint]) -> None:
        super().__init__()
        self._reactor = reactor
        self._transcoded = transcoded
        self._endpoints = endpoints
        self._ports: list[IListeningPort] = []
        self._site = QuietSite(transcoded.resource())
        transcoded.setServiceParent(self)
        transcoded.when_drained(lambda: stop_reactor(reactor))

    def startService(self) -> None:
        """Start, listen, and say so."""
        super().startService()
        take_signals(self._reactor, self._transcoded.drain)
        for description, endpoint in zip(self._transcoded.settings.listen, self._endpoints, strict=True):
            failures: list[Failure] = []
            endpoint.listen(self._site).addCallbacks(self._ports.append, failures.append)
            # Endpoints that listen on this machine answer at once.
            if failures:
                refuse(_cannot_listen(failures[0], description))
        for port in self._ports:
            _log.info("listening on {address}", address=_as_url(port.getHost()))
        self._transcoded.listening([port.getHost() for port in self._ports])
        freeze_garbage(self._reactor)

    def stopService(self) -> "Deferred[None]":
        """Stop in order; fires when nothing is left."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await super().stopService()
        for port in self._ports:
            await maybeDeferred(port.stopListening)
        await self._flush()

    async def _flush(self) -> None:
        """Let what was written reach the kernel: the end of a body that was whole must not be lost with the reactor."""
        until = self._reactor.seconds() + FLUSH_TIMEOUT
        while self._reactor.seconds() < until and any(
            isinstance(writer, Connection) for writer in self._reactor.getWriters()
        ):
            await deferLater(self._reactor, 0.01)


def _endpoint(reactor: IReactor, description: str) -> IStreamServerEndpoint:
    try:
        endpoint: IStreamServerEndpoint = serverFromString(reactor, description)
    except Exception as error:  # noqa: BLE001 - each kind of endpoint raises what it likes for a bad description
        raise SettingsError("listen", f"{description!r} is no Twisted endpoint: {error}") from None
    return endpoint


def _cannot_listen(failure: Failure, description: str) -> SettingsError:
    """Why an endpoint failed: a daemon that does not listen is of no use."""
    why = failure.value.socketError if isinstance(failure.value, CannotListenError) else failure.value
    return SettingsError("listen", f"{description}: {why}")


def _as_url(address: object) -> str:
    """An address as somebody would use it."""
    host, port = getattr(address, "host", None), getattr(address, "port", None)
    if host is None:
        return str(getattr(address, "name", address))
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
