"""What it says about a file that ffprobe or ffmpeg could not be used on it: an error for the client, from how the program ended.

The rule: what the file caused is 415, and the client need not try again. That is

* more memory than a helper may have, a picture that is too large, a decoder that is not allowed;
* a crash of the program: a signal that a process causes itself.

What came from outside is 503: a signal from somebody else, such as SIGKILL of a kernel that has no memory left. With bwrap as the
parent process, a signal is an exit status, 128 + its number.
"""

import re
import signal

from transcoded.plan.errors import NotMedia, TranscodedError, Unavailable

_CRASHES = frozenset(
    number.name
    for number in (
        *(signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, signal.SIGSYS, signal.SIGTRAP),
        *(signal.SIGXCPU, signal.SIGXFSZ),
    )
)
_FROM_OUTSIDE = frozenset(number.name for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
_NOT_ALLOWED = re.compile(r"Codec \(([\w.-]+)\) not on whitelist")
# What glibc and musl say of ENOMEM, and decoders that get no memory for a frame.
_NO_MEMORY = ("Cannot allocate memory", "Out of memory", "get_buffer() failed")
_TOO_LARGE = "exceeds specified max pixel count"


def program_failure(
    program: str, exit_code: int | None, ended_by: str | None, stderr_tail: str
) -> TranscodedError | None:
    """The error for a program that has failed; None if its end says nothing of this kind.

    `ended_by` is the name of a signal, None if it has exited with `exit_code`.
    """
    by = ended_by or _signal_behind(exit_code)
    if by in _CRASHES:
        return NotMedia(f"The file cannot be read: it makes {program} crash ({by}).")
    if by in _FROM_OUTSIDE:
        return Unavailable(f"The file could not be looked at: {program} was ended by {by}.")
    if exit_code == 0:
        return None
    if any(words in stderr_tail for words in _NO_MEMORY):
        return NotMedia(
            f"The file cannot be read: {program} needs more memory for it than helper_address_space_max allows."
        )
    if _TOO_LARGE in stderr_tail:
        return NotMedia("The file cannot be read: its pictures are too large.")
    names = sorted(set(_NOT_ALLOWED.findall(stderr_tail)))
    if names:
        return NotMedia(f"The file cannot be read: it needs the decoder {', '.join(names)}, which is not allowed.")
    return None


def _signal_behind(exit_code: int | None) -> str | None:
    """The name of the signal that ended a program in the sandbox, as its exit status tells."""
    if exit_code is None or exit_code <= 128:
        return None
    try:
        name = signal.Signals(exit_code - 128).name
    except ValueError:
        return None
    return name if name in _CRASHES | _FROM_OUTSIDE else None
