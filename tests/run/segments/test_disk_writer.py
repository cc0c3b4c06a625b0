"""Writing segments: within the quota, one at a time, and never at the cost of who watches."""

import errno
import os
from collections.abc import Callable

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from tests.run.fakes import result_of
from tests.run.segments.disk_world import DATA, SOURCE, DiskWorld
from transcoded.plan.errors import Unavailable
from transcoded.run.files.private_directory import PrivateDirectory
from transcoded.run.segments import disk_writer
from transcoded.run.segments.disk_errors import REST
from transcoded.run.segments.disk_files import cost
from transcoded.run.segments.disk_writer import STORED_WITHIN

New = Callable[..., DiskWorld]
EACH = cost(len(DATA))


def test_the_quota_holds_and_the_least_recently_used_goes(disks: New) -> None:
    disk = disks(quota=3 * EACH).start()
    disk.put(0, 1, 2)
    assert result_of(disk.get(0)) == DATA
    disk.put(3, 4)
    assert len(disk.names) == 3
    assert disk.taken <= disk.tier.weight == 3 * EACH
    assert [result_of(disk.get(number)) is not None for number in range(5)] == [True, False, False, True, True]


def test_what_is_larger_than_the_quota_drives_nobody_out(disks: New) -> None:
    disk = disks(quota=2 * EACH).start()
    disk.put(0)
    disk.put(1, data=bytes(3 * EACH))
    assert (len(disk.names), disk.tier.dropped) == (1, 1)


def test_what_is_there_is_not_written_again(disk: DiskWorld) -> None:
    disk.put(0)
    before = disk.path.joinpath(disk.names[0]).stat().st_ino
    disk.put(0)
    assert disk.path.joinpath(disk.names[0]).stat().st_ino == before


def test_while_too_much_waits_for_the_disk_nothing_more_is_held(
    disk: DiskWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow disk would fill the memory."""
    monkeypatch.setattr(disk_writer, "MAX_QUEUED", 3 * len(DATA))
    disk.threads.held = True
    disk.put(*range(10))
    assert disk.tier.dropped == 6, "one is being written, and three wait"
    disk.threads.release()
    disk.machine.turn()
    assert len(disk.names) == 4


def full_disk(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A disk without room; the names of what was to be written."""
    tried: list[str] = []

    def fail(self: PrivateDirectory, name: str, data: bytes) -> None:
        tried.append(name)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(PrivateDirectory, "create", fail)
    return tried


def test_a_full_disk_is_told_once_and_left_alone_for_a_while(disk: DiskWorld) -> None:
    with capturedLogs() as events, pytest.MonkeyPatch.context() as patch:
        tried = full_disk(patch)
        disk.put(*range(5))
        disk.put(5)
        assert len(tried) == 1
        disk.machine.advance(REST)
        disk.put(6)
        assert len(tried) == 2
    assert [event["detail"] for event in events if "detail" in event] == ["cannot be written: No space left on device"]
    disk.machine.advance(REST)
    disk.put(7)
    assert len(disk.names) == 1
    assert (disk.tier.errors, disk.tier.dropped) == (2, 7)
    assert disk.tier.weight == EACH


def test_what_cannot_be_removed_still_counts(disks: New) -> None:
    disk = disks(quota=2 * EACH).start()
    disk.put(0, 1)
    for name in disk.names:
        place = disk.path / name
        place.unlink()
        place.mkdir()
    disk.put(2)
    assert disk.tier.weight == 2 * EACH
    assert disk.tier.errors == 1


def test_a_write_that_hangs_is_waited_for_by_the_next_one(disk: DiskWorld) -> None:
    """Two at a time could exceed the quota, and each would keep one more thread."""
    disk.put(0)
    disk.threads.held = True
    disk.put(1)
    come_back = disk.threads.hang()
    disk.machine.advance(REST)
    disk.put(2)
    assert not disk.threads.calls, "the next one has not begun"
    come_back()
    disk.machine.turn()
    disk.threads.release()
    disk.machine.turn()
    assert len(disk.names) == 3


def test_a_write_that_has_not_begun_in_time_is_not_made_later(disk: DiskWorld) -> None:
    """By then others have been removed for it, or it has been written by another call."""
    disk.put(0)
    disk.threads.held = True
    disk.put(1)
    disk.threads.give_up()
    disk.machine.turn()
    disk.threads.release()
    disk.machine.turn()
    assert len(disk.names) == 1
    assert disk.tier.weight == EACH


def test_whoever_stores_a_segment_is_told_whether_it_is_there(disk: DiskWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def store(number: int) -> "Deferred[bool]":
        stored = Deferred.fromCoroutine(disk.tier.store(SOURCE, number, DATA))
        disk.machine.turn()
        return stored

    assert result_of(store(0)) is True
    assert result_of(store(0)) is True
    disk.threads.held = True
    hanging = store(1)
    disk.machine.advance(STORED_WITHIN)
    assert result_of(hanging) is False
    disk.threads.release()
    disk.machine.turn()
    with pytest.MonkeyPatch.context() as patch:
        full_disk(patch)
        assert result_of(store(2)) is False
        assert result_of(store(3)) is False
    disk.machine.advance(REST)
    waiting = store(4)
    assert result_of(waiting) is True
    disk.threads.held = True
    first, second = store(5), store(6)
    disk.tier.stop()
    disk.machine.turn()
    assert result_of(second) is False
    disk.threads.release()
    disk.machine.turn()
    assert result_of(first) is True
    assert result_of(store(7)) is False


def test_a_thread_that_cannot_be_had_costs_the_segment_alone(disk: DiskWorld) -> None:
    disk.put(0)
    disk.threads.held = True
    disk.put(1)
    disk.threads.calls.pop(0)[2].errback(Unavailable("no thread"))
    disk.threads.release()
    disk.machine.turn()
    assert (len(disk.names), disk.tier.weight, disk.tier.dropped) == (1, EACH, 1)
