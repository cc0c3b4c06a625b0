"""The service: starts, drains and stops the parts that `engine` has built. The listening ports are in `daemon`."""

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
from transcoded.run.reactor import OneShot, as_reactor, ignore_result, within
from transcoded.run.streams.release import ReleasedFile
from transcoded.site import build_site

KILL_MARGIN = 5.0
"""Seconds beyond `grace` that a stop waits for processes that do not end."""

WEBHOOK_TIMEOUT = 2.0
"""Seconds that a stop waits until the last Endings are sent to the webhooks."""


class Transcoded(Service):
    """The daemon without its listening ports: a service to be a child of yours, and a resource to be mounted anywhere.

    Stopping the service ends every transcoder. The Deferred of `stopService` fires when the last one is reaped; the state
    directory may then be used again. A service that was stopped cannot be started again: create another one.

    Raises `SettingsError` if the settings do not work on this machine; then nothing is left open.
    """

    _log = Logger()

    def __init__(self, reactor: object, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self._reactor = as_reactor(reactor)
        self._on_drained: list[Callable[[], None]] = []
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
        """End every stream of a file, or of all files below a directory, of the library.

        Fires with the Endings when nothing has the files open any more. Fails with `Unavailable` if something does not end.
        """
        return self.hold(path).addCallback(_readmit)

    def hold(self, path: str) -> "Deferred[ReleasedFile]":
        """As `release`, but new requests get 503 until `readmit()` of the result is called, so that it can be moved or deleted."""
        return Deferred.fromCoroutine(self._engine.releaser.release(path))

    def startService(self) -> None:
        """Start the ticker, and log what is used."""
        super().startService()
        tools = self._host.tools
        for name, choice in (("ffmpeg", tools.ffmpeg_choice), ("ffprobe", tools.ffprobe_choice)):
            self._log.info(
                "using {name} {used.version} ({used.path}): {why}", name=name, used=choice.used, why=choice.why
            )
        if not tools.capabilities.count:
            self._log.warn("{path} can do nothing of what was tried: only copies can be made", path=tools.ffmpeg)
        if tools.old is not None:
            self._log.warn("{old}", old=tools.old)
        for gap in self._host.launcher.gaps:
            self._log.warn("protection is off: {gap}", gap=gap)
        for leftover in self._host.leftovers:
            self._log.warn("ended what an earlier daemon left: {leftover.pid} ({leftover.command})", leftover=leftover)
        if self.settings.webhook and self.settings.webhook_secret is None:
            self._log.warn("webhooks are not signed: receivers cannot tell who sent them; set webhook_secret")
        if self._engine.disk is not None:
            self._engine.disk.start()
        self._engine.ticker.start(self._engine.ticks)

    def listening(self, addresses: Sequence[object]) -> None:
        """To be called when the ports are open: tells systemd, and warns if other machines can connect without a key."""
        if not self.settings.api_key and not all(_is_local(address) for address in addresses):
            self._log.warn(
                "listening beyond this machine without a key: every client that can connect can watch and stop everything"
            )
        self._engine.notifier.ready()

    def drain(self) -> "Deferred[bool]":
        """Refuse new streams, and let running ones finish. Fires with whether all have finished within `drain_timeout`.

        Files that are sent as they are may finish, too. What still runs then is not ended here, but by `stopService`.
        """
        self._log.info("draining: {count} streams run", count=len(self._engine.streams.live()))
        self._engine.notifier.draining()
        self._engine.admission.stop("draining")
        self._engine.prepares.stop("The server is draining.")
        drained = self._in_time(self.settings.drain_timeout, self._engine.opener.leases.when_empty())
        return drained.addCallback(self._report_drained)

    def when_drained(self, callback: Callable[[], None]) -> None:
        """Call this function after every drain. The daemon stops its reactor then."""
        self._on_drained.append(callback)

    def stopService(self) -> "Deferred[None]":
        """Refuse new streams, end all, and wait until all are reaped."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        engine = self._engine
        try:
            engine.notifier.stopping()
            engine.admission.stop()
            engine.prepares.stop("The server is stopping.")
            await self._end_processes()
            await engine.orphans.sweep().addErrback(ignore_result)
            engine.ticker.stop()
            engine.events.stop()
            await self._in_time(WEBHOOK_TIMEOUT, engine.webhooks.when_idle())
            engine.webhooks.stop()
            if engine.disk is not None:
                engine.disk.stop()
            engine.threads.stop()
            engine.listings.stop()
            if engine.ending_log is not None:
                engine.ending_log.close()
        finally:
            self._host.close()

    async def _end_processes(self) -> None:
        """End all streams and commands, and wait until they are reaped.

        The wait is bounded: a process that cannot be killed (its disk hangs) must not prevent the stop. The next start ends it.
        """
        engine = self._engine
        live = len(engine.streams.live())
        timeout = self.settings.grace + KILL_MARGIN
        if await self._in_time(timeout, engine.streams.stop(), engine.commands.stop()):
            self._log.info("stopped; {count} streams ended by it", count=live)
        else:
            self._log.error("stopped, though these do not die: {pids}", pids=sorted(engine.spawner.pids()))

    def _in_time(self, seconds: float, *awaited: "Deferred[Any]") -> "Deferred[bool]":
        """Whether all of these have fired within so many seconds. Those that have not go on. Results and failures are dropped."""
        # Any: a list of results of all kinds, which nobody reads.
        done: OneShot[Any] = OneShot(self._reactor)
        done.follow(DeferredList(awaited, consumeErrors=True))
        waiting = within(self._reactor, seconds, done.wait(), TimeoutError)
        return waiting.addCallbacks(lambda _: True, lambda _: False)

    def _report_drained(self, done: bool) -> bool:
        for callback in self._on_drained:
            callback()
        return done


def _is_local(address: object) -> bool:
    """Whether only this machine can connect to an address."""
    host = getattr(address, "host", None)
    return host is None or ip_address(host).is_loopback


def _readmit(released: ReleasedFile) -> list[Ending]:
    released.readmit()
    return released.endings
