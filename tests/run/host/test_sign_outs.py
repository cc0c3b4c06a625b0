"""The record of sign-outs: without it a copied cookie lets a stranger in for 30 days, whatever its owner does."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import attrs
import msgspec
import pytest
from twisted.logger import LogLevel, capturedLogs

from transcoded.plan.http.sign_in import LIFETIME, SignIn
from transcoded.run.files.private_directory import PrivateDirectory
from transcoded.run.host.sign_outs import MAX_IDS, NAME, SignOuts

NOW = 1_700_000_000


@attrs.define
class Time:
    """The time, which a test sets."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[PrivateDirectory]:
    directory = PrivateDirectory.open(str(tmp_path / "state"))
    yield directory
    directory.close()


def sign_in(id_: str, mark: str = "mark", issued: int = NOW - 5) -> SignIn:
    return SignIn(id_, "tv", mark, issued, https=False)


def test_what_was_ended_stays_ended_in_the_next_daemon_too(directory: PrivateDirectory) -> None:
    first = SignOuts(directory, Time())
    first.end(sign_in("one"))
    for sign_outs in (first, SignOuts(directory, Time())):
        assert sign_outs.has_ended(sign_in("one"))
        assert not sign_outs.has_ended(sign_in("two"))
    assert stat.S_IMODE((Path(directory.path) / NAME).stat().st_mode) == 0o600
    assert os.listdir(directory.path) == [NAME], "nothing unfinished is left"


def test_without_a_directory_it_is_kept_in_memory() -> None:
    sign_outs = SignOuts(None, Time())
    sign_outs.end(sign_in("one"))
    assert sign_outs.has_ended(sign_in("one"))


def test_who_signs_out_often_does_not_bring_an_ended_one_back(directory: PrivateDirectory) -> None:
    sign_outs = SignOuts(directory, Time())
    sign_outs.end(sign_in("copied"))
    for number in range(2 * MAX_IDS):
        sign_outs.end(sign_in(f"{number}"))
        assert sign_outs.has_ended(sign_in("copied"))
        assert len(sign_outs._state.keys["mark"].ids) <= MAX_IDS
    assert not sign_outs.has_ended(sign_in("new", issued=NOW + 1)), "who signs in now is in"
    assert not sign_outs.has_ended(sign_in("other", mark="other")), "and the others of another key still are"
    assert SignOuts(directory, Time()).has_ended(sign_in("copied"))


def test_what_would_have_expired_is_forgotten(directory: PrivateDirectory) -> None:
    time = Time()
    sign_outs = SignOuts(directory, time)
    for number in range(MAX_IDS + 1):
        sign_outs.end(sign_in(f"{number}", mark="many"))
    sign_outs.end(sign_in("one"))
    time.now += LIFETIME
    sign_outs.end(sign_in("two", mark="new", issued=int(time.now) - 1))
    assert list(sign_outs._state.keys) == ["new"]


@pytest.mark.parametrize("content", [b"", b"{", b'{"keys": 5}', b"\xff" * 100])
def test_a_damaged_file_lets_nobody_in_again(directory: PrivateDirectory, content: bytes) -> None:
    (Path(directory.path) / NAME).write_bytes(content)
    with capturedLogs() as events:
        sign_outs = SignOuts(directory, Time())
    assert [event["log_level"] for event in events] == [LogLevel.warn]
    for one in (sign_outs, SignOuts(directory, Time(NOW + 100))):
        assert one.has_ended(sign_in("one"))
        assert not one.has_ended(sign_in("new", issued=NOW + 1))


@pytest.mark.parametrize("kind", ["link", "fifo"])
def test_a_trap_in_its_place_is_neither_followed_nor_waited_for(
    directory: PrivateDirectory, tmp_path: Path, kind: str
) -> None:
    other = tmp_path / "other"
    other.write_bytes(msgspec.json.encode({"until": 0}))
    place = Path(directory.path)
    for name in (NAME, f"{NAME}.new"):
        if kind == "link":
            (place / name).symlink_to(other)
        else:
            os.mkfifo(place / name)
    with capturedLogs():
        sign_outs = SignOuts(directory, Time())
    sign_outs.end(sign_in("one"))
    assert SignOuts(directory, Time()).has_ended(sign_in("one"))
    assert other.read_bytes() == msgspec.json.encode({"until": 0})
    assert stat.S_ISREG((place / NAME).lstat().st_mode)


def test_a_disk_that_does_not_work_is_told_and_the_daemon_itself_knows(directory: PrivateDirectory) -> None:
    sign_outs = SignOuts(directory, Time())
    os.rmdir(directory.path)
    with capturedLogs() as events:
        sign_outs.end(sign_in("one"))
    assert [event["log_level"] for event in events] == [LogLevel.warn]
    assert sign_outs.has_ended(sign_in("one"))
