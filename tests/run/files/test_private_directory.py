"""The directory of the daemon's own files: who can put something into it can choose what the daemon kills and overwrites."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from twisted.logger import LogLevel, capturedLogs

from transcoded.run.files.private_directory import PrivateDirectory, UntrustedFile

NOBODY = 65534


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def directory(place: Path) -> Iterator[PrivateDirectory]:
    directory = PrivateDirectory.open(str(place))
    yield directory
    directory.close()


def give_away(path: Path) -> None:
    """Let it belong to another user."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_made_with_all_that_is_missing_above_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        directory = PrivateDirectory.open(str(tmp_path / "a" / "b" / "c"))
        directory.create("file", b"x")
        directory.subdirectory("sub").close()
        directory.close()
    finally:
        os.umask(before)
    assert [mode(tmp_path / path) for path in ("a", "a/b", "a/b/c", "a/b/c/sub")] == [0o700] * 4
    assert mode(tmp_path / "a/b/c/file") == 0o600


def test_one_that_others_can_read_is_closed_to_them(place: Path) -> None:
    place.mkdir(mode=0o755)
    (place / "file").write_text("x", encoding="ascii")
    directory = PrivateDirectory.open(str(place))
    assert directory.read("file", 10) == b"x"
    directory.close()
    assert (mode(place), mode(place / "file")) == (0o700, 0o600)


@pytest.mark.parametrize("bits", [0o770, 0o707, 0o1777])
def test_one_that_others_can_write_is_refused_as_it_is(place: Path, bits: int) -> None:
    place.mkdir()
    place.chmod(bits)
    with pytest.raises(UntrustedFile, match="chmod 700"):
        PrivateDirectory.open(str(place))
    assert mode(place) == bits


def test_one_of_somebody_else_is_refused(place: Path, directory: PrivateDirectory) -> None:
    directory.subdirectory("sub").close()
    give_away(place / "sub")
    with pytest.raises(UntrustedFile, match=f"belongs to user {NOBODY}"):
        directory.subdirectory("sub")
    give_away(place)
    with pytest.raises(UntrustedFile, match=f"belongs to user {NOBODY}"):
        PrivateDirectory.open(str(place))


def test_a_link_on_the_way_is_followed_if_it_is_ours(tmp_path: Path, place: Path) -> None:
    """systemd makes /var/lib/NAME a link to /var/lib/private/NAME."""
    place.mkdir()
    (tmp_path / "relative").symlink_to("./state/../state")
    (tmp_path / "absolute").symlink_to(place)
    for link in ("relative", "absolute"):
        directory = PrivateDirectory.open(str(tmp_path / link / "sub"))
        directory.create(link, b"")
        directory.close()
    assert sorted(os.listdir(place / "sub")) == ["absolute", "relative"]


def test_a_link_of_somebody_else_is_not_followed(tmp_path: Path, place: Path) -> None:
    place.mkdir()
    (tmp_path / "link").symlink_to(place)
    give_away(tmp_path / "link")
    with pytest.raises(UntrustedFile, match=f"is a symbolic link of user {NOBODY}"):
        PrivateDirectory.open(str(tmp_path / "link"))
    with pytest.raises(UntrustedFile, match=f"is a symbolic link of user {NOBODY}"):
        PrivateDirectory.open(str(tmp_path / "link" / "sub"))


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(UntrustedFile, match="too many symbolic links"):
        PrivateDirectory.open(str(tmp_path / "a"))


@pytest.mark.parametrize(("bits", "warns"), [(0o1777, False), (0o777, True), (0o755, False)])
def test_a_place_where_everybody_can_replace_it_is_told(tmp_path: Path, bits: int, warns: bool) -> None:
    """/tmp is not one: its sticky bit keeps others from renaming what is not theirs."""
    (tmp_path / "above").mkdir()
    (tmp_path / "above").chmod(bits)
    with capturedLogs() as logged:
        PrivateDirectory.open(str(tmp_path / "above" / "state")).close()
    assert [(event["log_level"], event["above"]) for event in logged] == (
        [(LogLevel.warn, str(tmp_path / "above"))] if warns else []
    )


def test_a_parent_that_can_only_be_passed_through_is_enough(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "state").mkdir()
    (tmp_path / "home").chmod(0o111)
    PrivateDirectory.open(str(tmp_path / "home" / "state")).close()
    (tmp_path / "home").chmod(0o700)


def a_link(path: Path) -> None:
    path.with_name("target").write_text("untouched", encoding="ascii")
    path.symlink_to("target")


def a_second_name(path: Path) -> None:
    path.with_name("target").write_text("untouched", encoding="ascii")
    path.hardlink_to(path.with_name("target"))


def of_somebody(path: Path) -> None:
    path.write_text("planted", encoding="ascii")
    give_away(path)


def a_dangling_link(path: Path) -> None:
    path.symlink_to(path.with_name("new"))


@pytest.mark.parametrize("plant", [a_link, a_second_name, of_somebody, a_dangling_link, os.mkfifo, Path.mkdir])
def test_what_was_planted_is_neither_read_nor_written(
    place: Path, directory: PrivateDirectory, plant: Callable[[Path], None]
) -> None:
    """And a FIFO does not hold the start up."""
    plant(place / "file")
    with capturedLogs() as logged:
        assert directory.read("file", 100) is None
    assert [event["log_format"] for event in logged] == ["skipped a file: {why}"]
    with pytest.raises(OSError, match="file"):
        directory.open_file("file", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    assert not (place / "new").exists()
    if plant is not Path.mkdir:
        directory.create("file", b"mine")
        assert directory.read("file", 100) == b"mine"
    if (place / "target").exists():
        assert (place / "target").read_text("ascii") == "untouched"


def test_no_more_is_read_than_is_asked_for(place: Path, directory: PrivateDirectory) -> None:
    """A sparse gigabyte costs its maker nothing."""
    (place / "big").touch()
    os.truncate(place / "big", 1 << 30)
    with capturedLogs() as logged:
        assert directory.read("big", 4096) is None
    assert len(logged) == 1
    directory.replace("big", b"x" * 4096)
    assert directory.read("big", 4096) == b"x" * 4096
    assert directory.read("nothing", 1) is None
    assert sorted(directory.names()) == ["big"]


def test_one_that_is_moved_away_stays_the_same(tmp_path: Path, place: Path, directory: PrivateDirectory) -> None:
    """Whoever may write above it can put another directory in its place, but the daemon does not notice that one."""
    place.rename(tmp_path / "moved")
    place.mkdir()
    directory.create("file", b"x")
    assert os.listdir(place) == []
    assert os.listdir(tmp_path / "moved") == ["file"]


def test_one_that_is_closed_gives_no_descriptor(directory: PrivateDirectory) -> None:
    directory.close()
    directory.close()
    with pytest.raises(ValueError, match="closed"):
        directory.names()
