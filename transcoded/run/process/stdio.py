"""The descriptors of a child process: an empty stdin, three pipes to write into, and its input file.

stdout carries the media, descriptor 3 the reports of ffmpeg's `-progress`. Descriptor 4 is the file that it reads, and
descriptor 6 what it draws into the video, if it does.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import attrs

from transcoded.plan.media.argv import INPUT_FD, PROGRESS_FD
from transcoded.plan.media.burn_in import SUBTITLES_FD
from transcoded.run.relay.pipes import BIG, SMALL, open_pipe


@attrs.frozen
class Stdio:
    """The read ends of the pipes, which the daemon owns, and `of_child`: the child's descriptors, by their numbers in the child."""

    output: int
    stderr: int
    progress: int
    of_child: Mapping[int, int]


@contextmanager
def open_stdio(input_file: int, subtitles: int | None = None, pipe: int = BIG) -> Iterator[Stdio]:
    """Open the descriptors for one child, which reads the open file `input_file`, and `subtitles` (None: none). Start the child inside the block.

    `pipe` is the size in bytes of the pipe of its output.

    When the block is left, the child's descriptors are closed, and after an exception the read ends as well. `input_file` and
    `subtitles` stay open. Raises OSError if no descriptor is left.
    """
    with ExitStack() as ours, ExitStack() as theirs:

        def new_pipe(size: int) -> tuple[int, int]:
            read_end, write_end = open_pipe(size)
            ours.callback(os.close, read_end)
            theirs.callback(os.close, write_end)
            return read_end, write_end

        output, child_stdout = new_pipe(pipe)
        stderr, child_stderr = new_pipe(SMALL)
        progress, child_progress = new_pipe(SMALL)
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        theirs.callback(os.close, null)
        of_child = {0: null, 1: child_stdout, 2: child_stderr, PROGRESS_FD: child_progress, INPUT_FD: input_file}
        if subtitles is not None:
            of_child[SUBTITLES_FD] = subtitles
        yield Stdio(output, stderr, progress, of_child)
        ours.pop_all()
