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
from transcoded.run.reactor import IReactor

P = ParamSpec("P")
T = TypeVar("T")

DEADLINE = 20.0


class Threads:
    """The pool, at most `most` threads, made when they are needed."""

    _log = Logger()

    def __init__(self, reactor: IReactor, most: int = 16) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(0, most, "transcoded-disk")
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
        timer = self._reactor.callLater(DEADLINE, self._late, result)
        self._under_way += 1

        def done(outcome: "T | Failure") -> None:
            self._under_way -= 1
            if timer.active():
                timer.cancel()
            if result.called:
                if not isinstance(outcome, Failure):
                    discard(outcome)
                return
            if isinstance(outcome, Failure):
                result.errback(outcome)
            else:
                result.callback(outcome)

        try:
            deferToThreadPool(self._reactor, self._pool, call, *args, **kwargs).addBoth(done)
        except RuntimeError:
            # The system gives no more threads.
            self._under_way -= 1
            timer.cancel()
            return fail(Unavailable("The server cannot look at its disk now: the system gives it no more threads."))
        return result

    def _late(self, result: "Deferred[T]") -> None:
        if not result.called:
            self._log.warn("the disk does not answer")
            result.errback(TimedOut(f"The disk did not answer within {DEADLINE:g} s."))
