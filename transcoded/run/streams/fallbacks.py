"""What becomes of an encode whose hardware fails: the next chain is tried, those who want to know are told, and what has failed is remembered (`EngineHealth`)."""

from collections.abc import Callable, Sequence

import msgspec
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from transcoded.plan.endings import Ending, Reason
from transcoded.plan.http.names import written
from transcoded.plan.media.capabilities import EngineName
from transcoded.plan.media.engine_health import EngineHealth, Shape
from transcoded.plan.media.hardware import Chain
from transcoded.run.streams.stream import Stream

PATIENCE = 10.0
"""Seconds in which a chain of hardware has to give its first byte. To open a card takes up to three."""

_FAILURES = frozenset({Reason.FAILED, Reason.HUNG})
"""Reasons for which another chain is tried. For all others nobody wants the output any more."""

_log = Logger()


class Fallback(msgspec.Struct, frozen=True, kw_only=True):
    """A chain has failed, and another one goes on. `chain` and `next` are their names, `stream_id` is that of the failed process, `why` what it said last."""

    stream_id: str
    path: str
    format: str
    engine: EngineName
    chain: str
    next: str
    limited: bool
    why: str


class Fallbacks:
    """Chooses chains, and judges how they have ended. `tell` is called with each fallback."""

    def __init__(self, reactor: IReactorTime, tell: Sequence[Callable[[Fallback], object]] = ()) -> None:
        self._reactor = reactor
        self._tell = tuple(tell)
        self.health = EngineHealth(reactor.seconds)

    def watch(self, stream: Stream, chain: Chain) -> None:
        """A process of this chain has started: count it, and end it if it gives nothing in time."""
        if chain.is_software:
            return
        self.health.started(chain)
        late = self._reactor.callLater(PATIENCE, stream.end, Reason.HUNG)

        def in_time(result: object) -> object:
            if late.active():
                late.cancel()
            return result

        def ended(ending: Ending) -> Ending:
            in_time(None)
            self.health.ended(chain)
            return ending

        stream.when_open().addCallbacks(in_time, lambda _: None)
        stream.when_ended().addCallback(ended)

    @staticmethod
    def is_failure(chain: Chain, ending: Ending) -> bool:
        """Whether hardware has failed in a way after which another chain is tried."""
        return not chain.is_software and ending.reason in _FAILURES

    def fell_back(self, path: str, ending: Ending, shape: Shape, chain: Chain, other: Chain) -> None:
        """`other` goes on where `chain` has failed. It has given output, or goes on in the middle."""
        was_failure = self.health.failed(chain, shape, ending.stderr_tail)
        said = [line for line in ending.stderr_tail.splitlines() if line.strip()]
        told = Fallback(
            stream_id=ending.id,
            path=written(path),
            format=ending.format,
            engine=chain.engine,
            chain=chain.name,
            next=other.name,
            limited=not was_failure,
            why=(
                said[0] if said else "it gave no output in time" if ending.reason is Reason.HUNG else "it said nothing"
            )[:300],
        )
        _log.warn(
            "{path}: {chain} {how}, {next} goes on: {why}",
            path=told.path,
            chain=told.chain,
            how="is full" if told.limited else "has failed",
            next=told.next,
            why=told.why,
        )
        for listener in self._tell:
            listener(told)

    def too_slow(self, path: str, chain: Chain, shape: Shape, speed: float) -> None:
        """A chain makes less film than is watched, `speed` seconds in a second, and another one goes on."""
        self.health.too_slow(chain, shape)
        _log.warn(
            "{path}: {chain} makes {speed:.2f} times what is watched; another chain goes on",
            path=written(path),
            chain=chain.name,
            speed=speed,
        )
