"""The descriptors of a child process: nothing to read, and three pipes of ours to write into.

Its stdout is the media, and descriptor 3 takes the reports of ffmpeg's `-progress`.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import attrs

from transcoded.plan.media.argv import PROGRESS_FD
from transcoded.run.relay.pipes import BIG, SMALL, open_pipe


@attrs.frozen
class Stdio:
    """The read ends, which are ours, and `of_child`: what the child gets, by the numbers that it sees."""

    output: int
    stderr: int
    progress: int
    of_child: Mapping[int, int]


@contextmanager
def open_stdio() -> Iterator[Stdio]:
    """Descriptors for one child. The child's are closed when the block is left, and ours too if it is left by an exception.

    Raises OSError if the system has none left.
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
