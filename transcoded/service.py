"""The daemon without its ports: starts, drains and stops the parts that `engine` has built, each in a visible order."""

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger
from twisted.web.resource import IResource

from transcoded.config import Settings
from transcoded.engine import build_engine
from transcoded.host import Host
from transcoded.plan.endings import Ending
from transcoded.run.reactor import as_reactor, ignore_result, within
from transcoded.run.streams.release import ReleasedFile
from transcoded.site import build_site

KILL_MARGIN = 5.0
"""Seconds beyond `grace` that a stop waits for processes that do not die."""

WEBHOOK_TIMEOUT = 2.0
"""Seconds that a stop gives the receivers of webhooks to take the last Endings."""


class Transcoded(Service):
    """The daemon without its listening ports: a service to be a child of yours, and a resource to be mounted anywhere.

    Stopping the service ends every transcoder; the Deferred of `stopService` fires when the last one is reaped, and the state
    directory may be used again then. A service that was stopped is not started again: make another one.

    Raises `SettingsError` if the settings cannot work on this machine; nothing is left open then.
    """

    _log = Logger()

    def __init__(self, reactor: object, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self._reactor = as_reactor(reactor)
        self._drained: list[Callable[[], None]] = []
        self._host = Host.open(self.settings)
        try:
            self._engine = build_engine(self._reactor, self._host)
            self._resource = build_site(self._engine, lambda: ignore_result(self.drain()))
        except BaseException:
            self._host.close()
            raise

    def resource(self) -> IResource:
        """The resource with all routes."""
        return self._resource

    def release(self, path: str) -> "Deferred[list[Ending]]":
        """End every stream on a file, or below a directory, of the library.

        Fires with the Endings when all are reaped and nobody has it open any more.
        """
        return self.hold(path).addCallback(_readmit)

    def hold(self, path: str) -> "Deferred[ReleasedFile]":
        """The same, but newcomers are kept out (503) until `readmit()` of the result is called: to move or delete it in peace."""
        return Deferred.fromCoroutine(self._engine.releaser.release(path))

    def startService(self) -> None:
        """Begin to serve: from now on streams are watched, once a second."""
        super().startService()
        tools = self._host.tools
        self._log.info("using ffmpeg {version} ({path})", version=tools.version, path=tools.ffmpeg)
        for gap in self._host.launcher.gaps:
            self._log.warn("protection is off: {gap}", gap=gap)
        for left in self._host.leftovers:
            self._log.warn("ended what an earlier daemon left: {left.pid} ({left.command})", left=left)
        self._engine.ticker.start(self._engine.ticks)

    def listening(self, addresses: Sequence[object]) -> None:
        """The ports are open: tell systemd, and warn if anybody can come in."""
        if not self.settings.api_key and not all(_stays_here(address) for address in addresses):
            self._log.warn(
                "listening beyond this machine without a key: whoever reaches it can watch and stop everything"
            )
        self._engine.notifier.ready()

    def drain(self) -> "Deferred[bool]":
        """Refuse new streams, and let those that run finish: fires with whether they did within `drain_timeout`.

        Files that are being sent as they are finish, too. What is still there then is left to `stopService`.
        """
        self._log.info("draining: {count} streams run", count=len(self._engine.streams.live()))
        self._engine.notifier.draining()
        self._engine.admission.stop("draining")
        drained = self._in_time(self.settings.drain_timeout, self._engine.leases.when_empty())
        return drained.addCallback(self._tell_drained)

    def when_drained(self, call: Callable[[], None]) -> None:
        """Call it after every drain, however it was asked for: the daemon ends then."""
        self._drained.append(call)

    def stopService(self) -> "Deferred[None]":
        """Refuse new streams, end all, wait until all are reaped."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        engine = self._engine
        try:
            engine.notifier.stopping()
            engine.admission.stop()
            await self._end_processes()
            await engine.orphans.sweep().addErrback(ignore_result)
            engine.ticker.stop()
            engine.events.stop()
            await self._in_time(WEBHOOK_TIMEOUT, engine.webhooks.when_told())
            engine.webhooks.stop()
            engine.threads.stop()
            if engine.ending_log is not None:
                engine.ending_log.close()
        finally:
            self._host.close()

    async def _end_processes(self) -> None:
        """End all streams and helpers, and wait until they are reaped.

        One that cannot be killed (its disk hangs) must not keep the daemon for ever; the next start looks for it.
        """
        engine = self._engine
        live = len(engine.streams.live())
        patience = self.settings.grace + KILL_MARGIN
        if await self._in_time(patience, engine.streams.stop(), engine.commands.stop()):
            self._log.info("stopped; {count} streams ended by it", count=live)
        else:
            self._log.error("stopped, though these do not die: {pids}", pids=sorted(engine.spawner.pids()))

    def _in_time(self, seconds: float, *awaited: "Deferred[Any]") -> "Deferred[bool]":
        """Whether all of these, whose results nobody reads, have fired within so many seconds. Those that have not go on."""
        done = DeferredList(awaited, consumeErrors=True)
        return within(self._reactor, seconds, done, TimeoutError).addCallbacks(lambda _: True, lambda _: False)

    def _tell_drained(self, done: bool) -> bool:
        for call in self._drained:
            call()
        return done


def _stays_here(address: object) -> bool:
    """Whether an address can be reached from this machine alone."""
    host = getattr(address, "host", None)
    return host is None or ip_address(host).is_loopback


def _readmit(released: ReleasedFile) -> list[Ending]:
    released.readmit()
    return released.endings
