"""The subtitle files of a film: where users keep them, and none that are another film's or out of the library."""

import os
from pathlib import Path
from unicodedata import normalize

import pytest

from transcoded.plan.subtitles.names import FOLDERS, SubtitleName
from transcoded.run.files import sidecars
from transcoded.run.files.library import Library, MediaFile, Version
from transcoded.run.files.sidecars import MAX_IMAGES, MAX_SIDECARS, MAX_TEXT, Sidecar, find_sidecars


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    return root.resolve()


@pytest.fixture
def library(root: Path) -> Library:
    return Library({"films": str(root)})


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def found(library: Library, path: str) -> list[Sidecar]:
    return list(find_sidecars(library, library.locate(f"films/{path}")))


def paths(library: Library, path: str) -> list[str]:
    return [one.path.removeprefix("films/") for one in found(library, path)]


def test_those_beside_a_film_and_nobody_elses(library: Library, root: Path) -> None:
    make(
        root, "a.mkv", "a.srt", "a.en.srt", "a.DE.VTT", "a.ass", "a.sup", "ab.srt", "a.txt", "b.srt", ".a.srt", "a.idx"
    )
    assert [(one.path, one.name.language, one.codec) for one in found(library, "a.mkv")] == [
        ("films/a.DE.VTT", "de", "webvtt"),
        ("films/a.ass", None, "ass"),
        ("films/a.en.srt", "en", "subrip"),
        ("films/a.srt", None, "subrip"),
        ("films/a.sup", None, "hdmv_pgs_subtitle"),
    ]


def test_the_film_with_the_longest_name_has_it(library: Library, root: Path) -> None:
    make(root, "Movie.mp4", "Movie.Part.2.mp4", "Movie.Part.2.en.srt", "Movie.en.srt", "Movie.Part.2.txt")
    assert paths(library, "Movie.mp4") == ["Movie.en.srt"]
    assert paths(library, "Movie.Part.2.mp4") == ["Movie.Part.2.en.srt"]


def test_one_with_the_whole_name_of_the_film(library: Library, root: Path) -> None:
    make(root, "a.mkv", "a.mkv.en.srt", "a.mp4")
    assert [one.name for one in found(library, "a.mkv")] == [SubtitleName("en")]


def test_a_name_that_is_composed_in_another_way(library: Library, root: Path) -> None:
    """A Mac writes accents as letters of their own."""
    make(root, normalize("NFC", "Amélie.mkv"), normalize("NFD", "Amélie.fr.srt"))
    assert [one.name.language for one in found(library, normalize("NFC", "Amélie.mkv"))] == ["fr"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_those_in_a_folder_for_them(library: Library, root: Path, folder: str) -> None:
    make(root, "a.mkv", "b.mkv", f"{folder}/a.en.srt", f"{folder}/b.en.srt", f"{folder}/2_German.srt")
    assert paths(library, "a.mkv") == [f"{folder}/a.en.srt"]


def test_in_a_folder_of_the_films_name_all_are_its(library: Library, root: Path) -> None:
    make(root, "a.mkv", "b.mkv", "Subs/a/2_English.srt", "Subs/a/3_German.srt", "Subs/b/2_English.srt")
    assert [(one.path, one.name.language) for one in found(library, "a.mkv")] == [
        ("films/Subs/a/2_English.srt", "en"),
        ("films/Subs/a/3_German.srt", "de"),
    ]


def test_those_in_a_folder_beside_the_only_film(library: Library, root: Path) -> None:
    make(root, "a/film.mkv", "a/Subs/English.srt", "a/Subs/2_ger.forced.srt")
    assert [one.name for one in found(library, "a/film.mkv")] == [SubtitleName("de", forced=True), SubtitleName("en")]
    make(root, "a/other.mkv")
    assert paths(library, "a/film.mkv") == []


def test_one_beside_a_link_and_one_beside_what_it_leads_to(library: Library, root: Path) -> None:
    make(root, "store/abc.mp4", "store/abc.de.srt", "links/Film (2020).en.srt")
    (root / "links" / "Film (2020).mp4").symlink_to("../store/abc.mp4")
    assert paths(library, "links/Film (2020).mp4") == ["links/Film (2020).en.srt", "store/abc.de.srt"]
    assert paths(library, "store/abc.mp4") == ["store/abc.de.srt"]


def test_a_film_below_a_link_to_a_directory(library: Library, root: Path) -> None:
    make(root, "store/a.mp4", "store/a.en.srt")
    (root / "linked").symlink_to("store")
    assert paths(library, "linked/a.mp4") == ["store/a.en.srt"]


def test_a_subtitle_file_that_is_a_link_within_the_library(library: Library, root: Path) -> None:
    make(root, "store/x.srt", "real.mp4")
    (root / "real.en.srt").symlink_to("store/x.srt")
    (one,) = found(library, "real.mp4")
    assert (one.name.language, one.path, one.real_path) == ("en", "films/store/x.srt", str(root / "store" / "x.srt"))
    assert one.version == Version.of((root / "store" / "x.srt").stat())


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../outside.srt", ".hidden.srt", "nothing.srt", "a.en.srt", "folder"]
)
def test_a_link_that_leads_out_or_nowhere_is_none(library: Library, root: Path, target: str) -> None:
    """It could name any file of the machine."""
    make(root, "a.mkv", ".hidden.srt", "folder/x")
    (root.parent / "outside.srt").write_text("secret")
    (root / "a.en.srt").symlink_to(target)
    assert paths(library, "a.mkv") == []


def test_a_folder_that_is_a_link_out_of_the_library_is_none(library: Library, root: Path) -> None:
    make(root, "a.mkv")
    (root.parent / "outside").mkdir()
    (root.parent / "outside" / "a.en.srt").write_text("secret")
    (root / "Subs").symlink_to("../outside")
    assert paths(library, "a.mkv") == []


def test_one_that_may_not_be_read_is_left_out(library: Library, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be offered, and could not be had. Root may read everything, so the question is put in another way."""
    make(root, "a.mkv", "a.en.srt", "a.de.srt")
    (root / "a.en.srt").chmod(0)
    real = os.access
    monkeypatch.setattr(os, "access", lambda name, *more, **others: name != "a.en.srt" and real(name, *more, **others))
    assert paths(library, "a.mkv") == ["a.de.srt"]


def test_so_is_one_that_is_too_long_and_what_is_no_file(library: Library, root: Path) -> None:
    make(root, "a.mkv", "a.en.srt", "a.sup")
    os.mkfifo(root / "a.fr.srt")
    (root / "a.it.srt").mkdir()
    for name, limit in (("a.en.srt", MAX_TEXT), ("a.sup", MAX_IMAGES)):
        os.truncate(root / name, limit)
    assert paths(library, "a.mkv") == ["a.en.srt", "a.sup"]
    for name, limit in (("a.en.srt", MAX_TEXT), ("a.sup", MAX_IMAGES)):
        os.truncate(root / name, limit + 1)
    assert paths(library, "a.mkv") == []


def test_there_are_only_so_many(library: Library, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(root, "a.mkv", *(f"a.{number:03}.srt" for number in range(MAX_SIDECARS + 5)))
    assert len(found(library, "a.mkv")) == MAX_SIDECARS
    monkeypatch.setattr(sidecars, "MAX_NAMES", 7)
    assert len(found(library, "a.mkv")) == 7


def test_another_version_of_a_file_shows(library: Library, root: Path) -> None:
    """Else a player would keep the subtitles of before for a year."""
    make(root, "a.mkv", "a.srt")
    (before,) = found(library, "a.mkv")
    (root / "a.srt").write_text("other")
    (after,) = found(library, "a.mkv")
    assert before.version != after.version


def test_one_that_is_added_or_removed_is_seen_at_once(library: Library, root: Path) -> None:
    make(root, "a.mkv", "a.en.srt")
    assert paths(library, "a.mkv") == ["a.en.srt"]
    make(root, "a.de.srt", "Subs/a.fr.srt")
    assert paths(library, "a.mkv") == ["a.de.srt", "a.en.srt", "Subs/a.fr.srt"]
    (root / "a.en.srt").unlink()
    assert paths(library, "a.mkv") == ["a.de.srt", "Subs/a.fr.srt"]


def test_a_name_that_is_no_text_has_a_title_that_is(library: Library, root: Path) -> None:
    """An answer is UTF-8."""
    make(root, "a.mkv")
    (root / os.fsdecode(b"a.caf\xe9.srt")).touch()
    (one,) = found(library, "a.mkv")
    assert one.name == SubtitleName(title="caf�")


def test_a_directory_that_is_gone_has_none() -> None:
    library = Library({"films": "/nonexistent"})
    assert find_sidecars(library, MediaFile("films/a.mkv", "/nonexistent/a.mkv", Version(0, 0, 0, 0))) == []
