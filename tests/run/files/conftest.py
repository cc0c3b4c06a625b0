"""Media roots with traps, and how to be somebody who may not read everything: tests in containers run as root."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from transcoded.run.files.library import Library

NOBODY = 65534


@contextmanager
def unprivileged() -> Iterator[None]:
    """For a while, be nobody if this process is root."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two roots, and beside them what nobody may see."""
    top = tmp_path_factory.mktemp("library").resolve()
    films = top / "films"
    for directory in ("series/one", "Zebra", "empty", ".hidden/deep", "...", "...And Justice"):
        (films / directory).mkdir(parents=True)
    (top / "music").mkdir()
    (top / "filmsecret").mkdir()
    for name in (
        *("a.mkv", "B.MP4", "b.mp4", "Ä.webm", "notes.txt", "no suffix", ".dot.mkv", ".hidden/deep/a.mkv"),
        *(
            "series/one/1.mkv",
            "with space.mkv",
            "100%.mkv",
            "-leading.mkv",
            "new\nline.mkv",
            "quote'\".mkv",
            "日本.mkv",
        ),
        *("a..b.mkv", "a?b#c.mkv", ".../a.mkv", "...And Justice/01.mkv"),
    ):
        (films / name).write_bytes(b"x" * 3)
    (top / "music" / "song.flac").write_bytes(b"song")
    (top / "secret.mkv").write_bytes(b"secret")
    (top / "filmsecret" / "a.mkv").write_bytes(b"secret")
    (films / "link inside.mkv").symlink_to("series/one/1.mkv")
    (films / "link directory").symlink_to("series")
    (films / "link out.mkv").symlink_to("../secret.mkv")
    (films / "link out absolute.mkv").symlink_to(top / "secret.mkv")
    (films / "link out directory").symlink_to(top)
    (films / "link to a neighbour.mkv").symlink_to("../filmsecret/a.mkv")
    (films / "link to another root.flac").symlink_to("../music/song.flac")
    (films / "link to a dotfile.mkv").symlink_to(".dot.mkv")
    (films / "link below hidden.mkv").symlink_to(".hidden/deep/a.mkv")
    (films / "link to nothing.mkv").symlink_to("nothing.mkv")
    (films / "link to itself.mkv").symlink_to("link to itself.mkv")
    (films / "link to a link.mkv").symlink_to("link out.mkv")
    (films / "link to a device.mkv").symlink_to("/dev/zero")
    os.mkfifo(films / "fifo.mkv")
    with open(os.fsencode(films) + b"/latin-\xe4.mkv", "wb") as file:
        file.write(b"x")
    return top


@pytest.fixture(scope="module")
def library(tree: Path) -> Library:
    return Library({"films": str(tree / "films"), "music": str(tree / "music")})


@pytest.fixture
def unreadable() -> Iterator[Path]:
    """A root that everybody may read, with files and directories in it that nobody but root may."""
    root = Path(tempfile.mkdtemp()).resolve()
    (root / "shut").mkdir()
    (root / ".shut").mkdir()
    (root / "names").mkdir()
    for name in ("open.mkv", "shut.mkv", "shut/a.mkv", ".shut/a.mkv", "names/a.mkv"):
        (root / name).write_bytes(b"x")
    (root / "link to shut.mkv").symlink_to("shut.mkv")
    (root / "link below shut.mkv").symlink_to("shut/a.mkv")
    (root / "shut.mkv").chmod(0)
    (root / "shut").chmod(0)
    (root / ".shut").chmod(0)
    (root / "names").chmod(0o444)
    root.chmod(0o755)
    try:
        yield root
    finally:
        for name in ("shut", ".shut", "names"):
            (root / name).chmod(0o700)
        shutil.rmtree(root)
