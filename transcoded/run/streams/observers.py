"""Who is told of starts and ends: the log of Endings, metrics, events, webhooks.

They are isolated from each other and from the streams: one that raises is logged, and nothing else comes of it.
"""

from collections.abc import Callable
from typing import Protocol

from twisted.logger import Logger

from transcoded.plan.endings import Ending
from transcoded.run.streams.stream import Stream


class Observer(Protocol):
    """Whoever wants to be told. For each stream that was started: started, perhaps opened, ended."""

    def stream_started(self, stream: Stream) -> None:
        """Its process was started, or could not be: then its end is told next."""

    def stream_opened(self, stream: Stream) -> None:
        """Its first byte is there."""

    def stream_ended(self, ending: Ending) -> None:
        """Its Ending was recorded."""


class Observers:
    """All observers, told in the order in which they came."""

    _log = Logger()

    def __init__(self) -> None:
        self._observers: list[Observer] = []

    def add(self, observer: Observer) -> None:
        """Tell it from now on."""
        self._observers.append(observer)

    def started(self, stream: Stream) -> None:
        """Tell all of a start."""
        self._notify(lambda observer: observer.stream_started(stream))

    def opened(self, stream: Stream) -> None:
        """Tell all of a first byte."""
        self._notify(lambda observer: observer.stream_opened(stream))

    def ended(self, ending: Ending) -> None:
        """Tell all of an end."""
        self._notify(lambda observer: observer.stream_ended(ending))

    def _notify(self, call: Callable[[Observer], None]) -> None:
        for observer in list(self._observers):
            try:
                call(observer)
            except Exception:  # noqa: BLE001 - the fault of one observer must not cost a stream, or another observer's news
                self._log.failure("an observer of the streams failed: {observer}", observer=observer)
