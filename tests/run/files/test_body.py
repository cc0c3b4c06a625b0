"""Direct play. A byte too few or too many breaks the player's seek; a descriptor that stays open keeps a deleted film's space."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from twisted.internet.defer import CancelledError

from tests.run.fakes import StillThreads, Viewer, new_body, result_of, results
from transcoded.run.files.body import BLOCK, Shrunk
from transcoded.run.files.leases import Lease
from transcoded.run.files.opener import OpenFile

CONTENT = bytes(range(256)) * 2600  # two blocks and a half


class Opened:
    """A file that is open, and how often its number was closed."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDONLY)
        self.closed = 0
        self.told = 0
        really_close = os.close

        def close(fd: int) -> None:
            self.closed += fd == self.fd
            really_close(fd)

        monkeypatch.setattr("transcoded.run.files.opener.os.close", close)
        self.file = OpenFile(self.fd, cast(Lease, self))

    def release(self) -> None:
        """As its lease: it is given back."""
        self.told += 1
        assert self.closed == 1, "told before it was so"


@pytest.fixture
def threads() -> StillThreads:
    return StillThreads()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """In the end it is closed exactly once: a second time may close the descriptor of somebody else's stream."""
    path = tmp_path / "a.mp4"
    path.write_bytes(CONTENT)
    file = Opened(path, monkeypatch)
    yield file
    assert file.closed == 1
    assert file.told == 1


@pytest.mark.parametrize(
    ("first", "length"),
    [
        pytest.param(0, len(CONTENT), id="all of it"),
        pytest.param(0, 1, id="the first byte"),
        pytest.param(len(CONTENT) - 1, 1, id="the last byte"),
        pytest.param(1000, BLOCK, id="a block from between"),
        pytest.param(1, BLOCK + 1, id="a block and a byte"),
        pytest.param(BLOCK, BLOCK, id="a block on its border"),
        pytest.param(77, len(CONTENT) - 77, id="from a place to the end"),
        pytest.param(5, 0, id="nothing"),
    ],
)
def test_exactly_the_part_that_was_asked_for_is_sent(
    threads: StillThreads, file: Opened, first: int, length: int
) -> None:
    viewer = Viewer()
    sent = new_body(threads, file.file, first, length).send_to(viewer)
    while threads.calls:
        assert len(threads.calls) == 1, "one block on its way at a time"
        threads.step()
    assert viewer.data == CONTENT[first : first + length]
    assert all(len(block) <= BLOCK for block in viewer.blocks)
    assert result_of(sent) is None
    assert viewer.unregistered == 1


def test_a_consumer_that_is_full_is_not_read_for(threads: StillThreads, file: Opened) -> None:
    """A client that has paused must cost no memory: at most the block that was on its way."""
    viewer = Viewer(room=1)
    sent = new_body(threads, file.file, 0, len(CONTENT)).send_to(viewer)
    threads.step()
    assert len(viewer.blocks) == 1
    assert threads.calls == []
    viewer.producer.pauseProducing()
    viewer.take()
    viewer.producer.resumeProducing()
    assert len(threads.calls) == 1, "one block on its way at a time"
    viewer.producer.pauseProducing()
    threads.step()
    assert len(viewer.blocks) == 2
    assert threads.calls == []
    viewer.take()
    threads.step()
    assert viewer.data == CONTENT
    assert list(results(sent)) == []
    viewer.take()
    assert result_of(sent) is None


def test_a_consumer_that_is_full_from_the_start_waits(threads: StillThreads, file: Opened) -> None:
    class Full(Viewer):
        def registerProducer(self, producer: object, streaming: bool) -> None:
            super().registerProducer(producer, streaming)
            self.producer.pauseProducing()

    viewer = Full()
    sent = new_body(threads, file.file, 0, 10).send_to(viewer)
    assert threads.calls == []
    viewer.take()
    threads.step()
    assert viewer.data == CONTENT[:10]
    assert result_of(sent) is None


@pytest.mark.parametrize("size", [0, 100, BLOCK, BLOCK + 100])
def test_a_file_that_shrinks_ends_its_response_and_says_so(threads: StillThreads, file: Opened, size: int) -> None:
    """`static.File` spins for ever here, with all of one core."""
    os.truncate(file.path, size)
    viewer = Viewer()
    sent = new_body(threads, file.file, 0, len(CONTENT)).send_to(viewer)
    while threads.calls:
        threads.step()
    problem = result_of(sent)
    assert isinstance(problem, Shrunk)
    assert str(len(CONTENT) - size) in str(problem)
    assert viewer.data == CONTENT[:size]


def test_a_file_that_grows_is_sent_as_long_as_was_promised(threads: StillThreads, file: Opened) -> None:
    """More than Content-Length would be taken for the next response."""
    with open(file.path, "ab") as growing:
        growing.write(b"more")
    viewer = Viewer()
    sent = new_body(threads, file.file, 0, len(CONTENT)).send_to(viewer)
    while threads.calls:
        threads.step()
    assert viewer.data == CONTENT
    assert result_of(sent) is None


def test_a_disk_that_fails_ends_its_response_and_says_so(threads: StillThreads, file: Opened) -> None:
    viewer = Viewer()
    sent = new_body(threads, file.file, 0, 10).send_to(viewer)
    threads.fail(OSError(errno.EIO, "Input/output error"))
    assert isinstance(result_of(sent), OSError)
    assert viewer.data == b""


def test_a_client_that_goes_while_nothing_is_read(threads: StillThreads, file: Opened) -> None:
    viewer = Viewer(room=1)
    sent = new_body(threads, file.file, 0, len(CONTENT)).send_to(viewer)
    threads.step()
    viewer.producer.stopProducing()
    sent.cancel()
    assert isinstance(result_of(sent), CancelledError)
    assert file.closed == 1
    viewer.producer.resumeProducing()
    assert threads.calls == []
    assert viewer.unregistered == 0, "the request is gone and must not be touched"


def test_a_client_that_goes_while_a_thread_reads(threads: StillThreads, file: Opened) -> None:
    """Closing under the thread's hands would have it read from the file that gets the number next."""
    viewer = Viewer()
    sent = new_body(threads, file.file, 0, len(CONTENT)).send_to(viewer)
    viewer.producer.stopProducing()
    sent.cancel()
    assert isinstance(result_of(sent), CancelledError)
    assert file.closed == 0
    threads.step()
    assert file.closed == 1
    assert viewer.data == b""


@pytest.mark.parametrize("reading", [False, True])
def test_a_file_that_is_released_is_let_go_of(threads: StillThreads, file: Opened, *, reading: bool) -> None:
    viewer = Viewer(room=1)
    body = new_body(threads, file.file, 0, len(CONTENT))
    sent = body.send_to(viewer)
    if not reading:
        threads.step()
    body.stop(ZeroDivisionError())
    body.stop(ZeroDivisionError())
    assert isinstance(result_of(sent), ZeroDivisionError)
    assert file.told == (not reading)
    if reading:
        threads.step()


def test_a_client_that_stops_but_is_not_cancelled_yet_gets_no_more(threads: StillThreads, file: Opened) -> None:
    viewer = Viewer()
    sent = new_body(threads, file.file, 0, len(CONTENT)).send_to(viewer)
    threads.step()
    viewer.producer.stopProducing()
    threads.step()
    assert threads.calls == []
    sent.cancel()
    assert isinstance(result_of(sent), CancelledError)
