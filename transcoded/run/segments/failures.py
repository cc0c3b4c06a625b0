"""The failures of a rendition: which segments could not be made, and for how long they are not tried again.

* After `MAX_FAILURES` encoders in a row without a segment, every request fails at once for `COOL_DOWN` seconds.
* A segment that an encoder has not made, though it ran to the end of the file, is absent: the file has a hole, or is shorter
  than announced. A request for it fails at once, but only for `COOL_DOWN` seconds: the disk may have been unreadable for a moment.
"""

from collections.abc import Callable, Container

import attrs

from transcoded.plan.errors import NoOutput, TranscodeFailed
from transcoded.run.segments.requests import INIT

MAX_FAILURES = 3
COOL_DOWN = 30.0


@attrs.frozen
class Missing:
    """What an encoder has not made, though it has passed it or ran to the end: of the segments `first` to `end` - 1 those not in `made`.

    If it began with segment 0, the init segment (`INIT`), too: every run writes it, but that it is missing is certain only if
    nothing was skipped before. The numbers are not listed: a file can claim hundreds of thousands.
    """

    first: int
    end: int
    made: Container[int]

    def __contains__(self, number: object) -> bool:
        """Whether the segment with this number is missing."""
        expected = isinstance(number, int) and (INIT if self.first == 0 else self.first) <= number < self.end
        return expected and number not in self.made


class Failures:
    """The failures of one rendition. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._count = 0
        self._absent: Container[int] = ()
        self._failing_until = 0.0
        self._absent_until = 0.0

    @property
    def is_cooling(self) -> bool:
        """Whether an encoder failed in the last `COOL_DOWN` seconds, and none has made a segment since."""
        return self._count > 0 and self._clock() < self._failing_until

    def is_absent(self, number: int) -> bool:
        """Whether an encoder has found nothing for this segment in the last `COOL_DOWN` seconds."""
        return number in self._absent and self._clock() < self._absent_until

    def refusal(self, number: int) -> TranscodeFailed | None:
        """The error if this segment is not tried now; None if it is tried."""
        now = self._clock()
        if self.is_absent(number):
            return absent()
        if self._count >= MAX_FAILURES and now < self._failing_until:
            return TranscodeFailed(f"This rendition failed {self._count} times in a row; try again in half a minute.")
        return None

    def made(self) -> None:
        """Record that an encoder has made a segment."""
        self._count = 0

    def failed(self) -> None:
        """Record that an encoder ended with an error, and has made no segment."""
        self._count += 1
        self._failing_until = self._clock() + COOL_DOWN

    def finished(self, missing: Container[int]) -> None:
        """Record that an encoder ran to the end of the file, and has not made these segments."""
        self._count = 0
        self.passed(missing)

    def passed(self, missing: Container[int]) -> None:
        """Record that an encoder has passed these segments, and has not made them: it goes on behind them."""
        self._absent = missing
        self._absent_until = self._clock() + COOL_DOWN


def absent() -> NoOutput:
    """The error for a segment for which the file has no data."""
    return NoOutput("The file holds nothing for this segment.")
