"""Threads for calls that may block on a disk: a bounded pool of our own, with a deadline for each call.

A call that hangs (a network mount that does not answer) blocks its thread until the kernel returns. It blocks neither its
caller for longer than the deadline, nor the end of the program. Calls that name their disk take turns, and all calls of one disk
have a part of the threads only: so a disk that hangs keeps nobody from another one, and from what needs no disk.
"""

from collections.abc import Callable
from functools import partial
from threading import Thread
from typing import ParamSpec, Protocol, TypeVar

import attrs
from twisted.internet.defer import Deferred, fail
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from transcoded.plan.errors import TimedOut, Unavailable, server_stopping
from transcoded.plan.policy.admission import Answer
from transcoded.plan.policy.turns import Turns
from transcoded.run.reactor import IReactor, within

P = ParamSpec("P")
T = TypeVar("T")

DEADLINE = 20.0
"""Seconds after which a call fails for its caller."""

MAX_THREADS = 32

MAX_WAITING = 10_000
MAX_WAITING_PER_DISK = 2000
"""Calls that wait for a thread. Each belongs to a request, and leaves at its deadline."""


class DiskThreads(Protocol):
    """Calls functions in threads: `Threads`, or its part for one disk."""

    def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "Deferred[T]":
        """See `Threads.run`."""

    def acquire(
        self, discard: Callable[[T], object], call: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> "Deferred[T]":
        """See `Threads.acquire`."""


class Threads:
    """A pool of at most `max_threads` threads, which are started when they are needed.

    Calls that name their disk have seven of eight, and those of one disk three of eight.
    """

    _log = Logger()

    def __init__(self, reactor: IReactor, max_threads: int = MAX_THREADS) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(0, max_threads, "transcoded-disk")
        # Daemon threads: a thread that hangs must not prevent the end of the interpreter.
        self._pool.threadFactory = partial(Thread, daemon=True)  # type: ignore[assignment]  # declared as the class itself
        self._running_calls = 0
        self._stopped = False
        of_all, of_one = max_threads - max_threads // 8, max(1, max_threads * 3 // 8)
        self._turns = Turns(of_all, of_one, MAX_WAITING, MAX_WAITING_PER_DISK)
        self._waiting: dict[int, Callable[[], None]] = {}
        self._number = 0

    def stop(self) -> None:
        """Refuse further calls. Threads that hang cannot be ended, and last until the program ends."""
        self._stopped = True
        if self._pool.started and not self._running_calls:
            self._pool.stop()

    def of_disk(self, disk: str) -> DiskThreads:
        """The threads for calls that use this disk, whatever the caller takes for one."""
        return _OfDisk(self, disk)

    def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "Deferred[T]":
        """Call a function in a thread.

        Fails with what it raises, with `TimedOut` after `DEADLINE` seconds, or with `Unavailable` if the server is stopping or
        no thread can be started. A late result is dropped. Cancelling stops the waiting, not the call.
        """
        return self.acquire(lambda _: None, call, *args, **kwargs)

    def acquire(
        self, discard: Callable[[T], object], call: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> "Deferred[T]":
        """As `run`, for a result that must be given back, such as an open file: `discard` gets it if nobody waits any more."""
        return self.call(None, discard, partial(call, *args, **kwargs))

    def call(self, disk: str | None, discard: Callable[[T], object], call: Callable[[], T]) -> "Deferred[T]":
        """As `acquire`. `disk` None: the call needs none."""
        if self._stopped:
            return fail(server_stopping())
        self._number += 1
        number = self._number
        answer = Answer.GRANTED if disk is None else self._turns.ask(number, disk)[0]
        # Who is cancelled while he waits gives his turn to the next.
        result: Deferred[T] = Deferred(lambda _: self._leave(number) if number in self._waiting else None)
        match answer:
            case Answer.GRANTED:
                self._start(number, result, discard, call)
            case Answer.QUEUED:
                self._waiting[number] = lambda: self._start(number, result, discard, call)
            case _:
                return fail(Unavailable("Too many requests wait for this disk; come back in a moment."))
        return within(self._reactor, DEADLINE, result, self._late)

    def _start(self, number: int, result: "Deferred[T]", discard: Callable[[T], object], call: Callable[[], T]) -> None:
        if not self._pool.started:
            self._pool.start()
        self._running_calls += 1

        def done(outcome: "T | Failure") -> None:
            self._running_calls -= 1
            self._leave(number)
            if not result.called:
                result.callback(outcome)  # a Deferred takes a Failure as an error
            elif not isinstance(outcome, Failure):
                discard(outcome)

        try:
            deferToThreadPool(self._reactor, self._pool, call).addBoth(done)
        except RuntimeError:
            # The system has no thread left.
            self._running_calls -= 1
            self._leave(number)
            result.errback(Unavailable("The server cannot look at its disk now: the system gives it no more threads."))

    def _leave(self, number: int) -> None:
        """A call is over, or does not wait any more: begin those whose turn it is."""
        self._waiting.pop(number, None)
        self._turns.leave(number)
        for granted in self._turns.advance():
            self._waiting.pop(granted)()

    def _late(self) -> Exception:
        self._log.warn("the disk does not answer")
        return TimedOut(f"The disk did not answer within {DEADLINE:g} s.")


@attrs.frozen
class _OfDisk:
    """The part of `Threads` for one disk."""

    threads: Threads
    disk: str

    def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "Deferred[T]":
        return self.threads.call(self.disk, lambda _: None, partial(call, *args, **kwargs))

    def acquire(
        self, discard: Callable[[T], object], call: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> "Deferred[T]":
        return self.threads.call(self.disk, discard, partial(call, *args, **kwargs))
