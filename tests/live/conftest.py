"""One daemon for all tests that only ask, with proof after each test that it has nothing left and met no surprise."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clips import ODD_NAMES, Clips, clips, made_once
from tests.support.daemon import LiveDaemon
from tests.support.films import make_films
from tests.support.launcher import launcher
from tests.support.programs import Programs, programs

__all__ = ["clips", "daemon", "hostile", "programs", "root", "shared", "shared_daemon"]


@pytest.fixture(scope="session", autouse=True)
def _quick_starts() -> Iterator[None]:
    with launcher():
        yield


@pytest.fixture(scope="session")
def hostile(clips: Clips, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A media root full of traps, with what must not be seen beside it (`outside/secret.mp4`)."""
    above = tmp_path_factory.mktemp("hostile")
    outside, root = above / "outside", above / "root"
    for directory in (outside, root, root / "folder", root / ".hidden", root / "odd", root / "stream.mp4"):
        directory.mkdir()
    for place in (outside / "secret.mp4", root / "film.mp4", root / ".dot.mp4", root / ".hidden" / "film.mp4"):
        shutil.copy(clips.film.path, place)
    shutil.copy(clips.film.path, root / "stream.mp4" / "film.mp4")
    (root / "away.mp4").symlink_to(outside / "secret.mp4")
    (root / "away").symlink_to(outside)
    (root / "visible.mp4").symlink_to(".dot.mp4")
    (root / "same.mp4").symlink_to("film.mp4")
    (root / "nowhere.mp4").symlink_to("nothing.mp4")
    (root / "circle.mp4").symlink_to("circle.mp4")
    os.mkfifo(root / "fifo.mp4")
    for name in ODD_NAMES:
        shutil.copy(clips.song.path, root / "odd" / name)
    os.symlink(b"../film.mp4", os.fsencode(root / "odd") + b"/\xff\xfe.mp4")
    return root


@pytest.fixture(scope="session")
def shared_daemon(clips: Clips, hostile: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    """The daemon: `clips` are served as `m`, the traps as `h`."""
    with LiveDaemon(tmp_path_factory.mktemp("daemon"), {"m": clips.directory, "h": hostile}) as daemon:
        yield daemon


@pytest.fixture
def daemon(shared_daemon: LiveDaemon) -> Iterator[LiveDaemon]:
    """The shared daemon; the test fails if a process is left by it, or a traceback in the log."""
    said = len(shared_daemon.log())
    yield shared_daemon
    shared_daemon.quiet()
    news = shared_daemon.log()[said:]
    assert "Traceback" not in news, news
    assert "Unhandled" not in news, news


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The films of `tests.support.films`, in a directory that is the module's own."""
    films = made_once(tmp_path_factory, "films", make_films)
    directory = tmp_path_factory.mktemp("root")
    for film in films.iterdir():
        os.link(film, directory / film.name)
    return directory


@pytest.fixture(scope="module")
def shared(programs: Programs, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    """A daemon that serves `root` as `f`, with each ffmpeg of a module in turn."""
    with LiveDaemon(tmp_path_factory.mktemp("daemon"), {"f": root}, programs=programs) as daemon:
        yield daemon
