"""What is remembered of files. A wrong memory would cut a film at places where there is no keyframe, for as long as it exists."""

import os
from array import array
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, capturedLogs

from tests.plan.examples import MEDIA, media
from tests.run.fakes import Machine, PromptThreads, StillThreads, new_file, result_after_turn
from transcoded.plan.media.probe import Media
from transcoded.plan.media.timeline.packets import PacketScan
from transcoded.run.files.library import MediaFile
from transcoded.run.files.private_directory import PrivateDirectory
from transcoded.run.media import file_memory
from transcoded.run.media.file_memory import NAME, PATIENCE, FileMemory
from transcoded.run.reactor import as_reactor

FILE = new_file(size=MEDIA.size)
SCAN = PacketScan(
    start=Fraction(1, 25),
    keyframes=array("q", (-40_000, 2_000_000, 1 << 40)),
    offsets=array("q", (0, 5000, 1 << 33, 1 << 34)),
    reorder=3,
    end=59.5,
    restarts=True,
    delay=80_000,
    leading=True,
)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[PrivateDirectory]:
    directory = PrivateDirectory.open(str(tmp_path / "state"))
    yield directory
    directory.close()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "state" / NAME


def memory(machine: Machine, state: PrivateDirectory | None, *made_with: object, **limits: int) -> FileMemory:
    return FileMemory(as_reactor(machine), state, PromptThreads(), made_with or ("ffprobe 9.0",), **limits)


def media_of(machine: Machine, one: FileMemory, file: MediaFile = FILE) -> Media | None:
    found = result_after_turn(machine, Deferred.fromCoroutine(one.media(file)))
    assert found is None or isinstance(found, Media)
    return found


def scan_of(machine: Machine, one: FileMemory, file: MediaFile = FILE) -> PacketScan | None:
    found = result_after_turn(machine, Deferred.fromCoroutine(one.scan(file)))
    assert found is None or isinstance(found, PacketScan)
    return found


def test_the_next_daemon_knows_what_this_one_has_found_out(machine: Machine, state: PrivateDirectory) -> None:
    first = memory(machine, state)
    assert media_of(machine, first) is None
    first.keep(FILE, MEDIA)
    first.keep(FILE, SCAN)
    later = memory(machine, state)
    assert media_of(machine, later) == MEDIA
    assert scan_of(machine, later) == SCAN


@given(media())
def test_all_that_a_file_can_contain_is_remembered(found: Media) -> None:
    data = file_memory._packed(found)
    assert file_memory._unpacked(data, Media) == found


@given(st.binary(max_size=200))
def test_anything_else_is_not(data: bytes) -> None:
    assert file_memory._unpacked(data, Media) is None


@pytest.mark.parametrize(
    "other",
    [
        attrs.evolve(FILE, real_path="/srv/films/other.mkv"),
        *(
            attrs.evolve(FILE, version=attrs.evolve(FILE.version, **{name: 77}))
            for name in ("device", "inode", "mtime_ns")
        ),
    ],
    ids=["path", "device", "inode", "time"],
)
def test_another_file_or_version_is_not_known(machine: Machine, state: PrivateDirectory, other: MediaFile) -> None:
    first = memory(machine, state)
    first.keep(FILE, MEDIA)
    assert media_of(machine, first, other) is None


def test_another_ffprobe_may_find_something_else(machine: Machine, state: PrivateDirectory) -> None:
    memory(machine, state, "ffprobe 8.1").keep(FILE, MEDIA)
    assert media_of(machine, memory(machine, state, "ffprobe 9.0")) is None


def test_nobody_else_can_read_it_and_it_says_no_path(machine: Machine, state: PrivateDirectory, place: Path) -> None:
    memory(machine, state).keep(FILE, MEDIA)
    (entry,) = place.iterdir()
    assert place.stat().st_mode & 0o077 == 0
    assert entry.stat().st_mode & 0o177 == 0
    assert b"films" not in entry.name.encode() + entry.read_bytes()


@pytest.mark.parametrize("change", ["cut", "flipped", "empty", "link", "long"])
def test_what_a_crash_or_somebody_has_left_is_ignored(
    machine: Machine, state: PrivateDirectory, place: Path, change: str
) -> None:
    first = memory(machine, state)
    first.keep(FILE, SCAN)
    (entry,) = place.iterdir()
    data = entry.read_bytes()
    match change:
        case "cut":
            entry.write_bytes(data[:-3])
        case "flipped":
            entry.write_bytes(data[:40] + bytes([data[40] ^ 1]) + data[41:])
        case "empty":
            entry.write_bytes(b"")
        case "link":
            entry.unlink()
            entry.symlink_to("/etc/passwd")
        case _:
            entry.write_bytes(data * 10_000)
    later = memory(machine, state)
    with capturedLogs():
        assert scan_of(machine, later) is None
    later.keep(FILE, SCAN)
    assert scan_of(machine, later) == SCAN


def test_what_was_not_finished_is_removed(machine: Machine, state: PrivateDirectory, place: Path) -> None:
    memory(machine, state).keep(FILE, MEDIA)
    (place / "abc.new").write_bytes(b"x")
    assert media_of(machine, memory(machine, state)) == MEDIA
    assert len(list(place.iterdir())) == 1


@pytest.mark.parametrize("limits", [{"max_entries": 3}, {"max_bytes": 2600}], ids=["number", "bytes"])
def test_it_is_bounded_and_what_was_not_used_for_long_goes_first(
    machine: Machine, state: PrivateDirectory, place: Path, limits: dict[str, int]
) -> None:
    one = memory(machine, state, **limits)
    files = [new_file(f"{number}.mkv", size=MEDIA.size) for number in range(4)]
    for number, file in enumerate(files[:3]):
        one.keep(file, MEDIA)
        os.utime(max(place.iterdir(), key=lambda entry: entry.stat().st_mtime_ns), ns=(0, number))
    assert media_of(machine, one, files[0]) == MEDIA
    one.keep(files[3], MEDIA)
    kept = [file for file in files if media_of(machine, memory(machine, state, **limits), file) == MEDIA]
    assert files[1] not in kept
    assert {files[0].path, files[3].path} <= {file.path for file in kept}
    assert sum(entry.stat().st_size for entry in place.iterdir()) <= limits.get("max_bytes", 1 << 20)
    assert len(list(place.iterdir())) <= limits.get("max_entries", 100)


def test_what_is_too_long_is_not_written(machine: Machine, state: PrivateDirectory, place: Path) -> None:
    one = memory(machine, state)
    one.keep(FILE, attrs.evolve(SCAN, keyframes=array("q", range(100_000))))
    assert scan_of(machine, one) is None
    assert not place.exists() or list(place.iterdir()) == []


def test_without_a_state_directory_nothing_is_remembered(machine: Machine) -> None:
    one = memory(machine, None)
    one.keep(FILE, MEDIA)
    assert media_of(machine, one) is None


def test_a_memory_that_does_not_answer_is_done_without(machine: Machine, state: PrivateDirectory) -> None:
    """A state directory on a network mount that hangs must not keep anybody from a film on another disk."""
    one = FileMemory(as_reactor(machine), state, StillThreads())
    waiting = Deferred.fromCoroutine(one.media(FILE))
    with capturedLogs() as logged:
        machine.advance(PATIENCE)
        assert result_after_turn(machine, waiting) is None
    assert [event["log_level"] for event in logged] == [LogLevel.warn]
    assert media_of(machine, one) is None, "at once"


def test_a_disk_that_is_full_costs_a_warning(machine: Machine, state: PrivateDirectory, place: Path) -> None:
    place.write_bytes(b"")
    one = memory(machine, state)
    with capturedLogs() as logged:
        one.keep(FILE, MEDIA)
        assert media_of(machine, one) is None
    assert [event["log_level"] for event in logged] == [LogLevel.warn]
