"""The descriptors of a child process: an empty stdin, and three pipes to write into.

stdout carries the media, and descriptor 3 the reports of ffmpeg's `-progress`.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import attrs

from transcoded.plan.media.argv import PROGRESS_FD
from transcoded.run.relay.pipes import BIG, SMALL, open_pipe


@attrs.frozen
class Stdio:
    """The read ends of the pipes, which the daemon owns, and `of_child`: the child's descriptors, by their numbers in the child."""

    output: int
    stderr: int
    progress: int
    of_child: Mapping[int, int]


@contextmanager
def open_stdio() -> Iterator[Stdio]:
    """Open the descriptors for one child. Start the child inside the block.

    When the block is left, the child's descriptors are closed, and after an exception the read ends as well.
    Raises OSError if no descriptor is left.
    """
    with ExitStack() as ours, ExitStack() as theirs:

        def new_pipe(size: int) -> tuple[int, int]:
            read_end, write_end = open_pipe(size)
            ours.callback(os.close, read_end)
            theirs.callback(os.close, write_end)
            return read_end, write_end

        output, child_stdout = new_pipe(BIG)
        stderr, child_stderr = new_pipe(SMALL)
        progress, child_progress = new_pipe(SMALL)
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        theirs.callback(os.close, null)
        yield Stdio(output, stderr, progress, {0: null, 1: child_stdout, 2: child_stderr, PROGRESS_FD: child_progress})
        ours.pop_all()
