"""What is kept of directories: the state that they are in, and no more bytes than are allowed."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from transcoded.plan.http.cursors import name_of
from transcoded.run.files import directories
from transcoded.run.files.directories import PORTION, SETTLED, DirectoryEntries, DirectoryNames


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    """A folder that has not changed for a while, open."""
    (tmp_path / "b.mkv").touch()
    (tmp_path / ".hidden").touch()
    (tmp_path / "a").mkdir()
    (tmp_path / "notes.txt").touch()
    os.mkfifo(tmp_path / "fifo.mkv")
    settle(tmp_path)
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


def settle(path: Path) -> None:
    past = time.time() - 10 * SETTLED
    os.utime(path, (past, past))


def entries(reader: DirectoryEntries, folder: int) -> list[str]:
    return [name_of(key) for key in reader.read(folder, lambda name: name.endswith(".mkv"), lambda _: None)]


def test_entries_are_directories_and_files_that_are_shown(folder: int) -> None:
    assert entries(DirectoryEntries(), folder) == ["a", "b.mkv"]


@pytest.mark.parametrize("to", [True, False, None])
def test_a_link_is_what_it_leads_to(folder: int, tmp_path: Path, to: bool | None) -> None:
    (tmp_path / "0.mkv").symlink_to("anywhere")
    (tmp_path / "zz").symlink_to("anywhere")
    found = DirectoryEntries().read(folder, lambda name: name.endswith(".mkv"), lambda _: to)
    wanted = {True: ["0.mkv", "a", "zz", "b.mkv"], False: ["a", "0.mkv", "b.mkv"], None: ["a", "b.mkv"]}
    assert [name_of(key) for key in found] == wanted[to]


def test_a_folder_that_has_not_changed_is_read_once(folder: int, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, names = DirectoryEntries(), DirectoryNames()
    first = entries(reader, folder), names.read(folder)
    monkeypatch.setattr(os, "scandir", None)
    monkeypatch.setattr(os, "listdir", None)
    assert (entries(reader, folder), names.read(folder)) == first


def test_a_folder_that_has_changed_is_read_again(folder: int, tmp_path: Path) -> None:
    reader = DirectoryEntries()
    entries(reader, folder)
    (tmp_path / "c.mkv").touch()
    assert entries(reader, folder) == ["a", "b.mkv", "c.mkv"]
    (tmp_path / "d.mkv").touch()
    assert entries(reader, folder) == ["a", "b.mkv", "c.mkv", "d.mkv"], "it had just changed, so it was not kept"


def test_no_more_is_kept_than_is_allowed(folder: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directories, "KEPT", 100)
    names = DirectoryNames()
    names.read(folder)
    assert len(names._kept._texts) == 0


def test_sorting_in_portions_is_sorting() -> None:
    texts = [str(number * 7919 % 100_003) for number in range(3 * PORTION + 1)]
    assert directories._sorted(iter(texts)) == sorted(texts)
