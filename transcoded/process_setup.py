"""Settings of the process: the reactor's clock, its limit of descriptors, the garbage collector, signals, and the exit status.

Only the daemon uses this module. An application that embeds `Transcoded` decides about its own process.
"""

import gc
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from twisted.internet.error import ReactorNotRunning
from twisted.logger import Logger

from transcoded.config import SettingsError
from transcoded.run.reactor import IReactor

EX_USAGE = 64
"""The exit status of a daemon whose settings do not work (sysexits.h)."""

MAX_DESCRIPTORS = 65_536

_log = Logger()


def use_monotonic_clock(reactor: IReactor) -> None:
    """Let all timers of the reactor use a clock that does not jump. Twisted's default is the wall clock."""
    reactor.seconds = time.monotonic  # type: ignore[method-assign]  # the reactor calls this attribute for the time


def raise_descriptor_limit() -> None:
    """Allow this process as many descriptors as it can have without a privilege, up to 65,536.

    The usual limit of 1024 is for programs that use select(2). This process uses five for each stream.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    if soft not in {resource.RLIM_INFINITY, wanted} and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextmanager
def signals_during_start() -> Iterator[None]:
    """Until the reactor runs: SIGTERM ends the start in order, with exit status 0, and SIGUSR1 does nothing.

    By default both would kill this process, and leave the programs behind that are being tried. SIGUSR1 stays ignored
    until `take_signals`: nothing runs yet that could be drained.
    """

    def on_stop(number: int, frame: object) -> NoReturn:
        raise SystemExit(0)

    before = signal.signal(signal.SIGTERM, on_stop)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def take_signals(reactor: IReactor, drain: Callable[[], object]) -> None:
    """Handle signals: SIGUSR1 drains, from now on; SIGTERM and SIGINT stop the reactor, as soon as it runs.

    The exit status after such a stop is 0.
    """

    def on_drain(number: int, frame: object) -> None:
        reactor.callFromThread(drain)

    # At once, and not when the reactor runs: the default action of SIGUSR1 is to kill the process.
    signal.signal(signal.SIGUSR1, on_drain)
    # Later, because the reactor installs its own handlers first.
    reactor.callWhenRunning(_take_stop_signals, reactor)


def _take_stop_signals(reactor: IReactor) -> None:
    def on_stop(number: int, frame: object) -> None:
        reactor.callFromThread(stop_reactor, reactor)

    stops = {signal.SIGTERM, signal.SIGINT}
    for number in stops:
        signal.signal(number, on_stop)
    # After its loop Twisted restores the default handlers. A second SIGTERM would then change the exit status.
    reactor.addSystemEventTrigger("after", "shutdown", signal.pthread_sigmask, signal.SIG_BLOCK, stops)


def freeze_garbage(reactor: IReactor) -> None:
    """When the reactor runs, exclude all objects that exist by then from garbage collection.

    They are never freed. To examine them in each collection would delay all streams by 70 ms each time.
    """
    reactor.callWhenRunning(gc.collect)
    reactor.callWhenRunning(gc.freeze)


def stop_reactor(reactor: IReactor) -> None:
    """Stop the reactor. May be repeated."""
    try:
        reactor.stop()
    except ReactorNotRunning:
        _log.info("already stopping")


def refuse(error: SettingsError) -> NoReturn:
    """End the program with one line on stderr, and the exit status that says that a restart does not help."""
    sys.stderr.write(f"transcoded: {error}\n")
    raise SystemExit(EX_USAGE)
