"""Hardware that works, and that fails in every way: the viewer gets his 200 all the same, and what has failed is told and left alone.

There is no card here: `tests.support.engines` plays its part.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.clips import frame_numbers as numbers
from tests.support.daemon import LiveDaemon, media_url, until
from tests.support.engines import Card
from tests.support.films import Playlist, body, playlist
from tests.support.programs import BUNDLED

FILM = "f/two sounds.mkv"
FRAMES = 312
IN_SEGMENTS = [*(number % 256 for number in range(FRAMES)), (FRAMES - 1) % 256]
"""The sound is a little longer than the video, so its last frame is repeated."""


@contextmanager
def daemon_with(card: Card, root: Path, directory: Path, *arguments: str) -> Iterator[LiveDaemon]:
    """A daemon whose ffmpeg is that of the card. The stand-in is a script, for which a sandbox has no interpreter."""
    programs = ("--ffmpeg", str(card.ffmpeg), "--ffprobe", BUNDLED.ffprobe, "--sandbox", "off")
    with LiveDaemon(directory, {"f": root}, *programs, "--engines", "nvenc", "--grace", "0.5", *arguments) as daemon:
        yield daemon


@pytest.fixture
def card(tmp_path: Path) -> Card:
    return Card(tmp_path / "card", BUNDLED.ffmpeg)


def engine(daemon: LiveDaemon, name: str = "nvenc") -> dict[str, Any]:
    (found,) = [one for one in daemon.json("/api/v1/capabilities")["engines"] if one["name"] == name]
    return dict(found)


def ends(daemon: LiveDaemon) -> list[tuple[str, str]]:
    """How streams of video have ended, the oldest first: what encoded them, and the reason."""
    daemon.quiet()
    return [(one["engine"], one["reason"]) for one in reversed(daemon.endings()) if one["engine"] is not None]


def whole(daemon: LiveDaemon) -> None:
    """The whole film is streamed, and each of its frames is there once."""
    shown = numbers(daemon.stream(FILM, "mp4"))
    assert shown == [number % 256 for number in range(FRAMES)]


def fallbacks(daemon: LiveDaemon) -> float:
    text = daemon.get("/metrics").body.decode()
    lines = [line for line in text.splitlines() if line.startswith('transcoded_fallbacks_total{engine="nvenc"}')]
    return float(lines[0].split()[1]) if lines else 0.0


def test_a_card_that_works_is_used(card: Card, root: Path, tmp_path: Path) -> None:
    with daemon_with(card, root, tmp_path / "daemon") as daemon:
        assert engine(daemon)["works"]
        assert "h264" in engine(daemon)["encodes"]
        whole(daemon)
        assert ends(daemon) == [("nvenc", "finished")]
        assert fallbacks(daemon) == 0


def test_engines_can_be_switched_off(card: Card, root: Path, tmp_path: Path) -> None:
    with daemon_with(card, root, tmp_path / "daemon", "--engines", "software") as daemon:
        assert not engine(daemon)["works"]
        whole(daemon)
        assert ends(daemon) == [("software", "finished")]
    assert card.asked == 0


def test_a_card_that_fails_its_trial_is_not_used_and_says_why(card: Card, root: Path, tmp_path: Path) -> None:
    card.behave("refuses")
    with daemon_with(card, root, tmp_path / "daemon") as daemon:
        assert not engine(daemon)["works"]
        assert "says: " in engine(daemon)["why"]
        whole(daemon)
        assert ends(daemon) == [("software", "finished")]
        assert "cmaf/v144/" in body(daemon, media_url(FILM, "/master.m3u8")).decode()
    assert card.asked == 0


def test_a_card_that_passes_its_trial_and_fails_on_a_file(card: Card, root: Path, tmp_path: Path) -> None:
    card.behave("half")
    with daemon_with(card, root, tmp_path / "daemon") as daemon:
        assert engine(daemon)["works"]
        whole(daemon)
        assert ends(daemon) == [("nvenc", "failed"), ("software", "finished")]
        assert fallbacks(daemon) == 1
        whole(daemon)
        assert ends(daemon)[2:] == [("software", "finished")], "what has failed is left alone"
        assert card.asked == 1
        said = "software-nvenc has failed, software goes on: [h264_nvenc @ 0x1] Cannot load libcuda.so.1"
        assert said in daemon.log()


def test_a_card_that_hangs(card: Card, root: Path, tmp_path: Path) -> None:
    """It is ended by force, and the viewer waits a little longer."""
    card.behave("hangs")
    with daemon_with(card, root, tmp_path / "daemon") as daemon:
        whole(daemon)
        assert ends(daemon) == [("nvenc", "hung"), ("software", "finished")]
        (hung,) = [one for one in daemon.endings() if one["reason"] == "hung"]
        assert hung["signals_sent"][-1] == "SIGKILL"
        assert hung["proof"] == "proven"


def test_a_card_with_two_sessions(card: Card, root: Path, tmp_path: Path) -> None:
    """The third is an answer, not an error: it is learned, and nobody asks again while both are taken."""
    card.behave("sessions 2")
    with daemon_with(card, root, tmp_path / "daemon", "--max-streams", "8") as daemon:
        held = [daemon.open(media_url("f/endless.mkv", "/stream.mp4?mode=transcode"), 4096) for _ in range(2)]
        until(lambda: [one["engine"] for one in daemon.live()] == ["nvenc", "nvenc"], "both are taken")
        until(lambda: all(one["bytes_sent"] for one in daemon.live()), "both encode")
        whole(daemon)
        assert card.asked == 3
        whole(daemon)
        assert card.asked == 3
        for connection in held:
            connection.close()
        daemon.quiet()
        whole(daemon)
        assert card.asked == 4
        reasons = [one for one in ends(daemon) if one[1] != "client-gone"]
        assert reasons == [
            ("nvenc", "failed"),
            ("software", "finished"),
            ("software", "finished"),
            ("nvenc", "finished"),
        ]


def test_many_viewers_of_a_card_that_fails(card: Card, root: Path, tmp_path: Path) -> None:
    card.behave("half")
    with daemon_with(card, root, tmp_path / "daemon", "--max-streams", "2") as daemon, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: whole(daemon), range(4)))
        assert [one for one in ends(daemon) if one[0] == "software"] == [("software", "finished")] * 4


def test_whoever_falls_back_keeps_his_place(card: Card, root: Path, tmp_path: Path) -> None:
    """Others wait for the one slot, and get it when he is done."""
    card.behave("hangs")
    only = ("--max-streams", "1", "--queue-timeout", "60")
    with daemon_with(card, root, tmp_path / "daemon", *only) as daemon, ThreadPoolExecutor(2) as pool:
        first = pool.submit(whole, daemon)
        until(lambda: [one for one in daemon.live() if one["engine"] == "nvenc"], "the card is asked")
        assert daemon.json("/api/v1/streams")["capacity"]["used"] == 2
        second = pool.submit(whole, daemon)
        until(lambda: daemon.json("/api/v1/streams")["queue"], "another waits")
        first.result()
        second.result()
        daemon.quiet()
        hung, *others = reversed(daemon.endings())
        assert hung["reason"] == "hung"
        assert [one["request_id"] == hung["request_id"] for one in others] == [True, False]
        assert daemon.json("/api/v1/streams")["capacity"]["used"] == 0


def segments(daemon: LiveDaemon) -> Playlist:
    """The rendition that the card encodes."""
    return playlist(daemon, FILM, "v144-nvenc")


def film(daemon: LiveDaemon, shown: Playlist) -> bytes:
    """All segments, as a player asks for them: what breaks off is asked for again."""

    def piece(url: str) -> bytes:
        found = until(lambda: [one for one in [daemon.get(url)] if one.status == 200 and one.complete], url)
        return bytes(found[0].body)

    return b"".join(piece(url) for url in (shown.init, *(one.url for one in shown.pieces)))


def test_segments_of_a_card_that_works(card: Card, root: Path, tmp_path: Path) -> None:
    with daemon_with(card, root, tmp_path / "daemon") as daemon:
        assert numbers(film(daemon, segments(daemon))) == IN_SEGMENTS
        assert {one["engine"] for one in daemon.live()} <= {"nvenc"}


def test_segments_of_a_card_that_fails(card: Card, root: Path, tmp_path: Path) -> None:
    card.behave("half")
    with daemon_with(card, root, tmp_path / "daemon") as daemon:
        shown = segments(daemon)
        assert body(daemon, shown.pieces[3].url), "the first answer is a 200"
        assert numbers(film(daemon, shown)) == IN_SEGMENTS
        assert fallbacks(daemon) == 1
        assert card.asked == 1


def test_a_card_that_dies_in_the_middle_is_followed_by_software(card: Card, root: Path, tmp_path: Path) -> None:
    """With other parameter sets than those of the init segment, which are in its segments."""
    card.behave("dies 60000")
    with daemon_with(card, root, tmp_path / "daemon") as daemon:
        shown = segments(daemon)
        first = body(daemon, shown.init)
        whole_film = film(daemon, shown)
        assert whole_film.startswith(first)
        assert numbers(whole_film) == IN_SEGMENTS
        assert fallbacks(daemon) == 1
        assert {one[1] for one in ends(daemon) if one[0] == "nvenc"} == {"failed"}


def test_segments_of_a_card_that_hangs(card: Card, root: Path, tmp_path: Path) -> None:
    card.behave("hangs")
    with daemon_with(card, root, tmp_path / "daemon") as daemon:
        assert body(daemon, segments(daemon).pieces[0].url)
        assert fallbacks(daemon) == 1
