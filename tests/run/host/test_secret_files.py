"""Files with secrets: one that is read wrongly locks everybody out, and one that others can read lets everybody in."""

import os
from pathlib import Path

import pytest

from transcoded.run.host.secret_files import MAX_BYTES, exposure, read_secret_file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.touch(mode=0o600)
    return path


@pytest.mark.parametrize(
    ("data", "text"),
    [(b"abc", "abc"), (b"abc\n", "abc"), (b"abc\r\n", "abc"), (b" a b \n\n", " a b \n"), ("é".encode(), "é")],
)
def test_one_line_end_is_dropped_and_nothing_else(file: Path, data: bytes, text: str) -> None:
    file.write_bytes(data)
    assert read_secret_file(str(file)) == (text, None)


@pytest.mark.parametrize("data", [b"", b"\n", b"\r\n", b"\xff", b"x" * (MAX_BYTES + 1)])
def test_what_is_no_secret_is_an_error_that_does_not_show_it(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    with pytest.raises(ValueError, match=r"^is ") as caught:
        read_secret_file(str(file))
    assert "xx" not in str(caught.value)


def test_only_a_regular_file_is_read_and_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (str(tmp_path / "fifo"), "/dev/zero", str(tmp_path)):
        with pytest.raises(ValueError, match="is not a regular file"):
            read_secret_file(path)
    with pytest.raises(FileNotFoundError):
        read_secret_file(str(tmp_path / "nothing"))


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        (0o600, None),
        (0o400, None),
        (0o440, None),
        (0o644, "read by every"),
        (0o604, "read by every"),
        (0o602, "changed"),
    ],
)
def test_who_else_can_use_it(file: Path, mode: int, says: str | None) -> None:
    file.chmod(mode)
    found = exposure(file.stat())
    assert found is None if says is None else says in str(found)


def test_a_group_may_change_it_only_if_it_is_the_users_own(file: Path) -> None:
    file.chmod(0o660)
    assert exposure(file.stat()) is None
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(file, 0, 65534)
    assert "changed by other users" in str(exposure(file.stat()))
    os.chown(file, 65534, 0)
    assert "belongs to user 65534" in str(exposure(file.stat()))


def test_a_directory_is_not_judged(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    assert exposure(tmp_path.stat()) is None
