"""The composition root: puts the parts together, starts them and stops them in order. Nothing else connects them."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address
from secrets import token_hex
from subprocess import SubprocessError
from typing import Any

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger
from twisted.web.resource import IResource

from transcoded.config import Settings, SettingsError, default_state_dir, roots
from transcoded.plan.endings import Ending
from transcoded.plan.http.access import parse_key
from transcoded.plan.http.forwarded import parse_trusted
from transcoded.plan.media.argv import Options
from transcoded.plan.policy.admission import TRANSCODE, Admission
from transcoded.plan.policy.health import Limits
from transcoded.run.files.async_library import AsyncLibrary
from transcoded.run.files.leases import FileLeases
from transcoded.run.files.library import Library
from transcoded.run.files.threads import Threads
from transcoded.run.host.demo import make_clips
from transcoded.run.host.memory import memory_in_use
from transcoded.run.host.systemd import Notifier
from transcoded.run.host.tools import ToolError, Tools, find_sandbox, find_tools
from transcoded.run.media.extracts import Extracts
from transcoded.run.media.prober import Prober
from transcoded.run.process.commands import Commands
from transcoded.run.process.ledger import InUse, Ledger, Leftover, open_ledger
from transcoded.run.process.orphans import OrphanReaper
from transcoded.run.reactor import IReactor, as_reactor
from transcoded.run.relay.coalescing import ReadCoalescer
from transcoded.run.segments.cache import SegmentCache
from transcoded.run.segments.encoder import Works
from transcoded.run.segments.service import SegmentService
from transcoded.run.streams.admission import AdmissionQueue
from transcoded.run.streams.ending_log import EndingLog
from transcoded.run.streams.health import HealthMonitor
from transcoded.run.streams.peers import Peers
from transcoded.run.streams.registry import REMEMBERED, StreamRegistry
from transcoded.run.streams.release import FileReleaser, ReleasedFile
from transcoded.version import VERSION
from transcoded.web.access import AccessRoutes
from transcoded.web.adaptive import Adaptive
from transcoded.web.api import Admin
from transcoded.web.app import resource
from transcoded.web.document import ApiDocument
from transcoded.web.events import Events
from transcoded.web.extras import Extras
from transcoded.web.guard import Guard
from transcoded.web.health import Health
from transcoded.web.metrics import Metrics
from transcoded.web.page import Page
from transcoded.web.play import Play
from transcoded.web.presentations import Presentations
from transcoded.web.webhooks import Webhooks

_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "LIBVA_DRIVER_NAME", "TMPDIR")


_log = Logger()

PATIENCE = 5.0
"""Seconds beyond `grace` that a stop waits for processes that do not die."""

FAREWELL = 2.0
"""Seconds that a stop gives the receivers of webhooks to take the last Endings."""


class Transcoded(Service):
    """The daemon without its listening ports: a service to be a child of yours, and a resource to be mounted anywhere.

    Stopping the service ends every transcoder; the Deferred of `stopService` fires when the last one is reaped.

    Raises `SettingsError` if the settings cannot work on this machine.
    """

    _log = Logger()

    def __init__(self, reactor: object, settings: Settings | None = None) -> None:
        self.settings = settings = settings or Settings()
        self._reactor = as_reactor(reactor)
        self._tools = tools = _tools(settings)
        library = Library(_library(settings, tools))
        self._ledger, self._left = _ledger(settings)
        self._ending_log = EndingLog(self._ledger.directory) if self._ledger.directory else None
        environment = _environment(os.environ)
        launcher = attrs.evolve(
            tools.launcher,
            bwrap=_sandbox(settings, tools),
            niceness=settings.nice,
            io_class=settings.ionice,
            address_space=settings.stream_address_space_max,
        )
        self._launcher = launcher
        self._threads = Threads(self._reactor)
        self._leases = leases = FileLeases()
        connections = Peers()
        admission = Admission(
            settings.max_streams * TRANSCODE, settings.queue_size, per_client=settings.max_streams_per_client
        )
        self._gate = AdmissionQueue(self._reactor, admission, settings.queue_timeout)
        self._commands = Commands(self._reactor, launcher, environment, settings.grace, self._ledger, leases)
        self._streams = StreamRegistry(self._reactor, launcher, environment, settings.grace, self._ledger, leases)
        if self._ending_log is not None:
            self._streams.remember(self._ending_log.load(REMEMBERED))
            self._streams.observe(self._ending_log)
        self._monitor = HealthMonitor(
            self._reactor,
            self._streams,
            self._gate,
            connections,
            Limits(settings.hang_timeout, settings.stall_timeout, settings.max_duration, settings.stream_memory_max),
            memory_high=settings.memory_high,
            memory_in_use=memory_in_use,
            preempt_after=settings.preempt_after,
        )
        signing_key = (settings.signing_key or token_hex(32)).encode()
        keys = [parse_key(text) for text in settings.api_key]
        proxies = [parse_trusted(text) for text in settings.trusted_proxy]
        guard = Guard(keys, signing_key, time.time, self._reactor.seconds, settings.cors_origin, proxies)
        self._events = Events(self._streams.live)
        self._metrics = Metrics(
            self._streams, self._commands, self._gate, self._ledger.token, lambda: self._monitor.lag
        )
        self._webhooks = Webhooks(self._reactor, settings.webhook, signing_key)
        self._notifier = Notifier()
        for observer in (self._events, self._metrics, self._webhooks):
            self._streams.observe(observer)
        self._strays = OrphanReaper(self._threads, self._ledger.token, self._known_pids)
        self._monitor.tasks += [self._events.tick, self._notifier.watchdog, self._strays.tick]
        prober = Prober(self._reactor, self._commands, self._threads, tools.ffprobe)
        options = Options(settings.threads, settings.input_args, settings.output_args, tools.tone_maps)
        store = SegmentCache(settings.cache_max)
        heads = SegmentService(
            Works(
                reactor=self._reactor,
                streams=self._streams,
                gate=self._gate,
                store=store,
                ffmpeg=tools.ffmpeg,
                options=options,
                idle_timeout=settings.idle_timeout,
                served=self._metrics.segment_served,
            )
        )
        self._monitor.tasks.append(heads.tick)
        self._releasing = FileReleaser(self._reactor, library, self._threads, self._streams, settings.grace)
        files = AsyncLibrary(library, self._threads)
        play = Play(
            library=files,
            prober=prober,
            streams=self._streams,
            gate=self._gate,
            leases=leases,
            connections=connections,
            tools=tools,
            options=options,
            reactor=self._reactor,
            coalescer=ReadCoalescer(self._reactor),
            strategy=settings.relay,
        )
        admin = Admin(
            library=files,
            streams=self._streams,
            gate=self._gate,
            releasing=self._releasing,
            drain=lambda: ignore_result(self.drain()),
            drain_timeout=settings.drain_timeout,
        )
        presentations = Presentations(files, prober, (options, tools.version, VERSION))
        adaptive = Adaptive(presentations, heads, guard)
        extras = Extras(presentations, Extracts(self._commands, store, tools.ffmpeg), self._gate)
        access = AccessRoutes(guard, files)
        documented = (play, adaptive, extras, admin, Health(self._gate), access, self._events, self._metrics)
        self._resource = resource(guard, *documented, ApiDocument(documented), Page(), locate=files.locate_first)
        self._drained: list[Callable[[], None]] = []

    def resource(self) -> IResource:
        """The resource with all routes."""
        return self._resource

    def release(self, path: str) -> "Deferred[list[Ending]]":
        """End every stream on a file, or below a directory, of the library.

        Fires with the Endings when all are reaped and nobody has it open any more.
        """
        return self.hold(path).addCallback(_readmit)

    def hold(self, path: str) -> "Deferred[ReleasedFile]":
        """The same, but newcomers are kept out (503) until `let_in()` of the result is called: to move or delete it in peace."""
        return Deferred.fromCoroutine(self._releasing.free(path))

    def startService(self) -> None:
        """Begin to serve."""
        super().startService()
        self._log.info("using ffmpeg {version} ({path})", version=self._tools.version, path=self._tools.ffmpeg)
        for gap in self._launcher.gaps:
            self._log.warn("protection is off: {gap}", gap=gap)
        for left in self._left:
            self._log.warn("ended what an earlier daemon left: {left.pid} ({left.command})", left=left)
        self._monitor.start()

    def listening(self, addresses: Sequence[object]) -> None:
        """The ports are open: tell systemd, and warn if anybody can come in."""
        if not self.settings.api_key and not all(_stays_here(address) for address in addresses):
            self._log.warn(
                "listening beyond this machine without a key: whoever reaches it can watch and stop everything"
            )
        self._notifier.ready()

    def drain(self) -> "Deferred[bool]":
        """Refuse new streams, and let those that run finish: fires with whether they did within `drain_timeout`.

        Files that are being sent as they are finish, too. What is still there then is left to `stopService`.
        """
        self._log.info("draining: {count} streams run", count=len(self._streams.live()))
        self._notifier.draining()
        self._gate.stop("draining")
        drained = _in_time(self._reactor, [self._leases.when_empty()], self.settings.drain_timeout)
        return drained.addCallback(self._tell_drained)

    def when_drained(self, call: Callable[[], None]) -> None:
        """Call it after every drain, however it was asked for: the daemon ends then."""
        self._drained.append(call)

    def _tell_drained(self, done: bool) -> bool:
        for call in self._drained:
            call()
        return done

    def stopService(self) -> "Deferred[None]":
        """Refuse new streams, end all, wait until all are reaped."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    def _known_pids(self) -> set[int]:
        """The processes that are rightly there."""
        streams = {stream.child.pid for stream in self._streams.live()}
        return {pid for pid in streams | set(self._commands.pids()) if pid is not None}

    async def _stop(self) -> None:
        self._notifier.stopping()
        self._gate.stop()
        # A process that cannot be killed (its disk hangs) must not keep the daemon for ever; the next start looks for it.
        patience = self.settings.grace + PATIENCE
        live = len(self._streams.live())
        done = await _in_time(self._reactor, [self._streams.stop(), self._commands.stop()], patience)
        if done:
            self._log.info("stopped; {count} streams ended by it", count=live)
        else:
            self._log.error(
                "stopped, though these do not die: {pids}", pids=[s.child.pid for s in self._streams.live()]
            )
        await self._strays.sweep().addErrback(ignore_result)
        self._monitor.stop()
        self._events.stop()
        await _in_time(self._reactor, [self._webhooks.when_told()], FAREWELL)
        self._webhooks.stop()
        self._threads.stop()
        if self._ending_log is not None:
            self._ending_log.close()
        self._ledger.close()


def _sandbox(settings: Settings, tools: Tools) -> str | None:
    if settings.sandbox is None:
        return None
    try:
        return find_sandbox(tools)
    except ToolError as error:
        raise SettingsError(error.name, str(error).removeprefix(f"{error.name}: ")) from None


def _stays_here(address: object) -> bool:
    """Whether an address can be reached from this machine alone."""
    host = getattr(address, "host", None)
    return host is None or ip_address(host).is_loopback


def ignore_result(_: object) -> None:
    """What comes of it is told elsewhere."""


def _in_time(reactor: IReactor, awaited: "Sequence[Deferred[Any]]", seconds: float) -> "Deferred[bool]":
    """Whether all of these have fired within so many seconds. Those that have not go on."""
    answer: Deferred[bool] = Deferred()
    timer = reactor.callLater(seconds, answer.callback, False)

    def all_fired(_: object) -> None:
        if timer.active():
            timer.cancel()
            answer.callback(True)

    DeferredList(awaited, consumeErrors=True).addCallback(all_fired)
    return answer


def _readmit(freed: ReleasedFile) -> list[Ending]:
    freed.readmit()
    return freed.endings


def _ledger(settings: Settings) -> tuple[Ledger, Sequence[Leftover]]:
    """The ledger of the state directory. One that was named must work; the default one is done without if it does not."""
    if settings.state_dir in {"off", "none"}:
        return open_ledger(None)
    directory = os.path.abspath(os.path.expanduser(settings.state_dir or default_state_dir(settings)))
    try:
        return open_ledger(directory)
    except InUse as error:
        raise SettingsError("state_dir", f"{error}") from None
    except OSError as error:
        if settings.state_dir:
            raise SettingsError("state_dir", f"{directory} cannot be used: {error.strerror}") from None
        _log.warn("no state directory ({error}): going on without ledger and journal", error=error)
        return open_ledger(None)


def _tools(settings: Settings) -> Tools:
    try:
        return find_tools(settings.ffmpeg, settings.ffprobe)
    except ToolError as error:
        raise SettingsError(error.name, str(error).removeprefix(f"{error.name}: ")) from error


def _library(settings: Settings, tools: Tools) -> Mapping[str, str]:
    media: Sequence[str] = settings.media
    if settings.demo:
        try:
            media = [*media, f"demo={make_clips(tools, os.path.join(settings.cache_dir, 'demo'))}"]
        except (OSError, SubprocessError) as error:
            raise SettingsError("demo", f"the clips cannot be made: {error}") from error
    if not media:
        raise SettingsError("media", "nothing to serve; name a directory (--media DIR), or try --demo")
    return roots(media)


def _environment(environment: Mapping[str, str]) -> Mapping[str, str]:
    """What a transcoder sees of the daemon's environment: where programs, libraries and drivers are, and no secret."""
    return {**{name: environment[name] for name in _KEPT_VARIABLES if name in environment}, "LC_ALL": "C"}
