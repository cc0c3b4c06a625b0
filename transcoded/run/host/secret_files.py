"""Files with settings and secrets: how to read one, and who else can read or change it."""

import os
import stat

MAX_BYTES = 64 << 10
"""The size of a file with secrets."""


def read_secret_file(path: str) -> tuple[str, str | None]:
    """The text of a file without its last line end, and what `exposure` says of the file.

    Raises OSError if it cannot be read, ValueError with a clause that says what is wrong: it is no regular file, is empty, too
    long, or not UTF-8. No message contains what is in the file.
    """
    # Not to wait for somebody who opens a FIFO for writing.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("is not a regular file")
        with open(fd, "rb", closefd=False) as file:
            data = file.read(MAX_BYTES + 1)
    finally:
        os.close(fd)
    if len(data) > MAX_BYTES:
        raise ValueError(f"is longer than {MAX_BYTES} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise ValueError("is empty")
    return text, exposure(found)


def exposure(found: os.stat_result) -> str | None:
    """Who else can read or change a file, as a clause for a warning; None if nobody can, besides root.

    Its group may read it, as systemd and Kubernetes arrange it. The main group of this user may change it: on many
    machines that is a group of his own.
    """
    if not stat.S_ISREG(found.st_mode):
        return None
    if found.st_uid not in {0, os.geteuid()}:
        return f"belongs to user {found.st_uid}, who can change it"
    if found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and found.st_gid != os.getegid()):
        return "can be changed by other users: chmod 600"
    if found.st_mode & stat.S_IROTH:
        return "can be read by every user of this machine: chmod 600"
    return None
