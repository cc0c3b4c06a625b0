"""What the end of a helper says: whether the client should come again, or the file is to blame."""

import pytest

from transcoded.plan.errors import NotMedia, Unavailable
from transcoded.plan.media.program_failure import program_failure


@pytest.mark.parametrize(
    ("exit_code", "ended_by", "stderr", "says"),
    [
        pytest.param(None, "SIGSEGV", "", "crash (SIGSEGV)", id="a crash"),
        pytest.param(139, None, "", "crash (SIGSEGV)", id="a crash in the sandbox"),
        pytest.param(134, None, "", "crash (SIGABRT)", id="an abort in the sandbox"),
        pytest.param(1, None, "moov: Cannot allocate memory", "helper_address_space_max", id="no memory, says glibc"),
        pytest.param(69, None, "[h264] get_buffer() failed", "helper_address_space_max", id="no memory for a frame"),
        pytest.param(244, None, "x: Out of memory", "helper_address_space_max", id="no memory, says musl"),
        pytest.param(
            1, None, "Picture size 16000x16000 exceeds specified max pixel count 7", "too large", id="too large"
        ),
        pytest.param(1, None, "[snow @ 0x1] Codec (snow) not on whitelist 'h264,aac'", "decoder snow,", id="a decoder"),
    ],
)
def test_what_the_file_has_caused_is_the_files_fault(
    exit_code: int | None, ended_by: str | None, stderr: str, says: str
) -> None:
    """503 would have clients ask for a hostile file again and again."""
    failure = program_failure("ffprobe", exit_code, ended_by, stderr)
    assert isinstance(failure, NotMedia)
    assert says in failure.detail


@pytest.mark.parametrize(("exit_code", "ended_by"), [(None, "SIGKILL"), (None, "SIGTERM"), (137, None), (143, None)])
def test_an_end_from_outside_says_nothing_about_the_file(exit_code: int | None, ended_by: str | None) -> None:
    failure = program_failure("ffprobe", exit_code, ended_by, "Cannot allocate memory")
    assert isinstance(failure, Unavailable)


@pytest.mark.parametrize(
    ("exit_code", "stderr"),
    [
        (0, "Cannot allocate memory"),
        (1, "Invalid data"),
        (126, ""),
        (127, ""),
        (128, ""),
        (183, ""),
        (234, ""),
        (255, ""),
    ],
)
def test_other_ends_are_for_the_caller_to_judge(exit_code: int, stderr: str) -> None:
    """ffmpeg 8 exits with an error number: 183 is AVERROR_INVALIDDATA, not a signal."""
    assert program_failure("ffmpeg", exit_code, None, stderr) is None
