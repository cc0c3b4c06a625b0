"""What could not be made of a rendition, and for how long it is not tried again.

* After `MAX_FAILURES` encoders in a row that made no segment, every request fails at once for `COOL_DOWN` seconds.
* What an encoder that ran to the end could have made and has not is not in the file: a hole, or less of it than was promised.
  A request for it fails at once for as long, since a disk may just have been unreadable for a moment.
"""

from collections.abc import Callable

from transcoded.plan.errors import TranscodeFailed

MAX_FAILURES = 3
COOL_DOWN = 30.0


class Failures:
    """The memory of one rendition. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._count = 0
        self._absent: frozenset[int] = frozenset()
        self._failing_until = 0.0
        self._absent_until = 0.0

    @property
    def is_cooling(self) -> bool:
        """Whether encoders failed a moment ago."""
        return self._count > 0 and self._clock() < self._failing_until

    def refusal(self, number: int) -> TranscodeFailed | None:
        """Why this segment is not tried now; None if it is."""
        now = self._clock()
        if number in self._absent and now < self._absent_until:
            return absent()
        if self._count >= MAX_FAILURES and now < self._failing_until:
            return TranscodeFailed(f"This rendition failed {self._count} times in a row; try again in half a minute.")
        return None

    def made(self) -> None:
        """An encoder has made a segment."""
        self._count = 0

    def failed(self) -> None:
        """An encoder ended with an error and has made no segment."""
        self._count += 1
        self._failing_until = self._clock() + COOL_DOWN

    def finished(self, missing: frozenset[int]) -> None:
        """An encoder ran to the end, and these it could have made and has not."""
        self._count = 0
        self._absent = missing
        self._absent_until = self._clock() + COOL_DOWN


def absent() -> TranscodeFailed:
    """A segment that the file holds nothing for."""
    return TranscodeFailed("The file holds nothing for this segment.")
