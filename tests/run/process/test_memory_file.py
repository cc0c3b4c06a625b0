"""A file in memory: all of it, to be read by one who opens it by name, and to be changed by nobody."""

import os

import pytest

from tests.run.fakes import open_descriptors
from transcoded.run.process.memory_file import memory_file


@pytest.mark.parametrize("size", [0, 5, 3 << 20])
def test_it_is_read_whole_from_its_beginning_as_often_as_it_is_opened(size: int) -> None:
    data = os.urandom(size)
    with memory_file(data) as fd:
        for _ in range(2):
            with open(f"/proc/self/fd/{fd}", "rb") as opened:
                assert opened.read() == data


def test_nobody_can_change_it() -> None:
    with memory_file(b"subtitles") as fd:
        with open(f"/proc/self/fd/{fd}", "r+b", buffering=0) as opened, pytest.raises(PermissionError):
            opened.write(b"x")
        with pytest.raises(PermissionError):
            os.ftruncate(fd, 0)


def test_it_is_closed_on_every_path() -> None:
    before = open_descriptors()
    with pytest.raises(ZeroDivisionError), memory_file(b"a"):
        raise ZeroDivisionError
    assert open_descriptors() == before
