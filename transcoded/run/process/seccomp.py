"""The descriptor from which bwrap reads the filter of system calls for a child: a pipe, since each child reads it to its end."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

SECCOMP_FD = 9
"""The number of the descriptor in the child. bwrap closes it before it starts the program."""


@contextmanager
def open_filter(seccomp: bytes | None) -> Iterator[Mapping[int, int]]:
    """The descriptor for one child, by its number in the child; none without a filter. It is closed when the block is left.

    Raises OSError if no descriptor is left. A filter has less than 4096 bytes, so it fits into every pipe.
    """
    if seccomp is None:
        yield {}
        return
    read_end, write_end = os.pipe()
    try:
        try:
            os.write(write_end, seccomp)
        finally:
            os.close(write_end)
        yield {SECCOMP_FD: read_end}
    finally:
        os.close(read_end)
