"""The faces of the daemon: `twist transcoded …` and `twistd -y transcoded.tac`. The only place that knows the global reactor."""

import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, NoReturn, cast

from twisted.application.service import Application, IService, MultiService
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError, ReactorNotRunning
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.internet.task import deferLater
from twisted.internet.tcp import Connection
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.usage import Options as UsageOptions
from zope.interface import implementer

from transcoded.config import Settings, SettingsError, about, load, names
from transcoded.service import Transcoded
from transcoded.web.app import QuietSite

_log = Logger()

EX_USAGE = 64

FLUSH = 5.0
"""Seconds that a stop gives to what is still to be sent."""

_REPEATED = tuple(name for name in names() if about(name).split is not None)


class Options(UsageOptions):
    """The command line: a flag for each setting, and `--config`."""

    synopsis = "[options]"
    longdesc = "The live transcoding daemon that never leaks a transcoder."
    optParameters: ClassVar = [
        ["config", None, None, "TOML file with settings"],
        *([n.replace("_", "-"), None, None, about(n).help] for n in names() if n not in _REPEATED and n != "demo"),
    ]
    optFlags: ClassVar = [["demo", None, about("demo").help]]

    def __init__(self) -> None:
        super().__init__()
        self.lists: dict[str, list[str]] = {}
        self.settings = Settings()

    def opt_version(self) -> NoReturn:
        """Print the version and end."""
        from importlib.metadata import version

        print(f"transcoded {version('transcoded')}")  # noqa: T201 - that is what was asked for
        raise SystemExit(0)

    def postOptions(self) -> None:
        """Put the settings together."""
        arguments: dict[str, str | Sequence[str]] = dict(self.lists)
        for name in names():
            given = self.get(name.replace("_", "-"))
            if given not in {None, 0}:
                arguments[name] = str(given)
        try:
            self.settings = load(arguments, os.environ, self["config"])
        except SettingsError as error:
            _refuse(error)


def _repeated(name: str) -> Callable[[Options, str], None]:
    def take(self: Options, value: str) -> None:
        self.lists.setdefault(name, []).append(value)

    take.__doc__ = about(name).help
    return take


# Twisted finds an option that may be repeated by a method of its name.
for _name in _REPEATED:
    setattr(Options, f"opt_{_name}", _repeated(_name))


def make_service(options: Mapping[str, object]) -> IService:
    """What `twist` and `twistd` run."""
    assert isinstance(options, Options)  # noqa: S101 - made by the plugin from this module's own class
    return daemon(options.settings)


def application() -> object:
    """What `transcoded.tac` is: an application configured by the environment, and by the file that TRANSCODED_CONFIG names."""
    try:
        settings = load({}, os.environ)
    except SettingsError as error:
        _refuse(error)
    made = Application("transcoded")
    daemon(settings).setServiceParent(made)
    return made


def daemon(settings: Settings) -> "Daemon":
    """The whole daemon, listening; ends the program with one line and a status if the settings cannot work."""
    from twisted.internet import reactor

    # Twisted's clock is the wall's, and that one jumps. Every timer of this process goes by the one that does not.
    reactor.seconds = time.monotonic  # type: ignore[method-assign]
    try:
        endpoints = [_endpoint(reactor, description) for description in settings.listen]
        return Daemon(reactor, Transcoded(reactor, settings), endpoints)
    except SettingsError as error:
        _refuse(error)


@implementer(IService)
class Daemon(MultiService):
    """The service and its ports. Its stop has an order: no new streams, all transcoders reaped, then the ports."""

    def __init__(self, reactor: object, core: Transcoded, endpoints: Sequence[IStreamServerEndpoint]) -> None:
        super().__init__()
        self._reactor = reactor
        self._core = core
        self._endpoints = endpoints
        self._ports: list[IListeningPort] = []
        self._site = QuietSite(core.resource())
        core.setServiceParent(self)
        core.when_drained(lambda: _stop_reactor(self._reactor))

    def startService(self) -> None:
        """Start, listen, and take over the signals as soon as the reactor has installed its own."""
        super().startService()

        def drain(number: int, frame: object) -> None:
            self._reactor.callFromThread(self._core.drain)  # type: ignore[attr-defined]

        # From the first moment: nobody else handles it, and by default it would kill.
        signal.signal(signal.SIGUSR1, drain)
        for description, endpoint in zip(self._core.settings.listen, self._endpoints, strict=True):
            failures: list[Failure] = []
            endpoint.listen(self._site).addCallbacks(self._ports.append, failures.append)
            # Endpoints that listen on this machine answer at once.
            if failures:
                _refuse(_cannot_listen(failures[0], description))
        for port in self._ports:
            _log.info("listening on {address}", address=_shown(port.getHost()))
        self._core.listening([port.getHost() for port in self._ports])
        self._reactor.callWhenRunning(self._take_signals)  # type: ignore[attr-defined]
        # What is there by now stays: looking through it again and again would hold all streams up for 70 ms each time.
        self._reactor.callWhenRunning(gc.collect)  # type: ignore[attr-defined]
        self._reactor.callWhenRunning(gc.freeze)  # type: ignore[attr-defined]

    def stopService(self) -> "Deferred[None]":
        """Stop in order; fires when nothing is left."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await super().stopService()
        for port in self._ports:
            await _wait(port.stopListening())
        await self._flush()

    async def _flush(self) -> None:
        """Let what was written reach the kernel: the end of a body that was whole must not be lost with the reactor."""
        until = self._reactor.seconds() + FLUSH  # type: ignore[attr-defined]
        while self._reactor.seconds() < until and any(  # type: ignore[attr-defined]
            isinstance(writer, Connection)
            for writer in self._reactor.getWriters()  # type: ignore[attr-defined]
        ):
            await deferLater(self._reactor, 0.01)  # type: ignore[arg-type]

    def _take_signals(self) -> None:
        """SIGTERM and SIGINT stop the reactor as ever, but a stop in order is a success: the exit status is 0."""

        def stop(number: int, frame: object) -> None:
            self._reactor.callFromThread(_stop_reactor, self._reactor)  # type: ignore[attr-defined]

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        # Behind its loop Twisted restores the default handlers; a second SIGTERM then would spoil the exit status.
        endings = {signal.SIGTERM, signal.SIGINT}
        self._reactor.addSystemEventTrigger("after", "shutdown", signal.pthread_sigmask, signal.SIG_BLOCK, endings)  # type: ignore[attr-defined]


def _shown(address: object) -> str:
    """An address as somebody would use it."""
    host, port = getattr(address, "host", None), getattr(address, "port", None)
    if host is None:
        return str(getattr(address, "name", address))
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _stop_reactor(reactor: object) -> None:
    try:
        reactor.stop()  # type: ignore[attr-defined]
    except ReactorNotRunning:
        _log.info("already stopping")


async def _wait(result: object) -> None:
    if isinstance(result, Deferred):
        await result


def _endpoint(reactor: object, description: str) -> IStreamServerEndpoint:
    try:
        return cast(IStreamServerEndpoint, serverFromString(reactor, description))
    except Exception as error:  # noqa: BLE001 - each kind of endpoint raises what it likes for a bad description
        raise SettingsError("listen", f"{description!r} is no Twisted endpoint: {error}") from None


def _cannot_listen(failure: Failure, description: str) -> SettingsError:
    """Why an endpoint failed: a daemon that does not listen is none."""
    why = failure.value.socketError if isinstance(failure.value, CannotListenError) else failure.value
    return SettingsError("listen", f"{description}: {why}")


def _refuse(error: SettingsError) -> NoReturn:
    """End the program with one line."""
    sys.stderr.write(f"transcoded: {error}\n")
    raise SystemExit(EX_USAGE)


# The names that twist's plugins are asked for.
makeService = make_service
