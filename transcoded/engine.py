"""The engine: builds the parts of the daemon from a `Host`, and connects them. `service` starts them.

Only this module and `site` know all the parts. Two lists show what is called when: the ticks of each second, and the observers
of the streams.
"""

import os
import time
from collections.abc import Sequence
from secrets import token_hex

import attrs

from transcoded.host import Host
from transcoded.plan import setting_parsers as parsers
from transcoded.plan.cmaf.governor import Costs
from transcoded.plan.http.subkeys import Subkeys
from transcoded.plan.media.argv import Options
from transcoded.plan.media.hardware import engine_order
from transcoded.plan.policy.admission import TRANSCODE, Admission
from transcoded.plan.policy.health import Limits
from transcoded.run.files.async_library import AsyncLibrary
from transcoded.run.files.complaints import Complaints
from transcoded.run.files.folders import Folders
from transcoded.run.files.leases import FileLeases
from transcoded.run.files.library import Library
from transcoded.run.files.listings import Listings
from transcoded.run.files.opener import FileOpener
from transcoded.run.files.threads import Threads
from transcoded.run.host.memory import memory_in_use
from transcoded.run.host.sign_outs import SignOuts
from transcoded.run.host.systemd import Notifier
from transcoded.run.media.burn_in import BurnIns
from transcoded.run.media.extracts import Extracts
from transcoded.run.media.file_memory import FileMemory
from transcoded.run.media.prober import Prober
from transcoded.run.media.subtitles import Subtitles
from transcoded.run.media.windows import SubtitleWindows
from transcoded.run.process.commands import Commands
from transcoded.run.process.orphans import OrphanReaper
from transcoded.run.process.spawner import Spawner
from transcoded.run.reactor import IReactor
from transcoded.run.segments.cache import SegmentCache
from transcoded.run.segments.disk import DiskTier
from transcoded.run.segments.encoder import EncoderFactory
from transcoded.run.segments.prepare import Prepares
from transcoded.run.segments.service import SegmentService
from transcoded.run.streams.admission import AdmissionQueue
from transcoded.run.streams.ending_log import EndingLog
from transcoded.run.streams.fallbacks import Fallbacks
from transcoded.run.streams.health import HealthMonitor, MemoryGuard
from transcoded.run.streams.peers import Peers
from transcoded.run.streams.registry import REMEMBERED, StreamRegistry
from transcoded.run.streams.release import FileReleaser
from transcoded.run.streams.ticker import Tick, Ticker
from transcoded.run.streams.viewings import Viewings
from transcoded.version import VERSION
from transcoded.web.events import Events
from transcoded.web.metrics import Metrics
from transcoded.web.webhooks import Webhooks


@attrs.frozen
class Engine:
    """All parts. `subkeys` sign URLs and cookies; `ending_log` is None without a state directory, `disk` if no segments are kept on disk.

    `made_with` is everything besides a file that the bytes of what is made of it depend on: see `Presentations`.
    """

    host: Host
    reactor: IReactor
    subkeys: Subkeys
    sign_outs: SignOuts
    threads: Threads
    library: AsyncLibrary
    listings: Listings
    opener: FileOpener
    peers: Peers
    admission: AdmissionQueue
    commands: Commands
    streams: StreamRegistry
    spawner: Spawner
    ticker: Ticker
    ticks: Sequence[Tick]
    ending_log: EndingLog | None
    events: Events
    metrics: Metrics
    webhooks: Webhooks
    notifier: Notifier
    orphans: OrphanReaper
    releaser: FileReleaser
    prober: Prober
    options: Options
    made_with: Sequence[object]
    cache: SegmentCache
    costs: Costs
    disk: DiskTier | None
    segments: SegmentService
    prepares: Prepares
    viewings: Viewings
    extracts: Extracts
    subtitles: Subtitles
    windows: SubtitleWindows
    burn_ins: BurnIns
    fallbacks: Fallbacks


def build_engine(reactor: IReactor, host: Host) -> Engine:
    """Build all parts. Nothing runs, listens or is scheduled before `Transcoded.startService`."""
    settings, ledger, tools = host.settings, host.ledger, host.tools
    subkeys = Subkeys.of(settings.signing_key or token_hex(32))
    # With a new signing key all cookies end, so there is nothing to keep for the next daemon.
    sign_outs = SignOuts(ledger.directory if settings.signing_key else None, time.time)
    threads = Threads(reactor)
    complaints = Complaints(reactor.seconds)
    library = AsyncLibrary(Library(host.roots, settings.hidden_files == parsers.SHOW), threads, complaints)
    listings = Listings(reactor, Folders(library.library), complaints)
    leases = FileLeases(reactor)
    opener = FileOpener(library.library, threads, leases)
    peers = Peers()
    notifier = Notifier()

    # Processes: admission, their start, and the checks of those that run.
    admission = AdmissionQueue(
        reactor,
        Admission(settings.max_streams * TRANSCODE, settings.queue_size, per_client=settings.max_streams_per_client),
        settings.queue_timeout,
    )
    spawner = Spawner(reactor, host.launcher, host.environment, ledger)
    commands = Commands(reactor, spawner, settings.grace, opener)
    streams = StreamRegistry(reactor, spawner, settings.grace, leases, settings.preempt_after)
    health = HealthMonitor(
        streams,
        commands,
        Limits(settings.hang_timeout, settings.stall_timeout, settings.max_duration, settings.stream_memory_max),
    )
    memory = MemoryGuard(streams, commands, admission, settings.memory_high, memory_in_use)
    orphans = OrphanReaper(threads, ledger.token, spawner.pids)
    ticker = Ticker(reactor)
    releaser = FileReleaser(reactor, library.library, threads, streams, settings.grace)

    # Observers of streams.
    ending_log = EndingLog(ledger.directory) if ledger.directory else None
    events = Events(streams.live)
    cache = SegmentCache(settings.cache_max)
    metrics = Metrics(streams, spawner, admission, ledger.token, lambda: ticker.lag, cache)
    webhooks = Webhooks(reactor, settings.webhook, settings.webhook_secret, time.time)

    # Media files and their segments.
    memory_of_files = FileMemory(reactor, ledger.directory, threads, (tools.ffprobe, tools.ffprobe_choice.used.version))
    prober = Prober(reactor, commands, opener, tools.ffprobe, memory=memory_of_files)
    order, _ = engine_order(settings.engines)
    options = Options(settings.threads, settings.input_args, settings.output_args, tools.capabilities, order)
    fallbacks = Fallbacks(reactor, (events.fell_back, metrics.fell_back))
    made_with = options, tools.capabilities.tone_mapping, settings.subtitle_encoding, tools.version, VERSION
    disk = _disk_tier(reactor, threads, host, made_with, cache)
    extracts = Extracts(commands, cache, tools.ffmpeg)
    subtitles = Subtitles(reactor, extracts, opener, settings.subtitle_encoding)
    windows = SubtitleWindows(reactor, extracts, subtitles, threads, settings.subtitle_encoding)
    burn_ins = BurnIns(reactor, subtitles, threads)
    costs = Costs(float(len(os.sched_getaffinity(0))), settings.max_streams * TRANSCODE)
    encoders = EncoderFactory(streams, tools.ffmpeg, options, reactor.seconds, costs, fallbacks)
    segments = SegmentService(
        reactor,
        admission,
        opener,
        encoders,
        cache,
        settings.idle_timeout,
        metrics.segment_served,
        prober.landing_place,
        burn_ins,
        disk,
    )
    viewings = Viewings(reactor, segments, leases, settings.idle_timeout, events)
    metrics.count_viewers(viewings.counts)
    prepares = Prepares(reactor, segments, admission, leases, events.prepare_updated)

    # The observers of the streams, in the order in which they are called.
    if ending_log is not None:
        streams.remember(ending_log.load(REMEMBERED))
        streams.observe(ending_log)
    for observer in (events, metrics, webhooks, prepares):
        streams.observe(observer)

    # Ticks: each second, in this order.
    ticks: Sequence[Tick] = (
        peers.tick,
        health.tick,
        memory.tick,
        admission.tick,
        segments.tick,
        viewings.tick,
        prepares.tick,
        orphans.tick,
        events.tick,
        notifier.watchdog,
    )

    return Engine(
        host=host,
        reactor=reactor,
        subkeys=subkeys,
        sign_outs=sign_outs,
        threads=threads,
        library=library,
        listings=listings,
        opener=opener,
        peers=peers,
        admission=admission,
        commands=commands,
        streams=streams,
        spawner=spawner,
        ticker=ticker,
        ticks=ticks,
        ending_log=ending_log,
        events=events,
        metrics=metrics,
        webhooks=webhooks,
        notifier=notifier,
        orphans=orphans,
        releaser=releaser,
        prober=prober,
        options=options,
        made_with=made_with,
        cache=cache,
        costs=costs,
        disk=disk,
        segments=segments,
        prepares=prepares,
        viewings=viewings,
        extracts=extracts,
        subtitles=subtitles,
        windows=windows,
        burn_ins=burn_ins,
        fallbacks=fallbacks,
    )


def _disk_tier(
    reactor: IReactor, threads: Threads, host: Host, made_with: Sequence[object], cache: SegmentCache
) -> DiskTier | None:
    """The second tier of the segment cache, if the settings have one and its directory could be opened."""
    quota = host.settings.cache_disk_max
    if host.segments is None or quota is None:
        return None
    # No media root has a name with a slash: the threads of this disk are its own.
    disk = DiskTier(reactor, threads.of_disk("/segments"), host.segments, quota, made_with, cache)
    cache.second = disk
    return disk
