"""Listings: what a folder shows, in which order, and page by page. What is left out of it cannot be found."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.run.files.conftest import unprivileged
from transcoded.plan.errors import NotFound, Unreadable
from transcoded.plan.http.cursors import key_of
from transcoded.run.files.directories import DirectoryEntries
from transcoded.run.files.folders import Entry, Folders, Page
from transcoded.run.files.library import Library

ALL = 1000


def test_the_roots_are_listed_by_name(library: Library, tree: Path) -> None:
    entries = Folders(library).page("", ALL).entries
    assert [(entry.name, entry.path, entry.type, entry.size) for entry in entries] == [
        ("films", "films", "directory", None),
        ("music", "music", "directory", None),
    ]
    assert entries[0].mtime == (tree / "films").stat().st_mtime


def test_a_root_that_is_gone_is_still_listed() -> None:
    """A disk that is not plugged in; its name in the list says that it is missed."""
    (entry,) = Folders(Library({"usb": "/nonexistent/usb"})).page("", ALL).entries
    assert (entry.name, entry.mtime, entry.readable) == ("usb", None, False)


def test_a_directory_is_listed_in_order_and_shows_nothing_that_cannot_be_opened(library: Library) -> None:
    assert [(entry.type, entry.name) for entry in Folders(library).page("films", ALL).entries] == [
        ("directory", "...And Justice"),
        ("directory", "empty"),
        ("directory", "link directory"),
        ("directory", "series"),
        ("directory", "Zebra"),
        ("file", "-leading.mkv"),
        ("file", "100%.mkv"),
        ("file", "a..b.mkv"),
        ("file", "a.mkv"),
        ("file", "a?b#c.mkv"),
        ("file", "B.MP4"),
        ("file", "b.mp4"),
        ("file", "latin-�.mkv"),
        ("file", "link inside.mkv"),
        ("file", "new\nline.mkv"),
        ("file", "quote'\".mkv"),
        ("file", "with space.mkv"),
        ("file", "Ä.webm"),
        ("file", "日本.mkv"),
    ]


def test_whatever_is_listed_can_be_opened(library: Library) -> None:
    def walk(path: str) -> int:
        count = 0
        for entry in Folders(library).page(path, ALL).entries:
            if entry.type == "directory":
                assert entry.size is None
                count += walk(entry.path)
            else:
                file = library.locate(library.meant(entry.path))
                assert (entry.size, entry.mtime) == (file.size, os.stat(file.real_path).st_mtime)
                count += 1
        return count

    assert walk("") == 18


@pytest.mark.parametrize(
    "path",
    [
        "films/a.mkv",
        "films/nothing",
        "nothing",
        "films/..",
        "films/.hidden",
        "films/link out directory",
        "films/\0",
        "/",
    ],
)
def test_what_is_no_directory_has_no_listing(library: Library, path: str) -> None:
    with pytest.raises(NotFound):
        Folders(library).page(path, ALL)


def test_an_empty_directory_has_an_empty_listing(library: Library) -> None:
    assert Folders(library).page("films/empty", ALL) == Page([], None)


def test_a_directory_that_may_not_be_read_has_no_listing_and_it_is_told_why(unreadable: Path) -> None:
    folders = Folders(Library({"m": str(unreadable)}))
    with unprivileged(), pytest.raises(Unreadable) as problem:
        folders.page("m/shut", ALL)
    assert problem.value.path == "m/shut"


def test_what_may_not_be_read_is_listed_as_such(unreadable: Path) -> None:
    """Else its owner looks for it where it is."""
    folders = Folders(Library({"m": str(unreadable)}))
    with unprivileged():
        entries = folders.page("m", ALL).entries
        (below,) = folders.page("m/names", ALL).entries
    assert {entry.name: entry.readable for entry in entries} == {
        "names": False,
        "shut": False,
        "link below shut.mkv": False,
        "link to shut.mkv": False,
        "open.mkv": True,
        "shut.mkv": False,
    }
    sizes = {entry.name: entry.size for entry in entries if entry.type == "file"}
    assert sizes == {"link below shut.mkv": None, "link to shut.mkv": 1, "open.mkv": 1, "shut.mkv": 1}
    assert (below.name, below.type, below.size, below.readable) == ("a.mkv", "file", None, False)


def test_names_of_any_bytes_are_listed_and_lead_back(tmp_path: Path) -> None:
    """A library that was copied from an old disk has them, and a film that is not listed is lost."""
    library = Library({"m": str(tmp_path.resolve())})
    os.mkdir(os.fsencode(tmp_path) + b"/\xfcbel")
    for name in (b"caf\xe9.mkv", b"100% \xff.mkv", b"100%.mkv", b"\xfcbel/b\xe4r.mkv", "é.mkv".encode()):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(name)
    folders = Folders(library)
    entries = folders.page("m", ALL).entries
    assert [(entry.name, entry.path) for entry in entries] == [
        ("\ufffdbel", "m/%FCbel"),
        ("100% \ufffd.mkv", "m/100%25 %FF.mkv"),
        ("100%.mkv", "m/100%.mkv"),
        ("caf\ufffd.mkv", "m/caf%E9.mkv"),
        ("é.mkv", "m/é.mkv"),
    ]
    (bear,) = folders.page("m/%FCbel", ALL).entries
    for entry in [*entries[1:], bear]:
        file = library.locate(library.meant(entry.path))
        assert os.fsencode(file.real_path).endswith(b"/" + Path(file.real_path).read_bytes())
    assert msgspec.json.decode(msgspec.json.encode(entries), type=list[Entry]) == list(entries)
    found = pages(library, "m", 1)
    assert [name for page in found for name in page] == [entry.name for entry in entries]


def test_hidden_entries_are_listed_if_the_operator_wants_it(tree: Path) -> None:
    names = {
        entry.name
        for entry in Folders(Library({"films": str(tree / "films")}, shows_hidden=True)).page("films", ALL).entries
    }
    assert {".hidden", ".dot.mkv", "...", "...And Justice", "a.mkv"} <= names


def test_episodes_are_in_the_order_of_their_numbers_on_every_page(tmp_path: Path) -> None:
    for number in range(120):
        (tmp_path / f"Episode {number}.mkv").touch()
    found = pages(Library({"m": str(tmp_path)}), "m", 17)
    assert [name for page in found for name in page] == [f"Episode {number}.mkv" for number in range(120)]


def pages(library: Library, path: str, limit: int, between: Callable[[], None] = lambda: None) -> list[list[str]]:
    """The names on each page, at most a hundred."""
    found, after = [], ""
    for _ in range(100):
        page = Folders(library).page(path, limit, after)
        found.append([entry.name for entry in page.entries])
        if page.cursor is None:
            return found
        after = key_of(page.cursor)
        between()
    raise AssertionError(found)


@pytest.mark.parametrize("limit", [1, 4, 16, 17, 18])
@pytest.mark.parametrize("path", ["", "films"])
def test_the_pages_together_are_the_whole(library: Library, path: str, limit: int) -> None:
    whole = [entry.name for entry in Folders(library).page(path, ALL).entries]
    found = pages(library, path, limit)
    assert [name for page in found for name in page] == whole
    assert all(len(page) == limit for page in found[:-1])
    assert 0 < len(found[-1]) <= limit


def test_a_folder_that_changes_between_pages_neither_repeats_nor_loses_an_entry(tmp_path: Path) -> None:
    """A count as the cursor would do both."""
    for name in "bdfhj":
        (tmp_path / f"{name}.mkv").touch()
    changes: Iterator[Callable[[], None]] = iter([(tmp_path / "a.mkv").touch, (tmp_path / "b.mkv").unlink])
    found = pages(Library({"m": str(tmp_path)}), "m", 2, lambda: next(changes)())
    assert found == [["b.mkv", "d.mkv"], ["f.mkv", "h.mkv"], ["j.mkv"]]


def test_an_entry_that_goes_while_its_page_is_made_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        (tmp_path / f"{name}.mkv").touch()
    read = DirectoryEntries.read

    def then_remove(entries: DirectoryEntries, *arguments: Any) -> Sequence[str]:
        found = read(entries, *arguments)
        (tmp_path / "b.mkv").unlink(missing_ok=True)
        return found

    monkeypatch.setattr(DirectoryEntries, "read", then_remove)
    assert pages(Library({"m": str(tmp_path)}), "m", 2) == [["a.mkv"], ["c.mkv"]]
