"""The way from a URL's path to a file. A wrong yes shows a stranger a file that is not his; a wrong no hides a film."""

import errno
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.run.files.conftest import unprivileged
from transcoded.plan.errors import DiskFailed, NotFound, NotMedia, TranscodedError, Unavailable, Unreadable
from transcoded.run.files.library import Library, Version

NOTHING = "There is no such file in the library."


@pytest.mark.parametrize(
    ("path", "below"),
    [
        ("films/a.mkv", "films/a.mkv"),
        ("films/series/one/1.mkv", "films/series/one/1.mkv"),
        ("films/notes.txt", "films/notes.txt"),
        ("films/no suffix", "films/no suffix"),
        ("films/with space.mkv", "films/with space.mkv"),
        ("films/100%.mkv", "films/100%.mkv"),
        ("films/-leading.mkv", "films/-leading.mkv"),
        ("films/new\nline.mkv", "films/new\nline.mkv"),
        ("films/quote'\".mkv", "films/quote'\".mkv"),
        ("films/日本.mkv", "films/日本.mkv"),
        ("films/a..b.mkv", "films/a..b.mkv"),
        ("films/a?b#c.mkv", "films/a?b#c.mkv"),
        ("films/link inside.mkv", "films/series/one/1.mkv"),
        ("films/link directory/one/1.mkv", "films/series/one/1.mkv"),
        ("music/song.flac", "music/song.flac"),
    ],
)
def test_a_file_of_the_library_is_found(library: Library, tree: Path, path: str, below: str) -> None:
    file = library.locate(path)
    real = tree / below
    assert (file.path, file.real_path) == (path, str(real))
    assert file.version == Version.of(real.stat())
    assert file.size == real.stat().st_size


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "films/nothing.mkv",
        "nothing/a.mkv",
        "/films/a.mkv",
        "films//a.mkv",
        "films/a.mkv/",
        "films/a.mkv/b",
        "Films/a.mkv",
        # Out of the root.
        "films/../secret.mkv",
        "films/series/../../secret.mkv",
        "films/series/../a.mkv",
        "films/..",
        "films/./a.mkv",
        "../secret.mkv",
        "films/../films/a.mkv",
        "films/.../a.mkv",
        "..",
        ".",
        # Hidden.
        "films/.dot.mkv",
        "films/.hidden/deep/a.mkv",
        # Names that no file can have.
        "films/a.mkv\0",
        "films/\0",
        "films\0/a.mkv",
        "films/a\0.mkv",
        "films/" + "n" * 5000,
        "films/" + "d/" * 3000 + "a.mkv",
        f"films/{chr(0xD800)}.mkv",
        f"films/{chr(0xDFFF)}.mkv",
        # What a client has encoded twice.
        "films/%2e%2e/secret.mkv",
        "films/..%2fsecret.mkv",
        "films/..\\secret.mkv",
        # Symbolic links to what may not be seen.
        "films/link out.mkv",
        "films/link out absolute.mkv",
        "films/link out directory/secret.mkv",
        "films/link out directory/films/a.mkv/x",
        "films/link to a neighbour.mkv",
        "films/link to another root.flac",
        "films/link to a dotfile.mkv",
        "films/link below hidden.mkv",
        "films/link to nothing.mkv",
        "films/link to itself.mkv",
        "films/link to a link.mkv",
        "films/link to a device.mkv",
    ],
)
def test_what_may_not_be_seen_is_not_there(library: Library, path: str) -> None:
    """And looks like what is not there: that it exists is a secret too."""
    with pytest.raises(NotFound) as problem:
        library.locate(path)
    assert problem.value.detail == NOTHING


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["films", "series", "one", "..", ".", "", "a.mkv", "link out directory", "secret.mkv"]))
)
def test_whatever_the_path_what_is_found_lies_below_a_root(tree: Path, library: Library, parts: list[str]) -> None:
    try:
        found = library.locate("/".join(parts)).real_path
    except NotFound:
        return
    assert found.startswith((f"{tree}/films/", f"{tree}/music/"))


@pytest.mark.parametrize("path", ["films", "films/series", "films/link directory"])
def test_a_directory_is_no_film_and_the_answer_helps(library: Library, path: str) -> None:
    with pytest.raises(NotFound, match="directory"):
        library.locate(path)


def test_a_fifo_is_refused_and_not_opened(library: Library) -> None:
    """ffprobe would wait for ever for somebody to write into it."""
    with pytest.raises(NotMedia, match="not a regular file"):
        library.locate("films/fifo.mkv")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOENT, NotFound),
        (errno.ENAMETOOLONG, NotFound),
        (errno.EACCES, Unreadable),
        (errno.EPERM, Unreadable),
        (errno.EMFILE, Unavailable),
        (errno.EIO, DiskFailed),
        (errno.ESTALE, DiskFailed),
        (errno.ENOTCONN, DiskFailed),
    ],
)
def test_what_the_system_says_of_a_file_is_not_told_as_something_else(
    library: Library, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[TranscodedError]
) -> None:
    """ "No such file" of a film whose disk has failed sends its owner on a search for the film."""

    def refuse(found: int) -> int:
        raise OSError(code, os.strerror(code), "/srv/films/a.mkv")

    monkeypatch.setattr("transcoded.run.files.library.open_regular", refuse)
    with pytest.raises(TranscodedError) as problem:
        library.locate("films/a.mkv")
    assert type(problem.value) is kind
    assert "/srv" not in problem.value.detail


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("m/open.mkv", None),
        ("m/shut.mkv", Unreadable),
        ("m/link to shut.mkv", Unreadable),
        ("m/shut/a.mkv", Unreadable),
        ("m/shut/nothing.mkv", Unreadable),
        ("m/link below shut.mkv", Unreadable),
        ("m/nothing.mkv", NotFound),
        ("m/.shut/a.mkv", NotFound),
    ],
)
def test_what_may_not_be_read_is_told(unreadable: Path, path: str, kind: type[TranscodedError] | None) -> None:
    library = Library({"m": str(unreadable)})
    with unprivileged():
        if kind is None:
            assert library.locate(path).size == 1
            return
        with pytest.raises(kind) as problem:
            library.locate(path)
    assert getattr(problem.value, "path", path) == path


def test_a_file_that_may_not_be_read_is_told_of_through_a_route_too(unreadable: Path) -> None:
    library = Library({"m": str(unreadable)})
    with unprivileged(), pytest.raises(Unreadable):
        library.locate_first(["m/shut.mkv/stream.mp4", "m/shut.mkv"])


# Names.


def test_hidden_names_exist_if_the_operator_wants_it(tree: Path) -> None:
    library = Library({"films": str(tree / "films")}, shows_hidden=True)
    for path in (".dot.mkv", ".hidden/deep/a.mkv", ".../a.mkv", "link to a dotfile.mkv"):
        assert library.locate(f"films/{path}").size == 3
    for path in ("../secret.mkv", "./a.mkv", "series/../a.mkv", "link out.mkv"):
        with pytest.raises(NotFound):
            library.locate(f"films/{path}")


def test_an_ellipsis_hides_nothing(library: Library) -> None:
    assert library.locate("films/...And Justice/01.mkv").size == 3


def test_a_name_of_any_bytes_is_found_and_opened(library: Library) -> None:
    file = library.locate("films/latin-\udce4.mkv")
    assert os.fsencode(file.real_path).endswith(b"/latin-\xe4.mkv")
    os.close(library.open(file))
    assert library.meant("films/latin-%E4.mkv") == file.path
    for path in ("films/latin-%E4.mkv", "films/latin-\ufffd.mkv", "films/latin-\udcc3\udca4.mkv"):
        with pytest.raises(NotFound):
            library.locate(path)


def test_a_file_whose_name_looks_like_a_written_one_comes_first(tmp_path: Path) -> None:
    library = Library({"m": str(tmp_path.resolve())})
    (tmp_path / "a%E9.mkv").touch()
    assert library.meant("m/a%E9.mkv") == "m/a%E9.mkv"
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\xe9.mkv")).touch()
    assert library.meant("m/a%E9.mkv") == "m/a%E9.mkv"
    (tmp_path / "a%E9.mkv").unlink()
    assert library.meant("m/a%E9.mkv") == "m/a\udce9.mkv"
    assert library.meant("m/gone%E9.mkv") == "m/gone\udce9.mkv", "of a file that is gone, streams may still be there"


def test_a_root_of_everything_is_a_root() -> None:
    """`--media /` is nobody's wish but everybody's right."""
    assert Library({"all": "/"}).locate(f"all{os.path.realpath(__file__)}").real_path == os.path.realpath(__file__)


def test_a_root_below_a_hidden_directory_is_no_hidden_root(tree: Path) -> None:
    """Only what lies below the root is judged: a home of dotfiles may hold the films."""
    hidden = Library({"deep": str(tree / "films" / ".hidden" / "deep")})
    assert hidden.locate("deep/a.mkv").size == 3


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (["films/a.mkv/stream.mp4", "films/a.mkv"], "films/a.mkv"),
        (["films/series/one/1.mkv", "films/series"], "films/series/one/1.mkv"),
        (["films/nothing", "films/series", "films/a.mkv"], "films/a.mkv"),
    ],
)
def test_the_first_of_several_paths_that_is_a_file_is_meant(library: Library, paths: list[str], found: str) -> None:
    assert library.locate_first(paths).path == found


def test_where_no_path_leads_to_a_file_the_whole_one_is_told_of(library: Library) -> None:
    with pytest.raises(NotFound, match="directory"):
        library.locate_first(["films/series", "films"])
    with pytest.raises(NotFound) as problem:
        library.locate_first(["films/series/stream.mp4", "films/series"])
    assert problem.value.detail == NOTHING
    with pytest.raises(NotMedia):
        library.locate_first(["films/fifo.mkv/stream.mp4", "films/fifo.mkv"])


# Versions.


def test_another_file_under_the_same_name_is_another_version(tmp_path: Path) -> None:
    """Else a player would get the old film's headers and the new film's bytes."""
    library = Library({"films": str(tmp_path.resolve())})
    path = tmp_path / "a.mkv"
    path.write_bytes(b"old")
    old = library.locate("films/a.mkv").version
    assert library.locate("films/a.mkv").version == old
    other = tmp_path / "other.mkv"
    other.write_bytes(b"new")
    os.utime(other, ns=(old.mtime_ns, old.mtime_ns))
    other.rename(path)
    assert library.locate("films/a.mkv").version != old


@pytest.mark.parametrize("change", ["size", "time"])
def test_a_file_that_was_changed_is_another_version(tmp_path: Path, change: str) -> None:
    library = Library({"films": str(tmp_path.resolve())})
    path = tmp_path / "a.mkv"
    path.write_bytes(b"old")
    old = library.locate("films/a.mkv").version
    if change == "size":
        path.write_bytes(b"longer")
        os.utime(path, ns=(old.mtime_ns, old.mtime_ns))
    else:
        os.utime(path, ns=(old.mtime_ns, old.mtime_ns + 1))
    assert library.locate("films/a.mkv").version != old


def test_a_real_path_is_told_even_where_nothing_is(library: Library, tree: Path) -> None:
    """A release of a file that is gone already must not fail."""
    assert library.real_path("films/nothing.mkv") == str(tree / "films" / "nothing.mkv")
    assert library.real_path("films/link inside.mkv") == str(tree / "films" / "series" / "one" / "1.mkv")
    assert library.real_path("films/../secret.mkv") is None
    assert library.real_path("films/link out.mkv") is None


def test_the_tree_is_what_the_tests_mean(tree: Path) -> None:
    assert stat.S_ISFIFO((tree / "films" / "fifo.mkv").stat().st_mode)
    assert any(b"\xe4" in name for name in os.listdir(os.fsencode(tree / "films")))
