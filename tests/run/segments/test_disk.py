"""The disk tier: what was made is found after a restart, and a disk that is slow or fails holds nobody up."""

import errno
import os
from collections.abc import Callable

import attrs
import pytest
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from tests.plan.examples import MEDIA
from tests.run.fakes import new_file, result_of
from tests.run.segments.disk_world import DATA, ROOM, SOURCE, DiskWorld
from tests.run.segments.world import SMALL
from transcoded.run.files.private_directory import PrivateDirectory
from transcoded.run.segments.disk import PATIENCE, SCANNED_WITHIN, SLOW
from transcoded.run.segments.disk_errors import REST
from transcoded.run.segments.disk_files import cost
from transcoded.run.segments.encoder import Source
from transcoded.run.segments.requests import INIT

New = Callable[..., DiskWorld]
EACH = cost(len(DATA))


def again(disks: New, disk: DiskWorld, **more: int) -> DiskWorld:
    """The tier of the next daemon."""
    disk.close()
    return disks(**more)


def test_what_was_made_is_found_after_a_restart(disks: New, disk: DiskWorld) -> None:
    disk.put(INIT, 0, 1)
    disk.put(0, data=b"smaller", source=Source(new_file(), MEDIA, SMALL))
    later = again(disks, disk).start()
    assert [result_of(later.get(number)) for number in (INIT, 0, 1, 2)] == [DATA, DATA, DATA, None]
    assert result_of(later.get(0, Source(new_file(), MEDIA, SMALL))) == b"smaller"
    changed = attrs.evolve(new_file(), version=attrs.evolve(new_file().version, mtime_ns=2))
    assert result_of(later.get(0, Source(changed, MEDIA, SOURCE.rendition))) is None
    assert (later.tier.hits, later.tier.misses, len(later.tier)) == (4, 2, 4)
    assert later.memory.get((*SOURCE.key, 0)) == DATA


def test_what_is_not_there_costs_no_thread(disk: DiskWorld) -> None:
    disk.put(0)
    before = disk.threads.count
    assert result_of(disk.get(1)) is None
    assert disk.threads.count == before


def test_a_damaged_segment_is_made_anew_and_kept_again(disks: New, disk: DiskWorld) -> None:
    disk.put(0)
    (name,) = disk.names
    later = again(disks, disk).start()
    place = later.path / name
    place.write_bytes(place.read_bytes()[:-1] + b"?")
    assert result_of(later.get(0)) is None
    assert (later.tier.damaged, later.tier.weight, later.names) == (1, 0, [])
    later.put(0)
    assert result_of(later.get(0)) == DATA


def test_a_smaller_quota_holds_from_the_start(disks: New, disk: DiskWorld) -> None:
    disk.put(*range(8))
    for age, number in enumerate(range(8)):
        name = disk.names[number]
        os.utime(disk.path / name, (1000 + age, 1000 + age))
    last = disk.names[-2:]
    later = again(disks, disk, quota=2 * EACH).start()
    assert later.names == last
    assert later.taken <= later.tier.weight == 2 * EACH


def test_before_it_is_known_what_is_there_the_disk_is_asked_and_nothing_is_written(disks: New, disk: DiskWorld) -> None:
    """A large directory takes a while, and players do not wait for it."""
    disk.put(*range(4))
    for age, name in enumerate(disk.names):
        os.utime(disk.path / name, (1000 + age, 1000 + age))
    later = again(disks, disk, quota=4 * EACH)
    assert result_of(later.get(0)) == DATA
    assert result_of(later.get(9)) is None
    later.put(8)
    assert len(later.names) == 4
    later.start()
    assert len(later.names) == 4
    assert result_of(later.get(8)) == DATA, "what came meanwhile was written then"
    assert result_of(later.get(0)) == DATA, "what was used meanwhile is not the next to go"


def test_who_waits_for_a_slow_disk_has_it_made_and_it_is_in_memory_later(disk: DiskWorld) -> None:
    disk.put(0)
    disk.threads.held = True
    waiting = disk.get(0)
    assert not waiting.called
    disk.machine.advance(PATIENCE)
    assert result_of(waiting) is None
    disk.threads.release()
    disk.machine.turn()
    assert disk.memory.get((*SOURCE.key, 0)) == DATA
    assert disk.tier.hits == 0


def test_all_that_ask_for_one_segment_wait_for_one_reading(disk: DiskWorld) -> None:
    disk.put(0)
    disk.threads.held = True
    waiting = [disk.get(0) for _ in range(20)]
    assert len(disk.threads.calls) == 1
    disk.threads.release()
    disk.machine.turn()
    disk.machine.turn()
    assert [result_of(one) for one in waiting] == [DATA] * 20


def test_a_disk_that_does_not_answer_is_left_alone_for_a_while(disk: DiskWorld) -> None:
    """Else each segment of each viewer comes later, by the patience."""
    disk.put(*range(SLOW + 2))
    disk.threads.held = True
    with capturedLogs() as events:
        for number in range(SLOW):
            waiting = disk.get(number)
            disk.machine.advance(PATIENCE)
            assert result_of(waiting) is None
        assert result_of(disk.get(SLOW)) is None, "at once"
    assert len([event for event in events if "too slow" in event.get("detail", "")]) == 1
    assert len(disk.threads.calls) == SLOW
    disk.threads.release()
    disk.machine.advance(REST)
    assert result_of(disk.get(SLOW)) == DATA


def test_who_leaves_while_the_disk_is_read_costs_nothing(disk: DiskWorld) -> None:
    disk.put(0)
    disk.threads.held = True
    waiting = disk.get(0)
    waiting.addErrback(lambda _: None)
    waiting.cancel()
    disk.threads.release()
    disk.machine.turn()
    assert result_of(disk.get(0)) == DATA


def test_an_error_while_reading_has_the_segment_made(disk: DiskWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.put(0)

    def fail(self: PrivateDirectory, name: str, flags: int) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.MonkeyPatch.context() as patch, capturedLogs() as events:
        patch.setattr(PrivateDirectory, "open_file", fail)
        assert result_of(disk.get(0)) is None
    assert [event["detail"] for event in events if "detail" in event] == ["cannot be read: Input/output error"]
    assert disk.tier.errors == 1


def test_a_directory_that_cannot_be_listed_is_tried_again(disks: New, disk: DiskWorld) -> None:
    disk.put(0)
    later = again(disks, disk)

    def fail(self: PrivateDirectory) -> list[str]:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.MonkeyPatch.context() as patch, capturedLogs():
        patch.setattr(PrivateDirectory, "names", fail)
        later.start()
    assert len(later.tier) == 0
    later.machine.advance(REST)
    assert len(later.tier) == 1
    assert result_of(later.get(0)) == DATA


def test_a_stop_leaves_no_timer(disks: New, disk: DiskWorld) -> None:
    later = again(disks, disk)
    with pytest.MonkeyPatch.context() as patch, capturedLogs():
        patch.setattr(PrivateDirectory, "names", lambda self: os.listdir("/nowhere"))
        later.start()
    assert later.machine.timers
    later.tier.stop()
    assert not later.machine.timers


def test_whether_a_segment_is_there_is_known_without_reading_it(disks: New, disk: DiskWorld) -> None:
    def has(world: DiskWorld, number: int) -> "Deferred[bool]":
        found = Deferred.fromCoroutine(world.tier.has(SOURCE, number))
        world.machine.turn()
        return found

    disk.put(0)
    assert [result_of(has(disk, number)) for number in (0, 1)] == [True, False]
    later = again(disks, disk)
    waiting = has(later, 0)
    later.start()
    assert result_of(waiting) is True
    third = again(disks, later, quota=ROOM)
    waiting = has(third, 0)
    third.machine.advance(SCANNED_WITHIN)
    assert result_of(waiting) is False, "the disk does not say"
