"""Segments in the daemon's memory and in its clients' caches: kept as long as they are true, and made again when they are gone."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clips import ffmpeg
from tests.support.daemon import LiveDaemon, media_url
from tests.support.films import FILMS, body, length, packets, playlist, released, seamless

IMMUTABLE = "private, max-age=31536000, immutable"


@pytest.fixture(scope="module")
def shared(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    with LiveDaemon(tmp_path_factory.mktemp("daemon"), {"f": root}) as daemon:
        yield daemon


@pytest.fixture
def daemon(shared: LiveDaemon) -> Iterator[LiveDaemon]:
    with released(shared) as daemon:
        yield daemon


def test_a_small_cache_forgets_and_the_film_still_plays(root: Path, tmp_path: Path) -> None:
    """Smaller than what an encoder makes ahead: each segment that was forgotten is made again, and so is what comes before them all."""
    path = f"f/{FILMS[0].name}"
    with LiveDaemon(tmp_path / "daemon", {"f": root}, "--cache-max", "120K") as daemon:
        shown = playlist(daemon, path, "a0")
        init, *made = [body(daemon, url) for url in (shown.init, *(piece.url for piece in shown.pieces))]
        assert sum(map(len, made)) > 120 * 1024, "all of it would have fitted"
        (found,) = packets(init + b"".join(made)).values()
        seamless(found, length(root, FILMS[0]), 1024 / 48000)


def test_a_newcomer_gets_the_init_segment_that_was_made_long_ago(root: Path, tmp_path: Path) -> None:
    """The init segment is written once by each encoder, and it goes first when the store is full."""
    with LiveDaemon(tmp_path / "daemon", {"f": root}, "--cache-max", "120K") as daemon:
        shown = playlist(daemon, "f/endless.mkv", "a0")
        init = body(daemon, shown.init)
        for piece in shown.pieces[:8]:
            body(daemon, piece.url)
        assert [stream["state"] for stream in daemon.live()] == ["running"]
        assert body(daemon, shown.init) == init


def test_segments_may_be_kept_for_ever_and_are_gone_when_the_file_has_changed(root: Path, daemon: LiveDaemon) -> None:
    film = root / "changing.mp3"
    shutil.copy(root / FILMS[3].name, film)
    shown = playlist(daemon, "f/changing.mp3", "a0")
    for url in (shown.init, shown.pieces[1].url):
        first = daemon.get(url)
        assert first.headers["cache-control"] == IMMUTABLE
        assert first.headers["content-type"] == "audio/mp4"
        tag = first.headers["etag"]
        again = daemon.get(url, {"If-None-Match": tag})
        assert (again.status, again.body) == (304, b"")
        assert again.headers["etag"] == tag
        assert daemon.get(url, {"If-None-Match": f'"other", W/{tag.removeprefix("W/")}'}).status == 304
        assert daemon.get(url, {"If-None-Match": '"other"'}).body == first.body
    assert daemon.get(shown.init).headers["etag"] != daemon.get(shown.pieces[1].url).headers["etag"]
    master = daemon.get(media_url("f/changing.mp3", "/master.m3u8"))
    assert master.headers["cache-control"] == "private, no-cache"
    ffmpeg("-f", "lavfi", "-i", "sine=220:d=9", "-c:a", "libmp3lame", f"file:{film}.new.mp3")
    Path(f"{film}.new.mp3").rename(film)
    for url in (shown.init, shown.pieces[0].url, shown.pieces[3].url):
        gone = daemon.get(url)
        gone.problem(410)
        assert gone.headers["cache-control"] == "no-store"
        assert daemon.get(url, {"If-None-Match": tag}).status == 410, "what is kept is of another film"
    changed = playlist(daemon, "f/changing.mp3", "a0")
    assert {changed.init, *(piece.url for piece in changed.pieces)}.isdisjoint(
        {shown.init, *(p.url for p in shown.pieces)}
    )
    assert abs(float(changed.seconds) - 9) < 0.1
    (found,) = packets(body(daemon, changed.init) + body(daemon, changed.pieces[0].url)).values()
    assert found[0].pts == 0
    film.unlink()
