"""Segments on disk: a daemon that was killed finds what it had made, and nobody is sent what a crash has left of a file."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.clips import ffmpeg
from tests.support.daemon import LiveDaemon, clean_environment, until
from tests.support.films import FILMS, Playlist, body, packets, playlist
from tests.support.programs import BUNDLED, Programs
from transcoded.run.segments.disk_files import cost

FILM = f"f/{FILMS[1].name}"


def daemon_of(root: Path, directory: Path, cache: Path, *arguments: str, programs: Programs = BUNDLED) -> LiveDaemon:
    if "--cache-disk-max" not in arguments:
        arguments = ("--cache-disk-max", "100M", *arguments)
    return LiveDaemon(directory, {"f": root}, "--cache-dir", str(cache), *arguments, programs=programs)


def kill(daemon: LiveDaemon) -> None:
    """Kill it as the kernel does when memory is short."""
    daemon.expected_status = -signal.SIGKILL
    daemon.stop(signal.SIGKILL)
    until(lambda: not daemon.census(), "its encoders are gone with it")


def entries(cache: Path) -> list[Path]:
    """The segments on disk."""
    return sorted((cache / "segments").glob("*.seg"))


def seen(daemon: LiveDaemon, shown: Playlist) -> list[bytes]:
    """All segments of a rendition, and its init segment."""
    return [body(daemon, url) for url in (shown.init, *(piece.url for piece in shown.pieces))]


def metric(daemon: LiveDaemon, name: str) -> float:
    lines = daemon.get("/metrics").body.decode().splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} "))


def encoders(daemon: LiveDaemon) -> list[str]:
    """What this daemon has started."""
    return [line for line in daemon.log().splitlines() if " started: " in line]


def test_after_a_kill_all_is_served_from_disk_but_what_is_damaged(
    root: Path, tmp_path: Path, programs: Programs
) -> None:
    cache = tmp_path / "cache"
    with daemon_of(root, tmp_path / "one", cache, programs=programs) as daemon:
        shown = {name: playlist(daemon, FILM, name) for name in ("v144", "copy", "a0")}
        made = {name: seen(daemon, one) for name, one in shown.items()}
        count = sum(map(len, made.values()))
        until(lambda: len(entries(cache)) == count, "all is written")
        kill(daemon)
    # What a crash in the middle of a write leaves, and what is not ours.
    leftover, foreign = cache / "segments" / f"{'0' * 40}.new", cache / "segments" / "notes.txt"
    leftover.write_bytes(b"half")
    foreign.write_bytes(b"mine")
    text = b"".join(one.read_bytes()[:200] for one in entries(cache)) + "".join(map(str, entries(cache))).encode()
    assert FILMS[1].name.encode() not in text, "who sees the directory sees what was watched"
    with daemon_of(root, tmp_path / "two", cache, programs=programs) as daemon:
        again = {name: playlist(daemon, FILM, name) for name in shown}
        assert again == shown, "the URLs are the same"
        assert {name: seen(daemon, one) for name, one in again.items()} == made
        assert not encoders(daemon)
        assert not daemon.live()
        assert metric(daemon, 'transcoded_cache_hits_total{tier="disk"}') == count
        until(lambda: not leftover.exists(), "leftovers are removed")
        assert foreign.read_bytes() == b"mine"
        kill(daemon)
    torn, altered, zeroed = damaged = sorted(entries(cache), key=lambda path: path.stat().st_size)[-3:]
    os.truncate(torn, torn.stat().st_size // 2)
    altered.write_bytes(altered.read_bytes()[:-5] + b"\0\0\0\0\0")
    zeroed.write_bytes(bytes(zeroed.stat().st_size))
    whole = {path: path.read_bytes() for path in entries(cache) if path not in damaged}
    # Nothing stays in memory, so each segment is read.
    with daemon_of(root, tmp_path / "three", cache, "--cache-max", "1K", programs=programs) as daemon:
        for name in shown:
            # What is made anew fits to what is there: encoded again, its bytes can differ.
            again_made = seen(daemon, playlist(daemon, FILM, name))
            assert packets(b"".join(again_made)) == packets(b"".join(made[name]))
        assert metric(daemon, "transcoded_cache_damaged_total") == 3
        assert encoders(daemon)
        until(lambda: len(entries(cache)) == count, "they are kept again")
        assert {path: path.read_bytes() for path in whole} == whole, "the others are as they were"
        assert metric(daemon, "transcoded_cache_errors_total") == 0


def test_another_film_of_the_same_name_is_not_taken_for_it(root: Path, tmp_path: Path) -> None:
    media, cache = tmp_path / "media", tmp_path / "cache"
    media.mkdir()
    film = media / "a.mp3"
    ffmpeg("-f", "lavfi", "-i", "sine=d=9", "-c:a", "libmp3lame", f"file:{film}")
    with daemon_of(media, tmp_path / "one", cache) as daemon:
        before = seen(daemon, playlist(daemon, "f/a.mp3", "a0"))
        until(lambda: len(entries(cache)) >= len(before), "all is written")
        kill(daemon)
    ffmpeg("-f", "lavfi", "-i", "sine=220:d=9", "-c:a", "libmp3lame", f"file:{film}")
    with daemon_of(media, tmp_path / "two", cache) as daemon:
        after = seen(daemon, playlist(daemon, "f/a.mp3", "a0"))
        assert encoders(daemon)
        assert after[1] != before[1]


def test_the_quota_holds_while_a_film_plays_and_after_a_restart(root: Path, tmp_path: Path) -> None:
    cache, quota = tmp_path / "cache", 300 * 1024
    with daemon_of(root, tmp_path / "one", cache, "--cache-disk-max", "300K", "--cache-max", "1K") as daemon:
        shown = playlist(daemon, "f/endless.mkv", "a0")
        for piece in shown.pieces[:60]:
            body(daemon, piece.url)
            assert sum(map(taken, entries(cache))) <= quota
        until(lambda: len(entries(cache)) > 5, "it is used")
        kill(daemon)
    with daemon_of(root, tmp_path / "two", cache, "--cache-disk-max", "100K"):
        until(lambda: sum(map(taken, entries(cache))) <= 100 * 1024, "the smaller quota holds")


def taken(path: Path) -> int:
    """The bytes of the disk that a file takes, as `du` has it; nothing if it is gone."""
    try:
        return path.stat().st_blocks * 512
    except FileNotFoundError:
        return 0


@contextmanager
def small_disk(directory: Path) -> Iterator[Path]:
    """A file system of 128 KiB."""
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k,mode=700", "none", str(directory)]
    done = subprocess.run(mount, check=False, capture_output=True)
    if done.returncode:
        pytest.skip(f"no tmpfs may be mounted here: {done.stderr.decode().strip()}")
    try:
        yield directory
    finally:
        subprocess.run(["umount", str(directory)], check=True)


@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_a_disk_that_is_full_or_cannot_be_written_costs_no_viewer_anything(
    root: Path, tmp_path: Path, fault: str
) -> None:
    with small_disk(tmp_path / "cache") as cache, daemon_of(root, tmp_path / "d", cache) as daemon:
        shown = playlist(daemon, FILM, "a0")
        body(daemon, shown.init)
        until(lambda: entries(cache), "the first is written")
        if fault == "read-only":
            subprocess.run(["mount", "-o", "remount,ro", str(cache)], check=True, capture_output=True)
        for name in ("v144", "a0"):
            seen(daemon, playlist(daemon, FILM, name))
        endless = playlist(daemon, "f/endless.mkv", "a0")
        for piece in endless.pieces[:12]:
            body(daemon, piece.url)
        until(lambda: metric(daemon, "transcoded_cache_errors_total") >= 1, "the disk has failed")
        said = "No space left on device" if fault == "full" else "Read-only file system"
        assert daemon.log().count(f"cannot be written: {said}") == 1
        assert not list((cache / "segments").glob("*.new"))
        assert daemon.request("DELETE", "/api/v1/streams?path=f").status == 200


def test_a_directory_is_one_daemons(root: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with daemon_of(root, tmp_path / "one", cache) as daemon:
        second = daemon_of(root, tmp_path / "two", cache)
        done = subprocess.run(
            second._command,
            env=clean_environment(tmp_path / "two"),
            cwd=tmp_path,
            capture_output=True,
            check=False,
            timeout=100,
        )
        assert done.returncode == 64
        line = f"cache_dir: {cache}/segments is in use by another daemon (pid {daemon.process.pid}); give each daemon its own"
        assert line in (done.stdout + done.stderr).decode()
        seen(daemon, playlist(daemon, FILM, "a0"))


def test_the_least_that_a_segment_takes_is_counted(root: Path, tmp_path: Path) -> None:
    """A file system gives out blocks: many short segments take more than they have bytes."""
    with daemon_of(root, tmp_path / "d", tmp_path / "cache") as daemon:
        made = seen(daemon, playlist(daemon, FILM, "a0"))
        until(lambda: len(entries(tmp_path / "cache")) >= len(made), "all is written")
        counted = metric(daemon, 'transcoded_cache_bytes{tier="disk"}')
        assert counted >= sum(cost(len(data)) for data in made)
        assert counted >= sum(map(taken, entries(tmp_path / "cache")))
