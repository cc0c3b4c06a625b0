"""Somebody who may write below a media root gets nothing out of the daemon that lies outside of it, however quick he is."""

import os
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.support.clips import Clips
from tests.support.daemon import LiveDaemon, media_url, read_head, until
from transcoded.plan.errors import NotFound, TranscodedError
from transcoded.run.files.folders import Folders
from transcoded.run.files.library import Library
from transcoded.run.files.sidecars import MAX_TEXT, find_sidecars

SWAPS = 5_000
INSIDE, OUTSIDE = b"inside", b"outside"


@contextmanager
def swapping(path: Path, target: Path) -> Iterator[None]:
    """Replace what is at `path` by a link to `target`, and put it back, again and again, until the block is left."""
    over = threading.Event()
    aside, link = path.with_name("aside"), path.with_name("link")
    link.symlink_to(target)

    def swap() -> None:
        while not over.is_set():
            path.rename(aside)
            link.rename(path)
            path.rename(link)
            aside.rename(path)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        link.unlink()


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """A root with a film in a folder; beside the root is a folder with a file of the same name."""
    for name, content in (("root", INSIDE), ("outside", OUTSIDE)):
        (tmp_path / name / "folder").mkdir(parents=True)
        (tmp_path / name / "folder" / "film.mp4").write_bytes(content)
    return tmp_path.resolve() / "root"


@pytest.mark.parametrize("swapped", ["folder/film.mp4", "folder"])
def test_a_link_that_takes_the_place_of_a_file_is_never_followed(media: Path, swapped: str) -> None:
    library = Library({"m": str(media)})
    refused = served = 0
    with swapping(media / swapped, media.parent / "outside" / swapped):
        for _ in range(SWAPS):
            try:
                with open(library.open(library.locate("m/folder/film.mp4")), "rb") as file:
                    assert file.read() == INSIDE
                served += 1
            except TranscodedError:
                refused += 1
    assert served, "without a success the test shows nothing"
    assert refused, "without a link at the right moment the test shows nothing"


def test_neither_is_it_by_a_listing_or_by_the_search_for_subtitles(media: Path) -> None:
    (media / "folder" / "film.srt").write_bytes(INSIDE)
    (media.parent / "outside" / "folder" / "film.srt").write_bytes(OUTSIDE)
    (media.parent / "outside" / "folder" / "secret.mp4").write_bytes(OUTSIDE)
    library = Library({"m": str(media)})
    film = library.locate("m/folder/film.mp4")
    with swapping(media / "folder", media.parent / "outside" / "folder"):
        for _ in range(SWAPS // 5):
            assert all(one.version.size == len(INSIDE) for one in find_sidecars(library, film))
            try:
                names = [entry.name for entry in Folders(library).page("m/folder", 1000).entries]
            except NotFound:
                continue
            assert names == ["film.mp4"]


def test_a_subtitle_file_that_became_a_link_is_not_opened(media: Path) -> None:
    sidecar = media / "folder" / "film.srt"
    sidecar.write_bytes(INSIDE)
    library = Library({"m": str(media)})
    (found,) = find_sidecars(library, library.locate("m/folder/film.mp4"))
    sidecar.unlink()
    sidecar.symlink_to(media.parent / "outside" / "folder" / "film.mp4")
    with pytest.raises(NotFound):
        library.open(found)


def test_a_file_that_is_not_the_one_that_was_checked_is_not_opened(media: Path) -> None:
    """Its plan, its version and its cached segments belong to the other one."""
    library = Library({"m": str(media)})
    found = library.locate("m/folder/film.mp4")
    (media / "folder" / "new").write_bytes(INSIDE)
    (media / "folder" / "new").rename(media / "folder" / "film.mp4")
    with pytest.raises(TranscodedError, match="replaced"):
        library.open(found)


def test_direct_play_serves_no_file_from_outside(media: Path, tmp_path: Path) -> None:
    with LiveDaemon(tmp_path / "daemon", {"m": media}) as daemon:
        statuses = set()
        with swapping(media / "folder" / "film.mp4", media.parent / "outside" / "folder" / "film.mp4"):
            for _ in range(SWAPS // 10):
                response = daemon.get(media_url("m/folder/film.mp4"))
                statuses.add(response.status)
                assert response.status != 200 or response.body == INSIDE
        assert statuses <= {200, 404, 503}


@pytest.mark.parametrize("sandbox", ["off", "bwrap"])
def test_a_file_that_is_swapped_while_its_request_waits_is_not_read(clips: Clips, tmp_path: Path, sandbox: str) -> None:
    """Checked when the request came, opened when its turn came: without any race, anything could be put there meanwhile."""
    if sandbox == "bwrap" and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    root, outside = tmp_path / "root", tmp_path / "secret.mp4"
    root.mkdir()
    shutil.copy(clips.film.path, outside)
    tails = ("/thumbnail.jpg?time=0.5", "/stream.mkv", "/cmaf/a0/0.m4s")
    for number in range(len(tails)):
        shutil.copy(clips.film.path, root / f"{number}.mp4")
    shutil.copy(clips.long.path, root / "long.mkv")
    limits = ("--max-streams", "1", "--sandbox", sandbox, "--preempt-after", "off", "--queue-timeout", "60")
    with LiveDaemon(tmp_path / "daemon", {"m": root}, *limits) as daemon:
        # What is known of a file costs no process later.
        for number in range(len(tails)):
            daemon.json(media_url(f"m/{number}.mp4", "/probe.json"))
        viewer = daemon.open(media_url("m/long.mkv", "/stream.wav?mode=transcode"), receive_buffer=4096)
        with closing(viewer), ThreadPoolExecutor(len(tails)) as pool:
            assert read_head(viewer)[0] == 200
            urls = [media_url(f"m/{number}.mp4", tail) for number, tail in enumerate(tails)]
            answers = [pool.submit(daemon.get, url) for url in urls]
            until(lambda: len(daemon.json("/api/v1/streams")["queue"]) == len(tails), "all wait")
            for number in range(len(tails)):
                (root / f"{number}.mp4").unlink()
                (root / f"{number}.mp4").symlink_to(outside)
            viewer.close()
            assert [answer.result().problem(404)["detail"] for answer in answers] == [
                "There is no such file in the library."
            ] * len(tails)


def test_a_fifo_or_a_device_beside_a_film_is_not_opened(clips: Clips, tmp_path: Path) -> None:
    """Nobody writes into the FIFO: whoever opens it for reading waits for ever."""
    root = tmp_path / "root"
    root.mkdir()
    shutil.copy(clips.film.path, root / "film.mp4")
    os.mkfifo(root / "film.en.srt")
    os.mkfifo(root / "fifo.mp4")
    (root / "zero.mp4").symlink_to("/dev/zero")
    with LiveDaemon(tmp_path / "daemon", {"m": root}) as daemon:
        assert "SUBTITLES" not in daemon.get(media_url("m/film.mp4", "/master.m3u8")).body.decode()
        for tail in ("", "/probe.json", "/thumbnail.jpg", "/stream.mp4"):
            daemon.get(media_url("m/fifo.mp4", tail)).problem(415)
            daemon.get(media_url("m/zero.mp4", tail)).problem(404)


def test_a_huge_subtitle_file_is_left_out(media: Path) -> None:
    """It is converted as a whole, in memory."""
    library = Library({"m": str(media)})
    sidecar = media / "folder" / "film.srt"
    sidecar.touch()
    for size, found in ((MAX_TEXT, 1), (MAX_TEXT + 1, 0)):
        os.truncate(sidecar, size)
        assert len(find_sidecars(library, library.locate("m/folder/film.mp4"))) == found


def test_no_file_of_the_library_is_a_page_of_this_origin(tmp_path: Path) -> None:
    """Opened by somebody who is signed in, it would have his rights."""
    root = tmp_path / "root"
    root.mkdir()
    documents = "page.html page.HTM page.xhtml picture.svg page.xml script.js page.shtml page.mht page.pdf no".split()
    for name in (*documents, "film.mp4"):
        (root / name).write_text("<script>fetch('/api/v1/drain', {method: 'POST'})</script>", encoding="utf-8")
    with LiveDaemon(tmp_path / "daemon", {"m": root}) as daemon:
        for name in documents:
            headers = daemon.get(media_url(f"m/{name}")).headers
            assert headers["content-type"] == "application/octet-stream", name
            assert headers["content-disposition"] == "attachment", name
        for path in (*documents, "film.mp4/probe.json", "nothing"):
            headers = daemon.get(media_url(f"m/{path}")).headers
            assert headers["content-security-policy"] == "sandbox; default-src 'none'", path
            assert headers["x-content-type-options"] == "nosniff", path
        headers = daemon.get(media_url("m/film.mp4")).headers
        assert headers["content-type"] == "video/mp4"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("sandbox allow-same-origin; default-src 'none'; ")
        assert "allow-scripts" not in headers["content-security-policy"]
