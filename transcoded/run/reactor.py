"""What this project asks of the reactor: one interface, one deadline, and one result that many may wait for."""

from collections.abc import Callable
from typing import Generic, NoReturn, TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore, IReactorFDSet, IReactorProcess, IReactorThreads, IReactorTime
from twisted.python.failure import Failure

T = TypeVar("T")


class IReactor(IReactorCore, IReactorFDSet, IReactorProcess, IReactorThreads, IReactorTime):
    """Descriptors, time, processes and threads: every reactor on a POSIX system."""


def as_reactor(reactor: object) -> IReactor:
    """The same object, for the type checker: Twisted declares the parts and has no name for the whole."""
    return cast(IReactor, reactor)


def ignore_result(_: object) -> None:
    """For a Deferred whose result is told elsewhere."""


def within(
    reactor: IReactorTime, seconds: float, waiting: "Deferred[T]", late: Callable[[], Exception]
) -> "Deferred[T]":
    """The same Deferred, which is cancelled after `seconds` and then fails with what `late()` makes.

    What cancelling means is the Deferred's own matter: one of a `OneShot` only stops waiting.
    """

    def too_late(result: object, timeout: float) -> NoReturn:
        raise late()

    return waiting.addTimeout(seconds, reactor, too_late)


class OneShot(Generic[T]):
    """A result that is given once and that any number may wait for.

    It is delivered in a later turn of the reactor, never from within `succeed` or `fail`: whoever gives a result can finish
    what it is doing before anybody reacts to it. Who comes after the result gets it in a later turn as well. A failure that
    nobody waits for is dropped; it is told elsewhere.

    `on_abandoned` is called when the last one who waited has stopped waiting (cancelled) before there was a result.
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
        """How many wait for the result or its delivery."""
        return len(self._waiting)

    def wait(self) -> "Deferred[T]":
        """Fires with the result. Cancelling it stops this one waiting and nothing else."""
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
        """Take the result of a Deferred, good or bad, when it comes."""
        source.addCallbacks(self.succeed, self.fail)

    def _decide(self, result: T | Failure) -> None:
        if self._result is None:
            self._result = (result,)
            if self._waiting:
                self._reactor.callLater(0, self._deliver)

    def _deliver(self) -> None:
        assert self._result is not None  # noqa: S101 - it is called after the result was given
        (result,) = self._result
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            # One may have been cancelled by another one's callback, in this very loop.
            if not waiter.called:
                waiter.callback(result)

    def _leave(self, waiter: "Deferred[T]") -> None:
        if waiter in self._waiting:
            self._waiting.remove(waiter)
            if not self._waiting and self._result is None and self._on_abandoned is not None:
                self._on_abandoned()
