"""Settings of the process: who may look into it, its limit of descriptors, the reactor's clock, the garbage collector, signals, and the exit status.

Only the daemon uses this module. An application that embeds `Transcoded` decides about its own process.
"""

import ctypes
import gc
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import NoReturn, cast

from twisted.internet.error import ReactorNotRunning
from twisted.logger import Logger, globalLogPublisher

from transcoded.config import SettingsError
from transcoded.run.host.log_text import escape_event
from transcoded.run.reactor import IReactor

EX_USAGE = 64
"""The exit status of a daemon whose settings do not work (sysexits.h)."""

_PR_SET_DUMPABLE = 4
"""Of prctl(2)."""

MAX_DESCRIPTORS = 65_536

_log = Logger()


def close_to_others() -> None:
    """Let nobody but root look into this process, and let what it writes be for this user alone.

    Other processes of this user, such as a transcoder that was broken into, can then read neither the memory nor the environment
    of this one, nor attach to it (PR_SET_DUMPABLE of prctl(2)). The price: no core dump, and a debugger needs root. Children
    are not affected, since the kernel sets this anew when a program is executed.
    """
    os.umask(0o077)
    if ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        _log.warn("other processes of this user can read the memory of this one: prctl does not work here")
    if os.geteuid() == 0:
        _log.warn("running as root: whoever breaks into a transcoder then has the whole machine; use another user")


def escape_log() -> None:
    """Let no log of this process contain what acts on a terminal, or passes for a line. To be called before logging begins."""
    globalLogPublisher.addObserver(escape_event)


def forget_variables(names: Collection[str]) -> None:
    """Remove variables from the environment of this process, and from what /proc/PID/environ shows of it.

    The kernel shows the memory in which the environment was when the program was executed. So that memory is overwritten. To be
    called before other threads run.
    """
    encoded = {os.fsencode(name) for name in names}
    entries = ctypes.POINTER(ctypes.c_void_p).in_dll(ctypes.CDLL(None), "environ")
    for address in _until_null(entries):
        entry = ctypes.string_at(address)
        if entry.partition(b"=")[0] in encoded:
            ctypes.memset(address, ord("x"), len(entry))
    for name in names:
        os.environ.pop(name, None)


def _until_null(array: "ctypes._Pointer[ctypes.c_void_p]") -> Iterator[int]:
    """The addresses in an array that ends with a null pointer."""
    index = 0
    while address := array[index]:
        yield cast(int, address)
        index += 1


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
