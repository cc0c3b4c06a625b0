"""What is to be made in advance, and how far it is: the values that the API and the events have."""

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum

import attrs
import msgspec

from transcoded.run.files.library import MediaFile
from transcoded.run.segments.encoder import Source


class PrepareState(StrEnum):
    """The state of a prepare. The set is closed and part of the HTTP contract."""

    WAITING = "waiting"
    """Another one runs."""
    RUNNING = "running"
    PAUSED = "paused"
    """It has given way, or something is missing for the moment. It goes on by itself."""
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether it is the last one."""
        return self in {PrepareState.DONE, PrepareState.FAILED, PrepareState.CANCELLED}


class PrepareInfo(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """A prepare, as in the API.

    `from` and `seconds` are in seconds of the file. `done` and `total` are numbers of segments of all its renditions, those that
    were there before included. `bytes` is about how many they take. `reason` says why it is paused, or has not been done.
    """

    id: str
    path: str
    renditions: tuple[str, ...]
    from_: float
    seconds: float
    done: int
    total: int
    bytes: int
    state: PrepareState
    reason: str | None


@attrs.frozen
class Part:
    """The segments `first` to `end` - 1 of one rendition."""

    source: Source
    first: int
    end: int

    @property
    def seconds(self) -> float:
        """Their length in seconds."""
        timeline = self.source.rendition.timeline
        return float(timeline.seconds(timeline.span(self.end - 1)[1] - timeline.span(self.first)[0]))

    @property
    def bytes(self) -> int:
        """The bytes that they take, if their rendition has the rate that its playlist announces."""
        return round(self.source.rendition.average * self.seconds / 8)


@attrs.frozen
class Wanted:
    """What is to be prepared. `load` finds the parts when their turn has come, since they may be large.

    `check` raises `Gone` or `NotFound` if the file has changed since; so does `load`.
    """

    file: MediaFile
    renditions: tuple[str, ...]
    start: float
    seconds: float
    total: int
    bytes: int
    load: Callable[[], Awaitable[Sequence[Part]]]
    check: Callable[[], Awaitable[None]]
