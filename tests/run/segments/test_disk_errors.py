"""Errors of the disk: the operator is told, and not once for each segment."""

import errno

from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from transcoded.plan.errors import TimedOut
from transcoded.run.segments.disk_errors import AGAIN, REST, DiskErrors


def test_each_kind_is_told_once_an_hour_and_followed_by_a_rest() -> None:
    clock = Clock()
    errors = DiskErrors(clock, "/cache/segments")
    full, failing = OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EIO, "Input/output error")
    assert not errors.is_resting
    with capturedLogs() as events:
        for _ in range(5):
            errors.note(full, "written")
            assert errors.is_resting
            clock.advance(REST)
            assert not errors.is_resting
        errors.note(failing, "read")
        errors.note(TimedOut("The disk did not answer."), "read")
        assert len(events) == 3
        clock.advance(AGAIN)
        errors.note(full, "written")
    assert len(events) == 4
    assert events[0]["path"] == "/cache/segments"
    assert events[0]["detail"] == "cannot be written: No space left on device"
    assert errors.count == 8
