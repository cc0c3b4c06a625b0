"""What this project needs of the reactor: one interface, one deadline, and one result that several callers may wait for."""

from collections.abc import Callable
from typing import Generic, NoReturn, TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore, IReactorFDSet, IReactorProcess, IReactorThreads, IReactorTime
from twisted.python.failure import Failure

T = TypeVar("T")


class IReactor(IReactorCore, IReactorFDSet, IReactorProcess, IReactorThreads, IReactorTime):
    """Descriptors, time, processes and threads: what every reactor on a POSIX system has."""


def as_reactor(reactor: object) -> IReactor:
    """The same object, typed: Twisted declares these interfaces, but none that has them all."""
    return cast(IReactor, reactor)


def ignore_result(_: object) -> None:
    """A callback for a Deferred whose result or failure is reported in another way."""


def within(
    reactor: IReactorTime, seconds: float, waiting: "Deferred[T]", late: Callable[[], Exception]
) -> "Deferred[T]":
    """The same Deferred with a deadline: after `seconds` it is cancelled, and fails with the exception that `late()` makes.

    What the cancellation does depends on the Deferred: one of a `OneShot` only stops waiting.
    """

    def too_late(result: object, timeout: float) -> NoReturn:
        raise late()

    return waiting.addTimeout(seconds, reactor, too_late)


PORTION = 16
"""Waiters that get a result in one turn of the reactor. What they do with it may take a millisecond for each."""


class OneShot(Generic[T]):
    """A result that is given once, and that any number of callers may wait for.

    It is delivered in a later turn of the reactor, never from within `succeed` or `fail`: the code that gives the result
    finishes before any waiter reacts to it. In one turn `PORTION` of them get it, in their order, so that others are served
    in between. A caller of `wait` after the result was given gets it in a later turn, too. A
    failure for which nobody waits is dropped; whoever gives it must report it in another way if it matters.

    `on_abandoned` is called when the last waiter is cancelled before there is a result.
    """

    def __init__(self, reactor: IReactorTime, on_abandoned: Callable[[], object] | None = None) -> None:
        self._reactor = reactor
        self._on_abandoned = on_abandoned
        self._waiting: list[Deferred[T]] = []
        self._result: tuple[T | Failure] | None = None

    @property
    def is_decided(self) -> bool:
        """Whether the result has been given."""
        return self._result is not None

    @property
    def waiting(self) -> int:
        """The number of callers that wait for the result, or for its delivery."""
        return len(self._waiting)

    def wait(self) -> "Deferred[T]":
        """Fires with the result. Cancelling it ends this wait and nothing else."""
        waiter: Deferred[T] = Deferred(self._leave)
        self._waiting.append(waiter)
        if self._result is not None and len(self._waiting) == 1:
            self._reactor.callLater(0, self._deliver)
        return waiter

    def succeed(self, value: T) -> None:
        """Give the result. Only the first result counts."""
        self._decide(value)

    def fail(self, problem: BaseException | Failure) -> None:
        """Give a failure instead. Only the first result counts."""
        self._decide(problem if isinstance(problem, Failure) else Failure(problem))

    def follow(self, source: "Deferred[T]") -> None:
        """Take over the result of a Deferred, a value or a failure, when it fires."""
        source.addCallbacks(self.succeed, self.fail)

    def _decide(self, result: T | Failure) -> None:
        if self._result is None:
            self._result = (result,)
            if self._waiting:
                self._reactor.callLater(0, self._deliver)

    def _deliver(self) -> None:
        assert self._result is not None  # noqa: S101 - it is scheduled when the result has been given
        (result,) = self._result
        waiting, self._waiting = self._waiting[:PORTION], self._waiting[PORTION:]
        if self._waiting:
            self._reactor.callLater(0, self._deliver)
        for waiter in waiting:
            # The callback of one waiter may have cancelled another one, in this same loop.
            if not waiter.called:
                waiter.callback(result)

    def _leave(self, waiter: "Deferred[T]") -> None:
        if waiter in self._waiting:
            self._waiting.remove(waiter)
            if not self._waiting and self._result is None and self._on_abandoned is not None:
                self._on_abandoned()
