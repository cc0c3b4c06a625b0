"""What a daemon does to its own process, and an application that embeds `Transcoded` decides for itself.

The reactor's clock, the garbage collector, the signals, and how the process ends.
"""

import gc
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

_log = Logger()


def use_monotonic_clock(reactor: IReactor) -> None:
    """Have every timer of the process go by a clock that does not jump: Twisted's own is that of the wall."""
    reactor.seconds = time.monotonic  # type: ignore[method-assign]  # the reactor asks itself for the time by this name


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
    """SIGUSR1 drains, from now on; SIGTERM and SIGINT stop the reactor, as soon as it runs.

    A stop in order is a success: the exit status is 0.
    """

    def on_drain(number: int, frame: object) -> None:
        reactor.callFromThread(drain)

    # From the first moment: nobody else handles it, and by default it would kill.
    signal.signal(signal.SIGUSR1, on_drain)
    # When the reactor has installed its own handlers.
    reactor.callWhenRunning(_take_stop_signals, reactor)


def _take_stop_signals(reactor: IReactor) -> None:
    def on_stop(number: int, frame: object) -> None:
        reactor.callFromThread(stop_reactor, reactor)

    stops = {signal.SIGTERM, signal.SIGINT}
    for number in stops:
        signal.signal(number, on_stop)
    # Behind its loop Twisted restores the default handlers; a second SIGTERM then would spoil the exit status.
    reactor.addSystemEventTrigger("after", "shutdown", signal.pthread_sigmask, signal.SIG_BLOCK, stops)


def freeze_garbage(reactor: IReactor) -> None:
    """As soon as the reactor runs, tell the garbage collector that what is there by then stays.

    Looking through it again and again would hold all streams up for 70 ms each time.
    """
    reactor.callWhenRunning(gc.collect)
    reactor.callWhenRunning(gc.freeze)


def stop_reactor(reactor: IReactor) -> None:
    """Stop it. May be repeated."""
    try:
        reactor.stop()
    except ReactorNotRunning:
        _log.info("already stopping")


def refuse(error: SettingsError) -> NoReturn:
    """End the program with one line and the status that says that a restart does not help."""
    sys.stderr.write(f"transcoded: {error}\n")
    raise SystemExit(EX_USAGE)
