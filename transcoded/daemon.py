"""The daemon: the service and its ports, and the order in which they start and stop."""

import os
from collections.abc import Sequence
from socket import socket

from twisted.application.service import IService, MultiService
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.internet.task import deferLater
from twisted.internet.tcp import Connection, Port
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from transcoded.config import Settings, SettingsError
from transcoded.plan.http.forwarded import parse_trusted
from transcoded.process_setup import (
    freeze_garbage,
    raise_descriptor_limit,
    refuse,
    signals_during_start,
    stop_reactor,
    take_signals,
    use_monotonic_clock,
)
from transcoded.run.reactor import IReactor
from transcoded.service import Transcoded
from transcoded.web.connections import Connections
from transcoded.web.protocol import QuietSite

FLUSH_TIMEOUT = 5.0
"""Seconds in which a stop lets connections send what is in their buffers."""

BACKLOG = 4096
"""Connections that may wait to be accepted; the kernel has a limit of its own. Twisted's 50 are full after a page of thumbnails, and
then the kernel lets everybody wait for a second or longer, health checks too. An endpoint can have another `backlog`."""

ACCEPTS_PER_TURN = 32
"""Connections that are accepted in one turn of the reactor. Each takes a fraction of a millisecond, and the others are served in between."""

_log = Logger()


def new_daemon(reactor: IReactor, settings: Settings) -> "Daemon":
    """Build the daemon. If the settings do not work, end the program with one line on stderr and exit status 64."""
    use_monotonic_clock(reactor)
    raise_descriptor_limit()
    try:
        endpoints = [_endpoint(reactor, description) for description in settings.listen]
        with signals_during_start():
            transcoded = Transcoded(reactor, settings)
        return Daemon(reactor, transcoded, endpoints)
    except SettingsError as error:
        refuse(error)


@implementer(IService)
class Daemon(MultiService):
    """The service and its ports. It stops in this order: no new streams, all child processes reaped, then the ports."""

    def __init__(self, reactor: IReactor, transcoded: Transcoded, endpoints: Sequence[IStreamServerEndpoint]) -> None:
        super().__init__()
        self._reactor = reactor
        self._transcoded = transcoded
        self._endpoints = endpoints
        self._ports: list[IListeningPort] = []
        self._site = QuietSite(transcoded.resource(), reactor, _connections(reactor, transcoded.settings))
        transcoded.setServiceParent(self)
        transcoded.when_drained(lambda: stop_reactor(reactor))

    def startService(self) -> None:
        """Start the service, and listen. If an endpoint fails, end the program as `new_daemon` does."""
        super().startService()
        take_signals(self._reactor, self._transcoded.drain)
        for description, endpoint in zip(self._transcoded.settings.listen, self._endpoints, strict=True):
            failures: list[Failure] = []
            endpoint.listen(self._site).addCallbacks(self._ports.append, failures.append)
            # The Deferred of an endpoint that listens on this machine has fired already.
            if failures:
                refuse(_cannot_listen(failures[0], description))
            _accept_steadily(self._ports[-1], description)
        for port, description in zip(self._ports, self._transcoded.settings.listen, strict=True):
            _log.info("listening on {address}", address=_as_url(port, description))
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
        """Wait until all written data is sent to the kernel: the end of a complete body must not be lost when the reactor stops."""
        until = self._reactor.seconds() + FLUSH_TIMEOUT
        while self._reactor.seconds() < until and any(
            isinstance(writer, Connection) for writer in self._reactor.getWriters()
        ):
            await deferLater(self._reactor, 0.01)


def _connections(reactor: IReactor, settings: Settings) -> Connections:
    proxies = tuple(parse_trusted(text) for text in settings.trusted_proxy)
    return Connections(reactor, settings.max_connections, settings.max_connections_per_client, proxies)


def _endpoint(reactor: IReactor, description: str) -> IStreamServerEndpoint:
    try:
        endpoint: IStreamServerEndpoint = serverFromString(reactor, description)
    except Exception as error:  # noqa: BLE001 - each kind of endpoint raises different exceptions for a bad description
        raise SettingsError("listen", f"{description!r} is no Twisted endpoint: {error}") from None
    return endpoint


def _cannot_listen(failure: Failure, description: str) -> SettingsError:
    """The error for an endpoint that failed to listen."""
    why = failure.value.socketError if isinstance(failure.value, CannotListenError) else failure.value
    return SettingsError("listen", f"{description}: {why}")


class _SteadyPort(Port):
    """A port that accepts few connections in a turn. Twisted's accepts more in each turn as long as more come."""

    @property
    def numberAccepts(self) -> int:
        """How many are accepted in one turn."""
        return ACCEPTS_PER_TURN

    @numberAccepts.setter
    def numberAccepts(self, _: int) -> None:
        """Twisted adapts it to what has come."""


def _accept_steadily(port: IListeningPort, description: str) -> None:
    """Let `BACKLOG` connections wait, unless the endpoint says how many, and accept them a few at a time."""
    if type(port) is Port:
        # Endpoints make their ports themselves, so it is changed afterwards. The class has no state of its own.
        port.__class__ = _SteadyPort
    listening = getattr(port, "socket", None)
    if isinstance(listening, socket) and "backlog=" not in description:
        listening.listen(BACKLOG)


def _as_url(port: IListeningPort, description: str) -> str:
    """An address in the form in which a user needs it: a URL, or the path of a UNIX socket. `description` is that of the endpoint."""
    address = port.getHost()
    host, number = getattr(address, "host", None), getattr(address, "port", None)
    if host is None:
        name = getattr(address, "name", address)
        return os.fsdecode(name) if isinstance(name, bytes) else str(name)
    place = f"[{host}]:{number}" if ":" in host else f"{host}:{number}"
    if description.startswith("haproxy:"):
        return f"{place} (PROXY protocol)"
    return f"https://{place}/" if _speaks_tls(port) else f"http://{place}/"


def _speaks_tls(port: IListeningPort) -> bool:
    """Whether TLS ends in this port. There are more endpoints that do it than `ssl:`; each wraps the factory of the protocol."""
    factory = getattr(port, "factory", None)
    while factory is not None and not isinstance(factory, TLSMemoryBIOFactory):
        factory = getattr(factory, "wrappedFactory", None)
    return factory is not None
