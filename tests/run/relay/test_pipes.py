"""Pipes of ours. A reader that is called after its end, or that keeps a descriptor, breaks another stream's pipe later."""

import errno
import fcntl
import os
from collections.abc import Iterator

import pytest
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.python.failure import Failure

from tests.run.fakes import Machine, Notes, new_reader
from transcoded.run.relay import pipes
from transcoded.run.relay.pipes import BIG, SMALL, PipeReader, open_pipe


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    """A pipe whose read end is the test's to close."""
    read_end, write_end = open_pipe(BIG)
    yield read_end, write_end
    try:
        os.close(write_end)
    except OSError as error:
        assert error.errno == errno.EBADF  # noqa: PT017 - a test has closed it


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def reader(machine: Machine, ends: tuple[int, int], notes: Notes) -> Iterator[PipeReader]:
    reader = new_reader(machine, ends[0], notes)
    reader.start()
    yield reader
    reader.close()


@pytest.mark.parametrize("size", [SMALL, BIG])
def test_a_pipe_is_of_the_wanted_size_and_never_inherited(size: int) -> None:
    """A descriptor that leaks into another child keeps a dead stream's pipe open."""
    read_end, write_end = open_pipe(size)
    try:
        assert fcntl.fcntl(read_end, fcntl.F_GETPIPE_SZ) == size
        assert not os.get_inheritable(read_end)
        assert not os.get_inheritable(write_end)
        assert not os.get_blocking(read_end)
        assert os.get_blocking(write_end), "ffmpeg wants a pipe that blocks"
    finally:
        os.close(read_end)
        os.close(write_end)


@pytest.mark.parametrize("number", [errno.EPERM, errno.EBUSY, errno.EINVAL])
def test_a_pipe_of_another_size_will_do(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """After 256 streams an unprivileged user has no pipe pages left; the 257th must play too."""

    def refuse(*args: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("transcoded.run.relay.pipes.fcntl.fcntl", refuse)
    for fd in open_pipe(BIG):
        os.close(fd)


def test_a_pipe_that_cannot_be_made_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> int:
        raise OSError(errno.ENOMEM, "no")

    monkeypatch.setattr("transcoded.run.relay.pipes.fcntl.fcntl", refuse)
    with pytest.raises(OSError, match="no"):
        open_pipe(BIG)


def test_a_system_without_pipe_sizes_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipes, "_F_SETPIPE_SZ", None)
    for fd in open_pipe(BIG):
        os.close(fd)


def test_what_comes_is_told_and_then_the_end_once(
    machine: Machine, reader: PipeReader, ends: tuple[int, int], notes: Notes
) -> None:
    os.write(ends[1], b"a")
    machine.turn()
    os.write(ends[1], b"b")
    os.close(ends[1])
    machine.turn()
    assert notes.blocks == [b"a", b"b"]
    assert notes.events == ["output ended"]
    assert reader.is_closed
    reader.connectionLost(Failure(ConnectionDone()))
    assert notes.events == ["output ended"]


def test_the_end_is_found_by_reading_too(reader: PipeReader, ends: tuple[int, int], notes: Notes) -> None:
    """Reactors on select(2) know no hang-up; they call doRead."""
    os.close(ends[1])
    reader.doRead()
    assert notes.events == ["output ended"]
    reader.doRead()
    assert notes.events == ["output ended"]


def test_one_read_is_as_large_as_was_asked_for(machine: Machine, ends: tuple[int, int], notes: Notes) -> None:
    reader = new_reader(machine, ends[0], notes, BIG)
    os.write(ends[1], bytes(BIG))
    reader.doRead()
    reader.close()
    assert [len(block) for block in notes.blocks] == [BIG]


def test_a_read_that_finds_nothing_is_no_end(reader: PipeReader, notes: Notes) -> None:
    """poll(2) may wake for nothing."""
    reader.doRead()
    assert (notes.blocks, notes.events) == ([], [])
    assert not reader.is_closed


def test_a_paused_reader_leaves_all_in_the_pipe_and_sees_no_end(
    machine: Machine, reader: PipeReader, ends: tuple[int, int], notes: Notes
) -> None:
    reader.pause()
    reader.pause()
    os.write(ends[1], b"a")
    os.close(ends[1])
    machine.turn()
    assert (notes.blocks, notes.events) == ([], [])
    reader.start()
    reader.start()
    machine.turn()
    assert (notes.blocks, notes.events) == ([b"a"], ["output ended"])


def test_nothing_is_called_after_close(
    machine: Machine, reader: PipeReader, ends: tuple[int, int], notes: Notes
) -> None:
    """The number of a closed descriptor is soon another stream's."""
    os.write(ends[1], b"a")
    reader.close()
    reader.close()
    reader.start()
    reader.pause()
    reader.drain()
    reader.doRead()
    machine.turn()
    assert reader.fileno() == -1
    assert (notes.blocks, notes.events) == ([], [])
    with pytest.raises(BrokenPipeError):
        os.write(ends[1], b"b")


def test_a_drain_takes_all_there_is_and_does_not_wait(reader: PipeReader, ends: tuple[int, int], notes: Notes) -> None:
    os.write(ends[1], bytes(200_000))
    reader.drain()
    assert sum(map(len, notes.blocks)) == 200_000
    assert not reader.is_closed


def test_a_drain_finds_the_end(reader: PipeReader, ends: tuple[int, int], notes: Notes) -> None:
    os.write(ends[1], b"a")
    os.close(ends[1])
    reader.drain()
    assert (notes.blocks, notes.events) == ([b"a"], ["output ended"])


def test_a_drain_is_bounded(machine: Machine, ends: tuple[int, int]) -> None:
    """What a process left behind may write for ever."""

    class Endless(Notes):
        def received(self, data: bytes) -> None:
            super().received(data)
            os.write(ends[1], data)

    notes = Endless()
    reader = new_reader(machine, ends[0], notes)
    os.write(ends[1], bytes(1000))
    reader.drain(10_000)
    reader.close()
    assert sum(map(len, notes.blocks)) == 10_000


def test_a_drain_ends_when_its_reader_is_closed_by_what_it_told(machine: Machine, ends: tuple[int, int]) -> None:
    class Closing(Notes):
        def received(self, data: bytes) -> None:
            super().received(data)
            small.close()

    notes = Closing()
    small = new_reader(machine, ends[0], notes, 10)
    os.write(ends[1], bytes(100))
    small.drain()
    assert [len(block) for block in notes.blocks] == [10]


def test_how_full_a_pipe_is_can_be_seen_without_reading(ends: tuple[int, int]) -> None:
    assert pipes.bytes_waiting(ends[0]) == 0
    os.write(ends[1], bytes(1000))
    assert pipes.bytes_waiting(ends[0]) == 1000
    assert len(os.read(ends[0], BIG)) == 1000
    os.close(ends[0])


def test_a_fault_while_reading_is_told_as_one(reader: PipeReader, notes: Notes) -> None:
    """The reactor takes a reader out whose doRead raised; a stream without a reader would be stuck for ever."""
    reader.connectionLost(Failure(ZeroDivisionError()))
    assert notes.events == ["failed"]
    assert reader.is_closed


def test_a_reactor_that_stops_takes_the_descriptor_along(reader: PipeReader, notes: Notes) -> None:
    reader.connectionLost(Failure(ConnectionLost()))
    assert reader.is_closed
    assert "output ended" not in notes.events


def test_it_can_be_named_in_a_log(reader: PipeReader) -> None:
    assert reader.logPrefix() == "pipe"
