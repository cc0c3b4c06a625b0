"""Observers: the fault of one is nobody else's. That a stream loses nothing by it is in `test_registry`."""

from typing import cast

from tests.conftest import Errors
from transcoded.plan.endings import Ending
from transcoded.run.streams.observers import Observers
from transcoded.run.streams.stream import Stream

STREAM = cast(Stream, object())
ENDING = cast(Ending, object())


class Listener:
    """Notes what it is told, and raises each time if it is `broken`."""

    def __init__(self, *, broken: bool = False) -> None:
        self.told: list[tuple[str, object]] = []
        self._broken = broken

    def _note(self, what: str, of: object) -> None:
        self.told.append((what, of))
        if self._broken:
            raise ZeroDivisionError

    def stream_started(self, stream: Stream) -> None:
        self._note("started", stream)

    def stream_opened(self, stream: Stream) -> None:
        self._note("opened", stream)

    def stream_ended(self, ending: Ending) -> None:
        self._note("ended", ending)


def test_all_are_told_whatever_one_of_them_does(logged_errors: Errors) -> None:
    """An error in a webhook must not leave the dashboard with a stream that never ends."""
    observers, listeners = Observers(), [Listener(), Listener(broken=True), Listener()]
    for listener in listeners:
        observers.add(listener)
    observers.started(STREAM)
    observers.opened(STREAM)
    observers.ended(ENDING)
    expected = [("started", STREAM), ("opened", STREAM), ("ended", ENDING)]
    assert [listener.told for listener in listeners] == [expected] * 3
    assert len(logged_errors.flush()) == 3, "and each fault is in the log"
