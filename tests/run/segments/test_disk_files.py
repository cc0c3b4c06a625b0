"""Segments in files: whatever a crash or a failing disk leaves there, nobody may be sent what was not made."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from transcoded.run.files.private_directory import PrivateDirectory
from transcoded.run.process.ledger import InUse
from transcoded.run.segments import disk_files
from transcoded.run.segments.disk_files import NAME, DiskFiles, Outcome, Reading, cost

ONE, OTHER = b"1" * NAME, b"2" * NAME
DATA = bytes(range(256)) * 40


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "segments"


@pytest.fixture
def files(place: Path) -> Iterator[DiskFiles]:
    files = DiskFiles.open(str(place))
    yield files
    files.close()


def entry(place: Path, name: bytes = ONE) -> Path:
    return place / f"{name.hex()}.seg"


def scanned(files: DiskFiles) -> dict[bytes, int]:
    scan = files.scan()
    while scan.step():
        pass
    return dict(scan.entries())


def test_what_was_written_is_read_and_only_its_owner_can(files: DiskFiles, place: Path) -> None:
    assert files.change([], ONE, DATA) == Outcome()
    assert files.read(ONE) == Reading(DATA)
    assert files.read(OTHER) == Reading(None)
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert stat.S_IMODE(entry(place).stat().st_mode) == 0o600
    assert entry(place).stat().st_size <= cost(len(DATA))
    assert files.change([ONE]) == Outcome()
    assert files.read(ONE) == Reading(None)
    assert files.change([ONE]) == Outcome(), "that it is gone already is no error"


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut short": lambda written: written[:-1],
    "cut in the header": lambda written: written[:30],
    "empty": lambda written: b"",
    "zeros of the right length": lambda written: bytes(len(written)),
    "zeros at the end": lambda written: written[:-4096] + bytes(4096),
    "one bit": lambda written: written[:-1] + bytes([written[-1] ^ 1]),
    "one bit of the length": lambda written: written[:48] + bytes([written[48] ^ 1]) + written[49:],
    "more": lambda written: written + b"\0",
    "another layout": lambda written: written.replace(b"segment 1", b"segment 2"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_what_is_not_as_it_was_written_is_removed_and_never_read(
    files: DiskFiles, place: Path, damage: Callable[[bytes], bytes]
) -> None:
    """A power failure leaves files that are cut short or full of zeros; a player would show garbage, or nothing."""
    files.change([], ONE, DATA)
    entry(place).write_bytes(damage(entry(place).read_bytes()))
    assert files.read(ONE) == Reading(None, damaged=True)
    assert not entry(place).exists()


def test_a_segment_under_the_name_of_another_one_is_not_taken_for_it(files: DiskFiles, place: Path) -> None:
    files.change([], ONE, DATA)
    entry(place).rename(entry(place, OTHER))
    assert files.read(OTHER) == Reading(None, damaged=True)


def test_a_file_that_is_far_too_long_is_not_read_into_memory(files: DiskFiles, place: Path) -> None:
    files.change([], ONE, DATA)
    os.truncate(entry(place), 1 << 40)
    assert files.read(ONE) == Reading(None, damaged=True)


def test_no_link_is_followed(files: DiskFiles, place: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(DATA)
    entry(place).symlink_to(secret)
    assert files.read(ONE) == Reading(None, damaged=True)
    assert files.change([], ONE, DATA) == Outcome()
    assert files.read(ONE) == Reading(DATA)
    assert secret.read_bytes() == DATA


def test_a_crash_while_writing_leaves_nothing_behind(files: DiskFiles, place: Path) -> None:
    """It would take room that nobody counts, and more with each crash."""
    (place / f"{ONE.hex()}.new").write_bytes(b"half of it")
    others = ["notes.txt", "lock", f"{ONE.hex()}.seg.bak", f"{ONE.hex()}x.new", "short.seg", ".new"]
    for name in others:
        (place / name).touch()
    files.change([], OTHER, DATA)
    assert scanned(files) == {OTHER: cost(len(DATA))}
    assert sorted(os.listdir(place)) == sorted([*others, entry(place, OTHER).name]), "files of others are left alone"


def test_the_order_of_use_outlasts_a_restart(files: DiskFiles, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_files, "_STEP", 2)
    names = [bytes([number]) * NAME for number in range(5)]
    for age, name in enumerate(names):
        files.change([], name, DATA)
        os.utime(entry(place, name), (1000 + age, 1000 + age))
    assert list(scanned(files)) == names
    files.read(names[1])
    assert list(scanned(files)) == [names[0], *names[2:], names[1]]


def test_two_daemons_do_not_use_one_directory(files: DiskFiles, place: Path) -> None:
    """Each would keep the quota for itself, and remove what the other one has counted."""
    with pytest.raises(InUse, match=f"in use by another daemon \\(pid {os.getpid()}\\)"):
        DiskFiles.open(str(place))
    files.close()
    DiskFiles.open(str(place)).close()


def test_a_call_that_hangs_keeps_the_directory_until_it_returns(files: DiskFiles, place: Path) -> None:
    """Its descriptor may otherwise be that of another file by then."""
    with files._in_use():
        files.close()
        with pytest.raises(InUse):
            DiskFiles.open(str(place))
    DiskFiles.open(str(place)).close()
    with pytest.raises(OSError, match="closed"):
        files.read(ONE)
    assert files.change([ONE]).kept == [ONE]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO, errno.EDQUOT])
def test_an_error_while_writing_is_told_and_leaves_nothing(
    files: DiskFiles, place: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    create = PrivateDirectory.create

    def fail(self: PrivateDirectory, name: str, data: bytes) -> None:
        create(self, name, data[: len(data) // 2])
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(PrivateDirectory, "create", fail)
    outcome = files.change([], ONE, DATA)
    assert outcome.error is not None
    assert outcome.error.errno == code
    assert sorted(os.listdir(place)) == ["lock"]


def test_what_cannot_be_removed_is_told(files: DiskFiles, place: Path) -> None:
    files.change([], ONE, DATA)
    entry(place, OTHER).mkdir()
    outcome = files.change([ONE, OTHER], b"3" * NAME, DATA)
    assert outcome.error is not None
    assert set(outcome.kept) == {ONE, OTHER}
    assert not entry(place, b"3" * NAME).exists(), "there may be no room for it"
