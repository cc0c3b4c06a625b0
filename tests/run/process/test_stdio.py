"""The descriptors of a child: each is closed on every path, or a long-lived daemon runs out of them."""

import os

import pytest

from tests.run.fakes import open_descriptors
from transcoded.plan.media.argv import INPUT_FD, PROGRESS_FD
from transcoded.plan.media.burn_in import SUBTITLES_FD
from transcoded.run.process.stdio import open_stdio


def test_what_the_child_writes_arrives_and_its_ends_are_closed_when_it_has_them() -> None:
    before = open_descriptors()
    with open(__file__, "rb") as file, open_stdio(file.fileno()) as stdio:
        assert os.path.samestat(os.fstat(stdio.of_child[INPUT_FD]), os.stat(__file__))
        ours = {1: stdio.output, 2: stdio.stderr, PROGRESS_FD: stdio.progress}
        for number in ours:
            os.write(stdio.of_child[number], b"%d" % number)
        assert os.read(stdio.of_child[0], 1) == b"", "there is nothing to read"
    assert len(open_descriptors() - before) == 3
    for number, fd in ours.items():
        assert os.read(fd, 10) == b"%d" % number
        assert os.read(fd, 10) == b"", "nobody else can write into it"
        os.close(fd)


def test_what_is_drawn_has_a_descriptor_of_its_own() -> None:
    with (
        open(os.devnull, "rb") as file,
        open(__file__, "rb") as drawn,
        open_stdio(file.fileno(), drawn.fileno()) as stdio,
    ):
        assert os.path.samestat(os.fstat(stdio.of_child[SUBTITLES_FD]), os.stat(__file__))
        for fd in (stdio.output, stdio.stderr, stdio.progress):
            os.close(fd)
    with open(os.devnull, "rb") as file, open_stdio(file.fileno()) as stdio:
        assert SUBTITLES_FD not in stdio.of_child
        for fd in (stdio.output, stdio.stderr, stdio.progress):
            os.close(fd)


def test_a_start_that_fails_leaves_none() -> None:
    before = open_descriptors()
    with open(os.devnull, "rb") as file, pytest.raises(ZeroDivisionError), open_stdio(file.fileno()):
        raise ZeroDivisionError
    assert open_descriptors() == before
