"""The ending log: what is asked after a complaint ("why did my film stop?"). It survives restarts, and a full disk costs lines only."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from twisted.logger import LogLevel, capturedLogs

from transcoded.plan.endings import Ending, Reason
from transcoded.run.files.private_directory import PrivateDirectory
from transcoded.run.streams.ending_log import NAME, EndingLog


def ending(number: int, tail: str = "") -> Ending:
    return Ending(
        id=f"{number:016x}",
        request_id="r",
        path="films/é\n.mkv",
        format="mp4",
        reason=Reason.CLIENT_GONE,
        exit_code=None,
        signal="SIGTERM",
        signals_sent=("SIGTERM", "SIGCONT"),
        kill_ms=12.5,
        duration_s=1.0,
        bytes_sent=7,
        client="192.0.2.1",
        started="2026-01-01T00:00:00.000Z",
        ended="2026-01-01T00:00:01.000Z",
        stderr_tail=tail,
    )


LINE = len(msgspec.json.encode(ending(0))) + 1


@pytest.fixture
def state(tmp_path: Path) -> Iterator[PrivateDirectory]:
    directory = PrivateDirectory.open(str(tmp_path))
    yield directory
    directory.close()


@pytest.fixture
def ending_log(state: PrivateDirectory) -> Iterator[EndingLog]:
    ending_log = EndingLog(state)
    yield ending_log
    ending_log.close()


def numbers(ending_log: EndingLog, most: int = 1000) -> list[int]:
    return [int(one.id, 16) for one in ending_log.load(most)]


def test_what_was_written_is_there_after_a_restart(state: PrivateDirectory, ending_log: EndingLog) -> None:
    for number in range(3):
        ending_log.stream_ended(ending(number, "stderr\nof two lines"))
    ending_log.close()
    again = EndingLog(state)
    assert list(again.load(10)) == [ending(number, "stderr\nof two lines") for number in range(3)]
    assert numbers(again, 2) == [1, 2], "the latest, oldest first"
    again.stream_ended(ending(3))
    again.close()
    assert numbers(again) == [0, 1, 2, 3]


def test_each_ending_is_a_line_of_its_own_that_others_can_read(tmp_path: Path, ending_log: EndingLog) -> None:
    ending_log.stream_ended(ending(1, "a\nb"))
    ending_log.stream_ended(ending(2))
    lines = (tmp_path / NAME).read_bytes().splitlines()
    assert [msgspec.json.decode(line)["reason"] for line in lines] == ["client-gone"] * 2
    assert (tmp_path / NAME).stat().st_mode & 0o077 == 0, "it tells who watched what"


def test_a_new_directory_has_no_past(ending_log: EndingLog) -> None:
    assert list(ending_log.load(10)) == []


def test_its_size_is_bounded_and_the_latest_are_kept(tmp_path: Path, state: PrivateDirectory) -> None:
    ending_log = EndingLog(state, max_bytes=10 * LINE)
    for number in range(1000):
        ending_log.stream_ended(ending(number))
    ending_log.close()
    assert sorted(os.listdir(tmp_path)) == [NAME, f"{NAME}.1"]
    assert all((tmp_path / name).stat().st_size <= 10 * LINE for name in os.listdir(tmp_path))
    kept = numbers(ending_log)
    assert kept[-1] == 999
    assert kept == list(range(kept[0], 1000))
    assert len(kept) > 10


def test_nor_does_it_grow_with_a_daemon_that_is_restarted_after_each_stream(
    tmp_path: Path, state: PrivateDirectory
) -> None:
    for number in range(100):
        ending_log = EndingLog(state, max_bytes=10 * LINE)
        ending_log.stream_ended(ending(number))
        ending_log.close()
    assert all((tmp_path / name).stat().st_size <= 10 * LINE for name in os.listdir(tmp_path))
    assert numbers(EndingLog(state, max_bytes=10 * LINE))[-1] == 99


@pytest.mark.parametrize(
    "damage",
    [b"nonsense\n", b"{}\n", b"\n\n", b'{"id": 5}\n', b"\x00" * 4096 + b"\n", b"\xff\xfe\n", b"[" * 100_000 + b"\n"],
    ids=["words", "empty", "blank lines", "other fields", "a power cut", "no text", "deep"],
)
def test_a_damaged_line_costs_this_line(tmp_path: Path, ending_log: EndingLog, damage: bytes) -> None:
    ending_log.stream_ended(ending(1))
    ending_log.close()
    with (tmp_path / NAME).open("ab") as file:
        file.write(damage)
    ending_log.stream_ended(ending(2))
    assert numbers(ending_log) == [1, 2]


def test_a_line_that_a_crash_cut_off_does_not_take_the_next_with_it(tmp_path: Path, ending_log: EndingLog) -> None:
    ending_log.stream_ended(ending(1))
    ending_log.stream_ended(ending(2))
    ending_log.close()
    os.truncate(tmp_path / NAME, (tmp_path / NAME).stat().st_size - 10)
    ending_log.stream_ended(ending(3))
    assert numbers(ending_log) == [1, 3]


def test_a_file_that_cannot_be_opened_costs_lines_and_one_warning_and_no_stream(
    tmp_path: Path, ending_log: EndingLog
) -> None:
    (tmp_path / NAME).mkdir()
    with capturedLogs() as logged:
        for number in range(3):
            ending_log.stream_ended(ending(number))
    assert [event["log_level"] for event in logged] == [LogLevel.warn]
    (tmp_path / NAME).rmdir()
    ending_log.stream_ended(ending(3))
    ending_log.close()
    assert numbers(ending_log) == [3], "and it goes on as soon as it can"


class FullDisk:
    """`os.write` as it is when the disk takes only `room` bytes more."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._write = os.write

    def __call__(self, fd: int, data: bytes) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self._write(fd, data[: self.room])
        self.room -= written
        return written


@pytest.mark.parametrize("room", [0, 1, 10, LINE - 1, LINE, LINE + 5])
def test_a_full_disk_costs_the_lines_that_found_no_room(
    ending_log: EndingLog, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    ending_log.stream_ended(ending(0))
    disk = FullDisk(room)
    monkeypatch.setattr(os, "write", disk)
    for number in range(1, 5):
        ending_log.stream_ended(ending(number))
    disk.room = 1 << 30
    ending_log.stream_ended(ending(5))
    ending_log.stream_ended(ending(6))
    monkeypatch.undo()
    assert numbers(ending_log) == [0, *range(1, (room + 1) // LINE + 1), 5, 6]  # a line without its end is completed


def test_starts_and_openings_are_not_written(tmp_path: Path, ending_log: EndingLog) -> None:
    ending_log.stream_started(object())
    ending_log.stream_opened(object())
    assert os.listdir(tmp_path) == []
