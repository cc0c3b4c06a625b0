"""Threads for calls that may block on a disk: a bounded pool of our own, with a deadline for each call.

A call that hangs (a network mount that does not answer) blocks its thread until the kernel returns. It blocks neither its
caller for longer than the deadline, nor the end of the program.
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

from transcoded.plan.errors import TimedOut, Unavailable, server_stopping
from transcoded.run.reactor import IReactor, within

P = ParamSpec("P")
T = TypeVar("T")

DEADLINE = 20.0
"""Seconds after which a call fails for its caller."""


class Threads:
    """A pool of at most `max_threads` threads, which are started when they are needed."""

    _log = Logger()

    def __init__(self, reactor: IReactor, max_threads: int = 16) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(0, max_threads, "transcoded-disk")
        # Daemon threads: a thread that hangs must not prevent the end of the interpreter.
        self._pool.threadFactory = partial(Thread, daemon=True)  # type: ignore[assignment]  # declared as the class itself
        self._running_calls = 0
        self._stopped = False

    def stop(self) -> None:
        """Refuse further calls. Threads that hang cannot be ended, and last until the program ends."""
        self._stopped = True
        if self._pool.started and not self._running_calls:
            self._pool.stop()

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
        if self._stopped:
            return fail(server_stopping())
        if not self._pool.started:
            self._pool.start()
        result: Deferred[T] = Deferred()
        self._running_calls += 1

        def done(outcome: "T | Failure") -> None:
            self._running_calls -= 1
            if not result.called:
                result.callback(outcome)  # a Deferred takes a Failure as an error
            elif not isinstance(outcome, Failure):
                discard(outcome)

        try:
            deferToThreadPool(self._reactor, self._pool, call, *args, **kwargs).addBoth(done)
        except RuntimeError:
            # The system has no thread left.
            self._running_calls -= 1
            return fail(Unavailable("The server cannot look at its disk now: the system gives it no more threads."))
        return within(self._reactor, DEADLINE, result, self._late)

    def _late(self) -> Exception:
        self._log.warn("the disk does not answer")
        return TimedOut(f"The disk did not answer within {DEADLINE:g} s.")
