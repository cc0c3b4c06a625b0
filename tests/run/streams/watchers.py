"""Viewings without encoders, for tests of what uses them."""

import attrs
from twisted.internet.defer import Deferred

from transcoded.plan.endings import Ending
from transcoded.run.files.leases import FileLeases
from transcoded.run.reactor import IReactor
from transcoded.run.streams.viewing import ViewerEnding, ViewerInfo
from transcoded.run.streams.viewings import Encoders, Viewings

IDLE = 60.0


@attrs.define
class Told:
    """An observer that keeps what it is told."""

    started: list[ViewerInfo] = attrs.Factory(list)
    ended: list[ViewerEnding] = attrs.Factory(list)

    def viewer_started(self, info: ViewerInfo) -> None:
        self.started.append(info)

    def viewer_ended(self, ending: ViewerEnding) -> None:
        self.ended.append(ending)

    @property
    def reasons(self) -> list[str]:
        return [ending.reason.value for ending in self.ended]


@attrs.define
class NoEncoders:
    """Nothing is made."""

    def stream_of(self, key: tuple[object, ...]) -> str | None:
        return None

    def withdraw(self, key: tuple[object, ...], client: str) -> None:
        pass

    def stop(self, key: tuple[object, ...]) -> "Deferred[Ending] | None":
        return None


def new_viewings(
    reactor: IReactor,
    encoders: Encoders | None = None,
    leases: FileLeases | None = None,
    told: Told | None = None,
) -> Viewings:
    """Viewings that end after a minute."""
    # Leases that are not taken count as false.
    found = FileLeases(reactor) if leases is None else leases
    return Viewings(reactor, encoders or NoEncoders(), found, IDLE, told or Told())
