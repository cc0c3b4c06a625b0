"""Threads for what may block on a disk: a bounded pool of our own, with deadlines.

A call that hangs (a network mount that is gone) keeps its thread until the kernel lets go, but neither the one who waits
nor the end of the program.
"""

from collections.abc import Callable
from functools import partial
from threading import Thread
from typing import ParamSpec, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from transcoded.plan.errors import TimedOut, Unavailable
from transcoded.run.reactor import IReactor, within

P = ParamSpec("P")
T = TypeVar("T")

DEADLINE = 20.0
"""Seconds that somebody waits for a call."""


class Threads:
    """The pool, at most `max_threads` threads, made when they are needed."""

    _log = Logger()

    def __init__(self, reactor: IReactor, max_threads: int = 16) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(0, max_threads, "transcoded-disk")
        # Daemon threads: one that hangs must not keep the interpreter from ending.
        self._pool.threadFactory = partial(Thread, daemon=True)  # type: ignore[assignment]  # declared as the class itself
        self._under_way = 0
        self._stopped = False

    def stop(self) -> None:
        """Take no more calls. Threads that hang are left to die with the program; they cannot be ended."""
        self._stopped = True
        if self._pool.started and not self._under_way:
            self._pool.stop()

    def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "Deferred[T]":
        """Call it in a thread.

        Fails with what it raises, or with `TimedOut` after `DEADLINE` seconds; a late result is dropped. Cancelling stops
        the waiting, not the call.
        """
        return self.acquire(lambda _: None, call, *args, **kwargs)

    def acquire(
        self, discard: Callable[[T], object], call: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> "Deferred[T]":
        """The same for a result that must not be lost, such as an open file: `discard` gets it if nobody waits any more."""
        if self._stopped:
            return fail(Unavailable("The server is stopping."))
        if not self._pool.started:
            self._pool.start()
        result: Deferred[T] = Deferred()
        self._under_way += 1

        def done(outcome: "T | Failure") -> None:
            self._under_way -= 1
            if not result.called:
                result.callback(outcome)  # a Failure is an error to Deferreds, whichever way it comes
            elif not isinstance(outcome, Failure):
                discard(outcome)

        try:
            deferToThreadPool(self._reactor, self._pool, call, *args, **kwargs).addBoth(done)
        except RuntimeError:
            # The system gives no more threads.
            self._under_way -= 1
            return fail(Unavailable("The server cannot look at its disk now: the system gives it no more threads."))
        return within(self._reactor, DEADLINE, result, self._late)

    def _late(self) -> Exception:
        self._log.warn("the disk does not answer")
        return TimedOut(f"The disk did not answer within {DEADLINE:g} s.")
