"""Observers of the streams: they are informed of starts and ends. The ending log, metrics, events and webhooks are such.

They are isolated from each other and from the streams: an exception of one is logged, and has no other effect.
"""

from collections.abc import Callable
from typing import Protocol

from twisted.logger import Logger

from transcoded.plan.endings import Ending
from transcoded.run.streams.stream import Stream


class Observer(Protocol):
    """What is called for each stream, in this order: started, opened if there is output, ended."""

    def stream_started(self, stream: Stream) -> None:
        """Its process was started; or it could not be started, and `stream_ended` is called next."""

    def stream_opened(self, stream: Stream) -> None:
        """It has output: the first byte."""

    def stream_ended(self, ending: Ending) -> None:
        """It has ended, and this Ending is recorded."""


class Observers:
    """All observers. They are called in the order in which they were added."""

    _log = Logger()

    def __init__(self) -> None:
        self._observers: list[Observer] = []

    def add(self, observer: Observer) -> None:
        """Call this observer from now on."""
        self._observers.append(observer)

    def started(self, stream: Stream) -> None:
        """Call `stream_started` of all."""
        self._notify(lambda observer: observer.stream_started(stream))

    def opened(self, stream: Stream) -> None:
        """Call `stream_opened` of all."""
        self._notify(lambda observer: observer.stream_opened(stream))

    def ended(self, ending: Ending) -> None:
        """Call `stream_ended` of all."""
        self._notify(lambda observer: observer.stream_ended(ending))

    def _notify(self, call: Callable[[Observer], None]) -> None:
        for observer in list(self._observers):
            try:
                call(observer)
            except Exception:  # noqa: BLE001 - an error of one observer must harm neither a stream nor another observer
                self._log.failure("an observer of the streams failed: {observer}", observer=observer)
