"""What an operator is told of files that cannot be read: each once, and no more lines than anybody can read."""

from collections.abc import Iterator
from typing import cast

import pytest
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher

from transcoded.plan.errors import DiskFailed, NotFound, Unreadable
from transcoded.run.files.complaints import AGAIN, PER_WINDOW, WINDOW, Complaints


class Clock:
    """A clock that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def lines() -> Iterator[list[str]]:
    found: list[str] = []

    def note(event: LogEvent) -> None:
        if event["log_level"].name == "warn":
            found.append(formatEvent(event))

    globalLogPublisher.addObserver(cast(ILogObserver, note))
    yield found
    globalLogPublisher.removeObserver(cast(ILogObserver, note))


def test_each_file_is_told_once_in_a_while(lines: list[str]) -> None:
    clock = Clock()
    complaints = Complaints(clock)
    for _ in range(3):
        complaints.note(Unreadable("films/a.mkv"))
        complaints.note(DiskFailed("films/b.mkv", "Input/output error"))
    assert ["films/a.mkv" in line for line in lines] == [True, False]
    assert "Input/output error" in lines[1]
    clock.now += AGAIN
    complaints.note(Unreadable("films/a.mkv"))
    assert len(lines) == 3


def test_other_errors_are_the_clients(lines: list[str]) -> None:
    Complaints(Clock()).note(NotFound("There is no such file."))
    assert not lines


def test_a_folder_is_told_in_one_line(lines: list[str]) -> None:
    complaints = Complaints(Clock())
    complaints.listed("films", 12, "films/a.mkv")
    complaints.listed("films", 12, "films/a.mkv")
    (line,) = lines
    assert "12 entries" in line
    assert "films/a.mkv" in line


def test_nobody_can_fill_the_log(lines: list[str]) -> None:
    """A client asks for a thousand files that cannot be read; and one whose name looks like a line of the log."""
    clock = Clock()
    complaints = Complaints(clock)
    for number in range(1000):
        complaints.note(Unreadable(f"films/{number}\nINFO all is well"))
    assert len(lines) == PER_WINDOW
    assert not any("\n" in line for line in lines)
    clock.now += WINDOW
    complaints.note(Unreadable("films/another"))
    assert len(lines) == PER_WINDOW + 1
