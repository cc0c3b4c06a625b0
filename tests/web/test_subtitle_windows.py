"""Windows of subtitles over HTTP: what the playlist names can be had, with the same rights, and never changes."""

from pathlib import Path
from typing import Any, cast

import attrs
import pytest
import pytest_twisted

from tests.plan.examples import MEDIA
from tests.run.streams.watchers import new_viewings
from tests.web.conftest import Serve
from tests.web.server import Server, new_guard, reactor
from transcoded.plan.media.probe import Media, SubtitleStream
from transcoded.plan.media.timeline.packets import PacketScan, scan_from_probe
from transcoded.run.files.async_library import AsyncLibrary
from transcoded.run.files.library import Library, MediaFile
from transcoded.run.files.threads import Threads
from transcoded.run.media.packet_scans import SCAN_PATIENCE
from transcoded.run.media.prober import Prober
from transcoded.run.media.subtitles import SubtitleSource
from transcoded.run.media.windows import SubtitleWindows
from transcoded.run.segments.service import SegmentService
from transcoded.web.adaptive import AdaptiveRoutes
from transcoded.web.playlists import Playlists
from transcoded.web.presentations import Presentations
from transcoded.web.subtitle_windows import WindowRoutes

URL = "/media/films/a.mkv/cmaf"
FILM = attrs.evolve(
    MEDIA,
    duration=150.0,
    subtitles=(
        SubtitleStream(2, 0, "subrip", text=True),
        SubtitleStream(3, 1, "hdmv_pgs_subtitle", text=False),
    ),
)


class FakeProber:
    async def probe(self, file: MediaFile, client: str = "", patience: float | None = None) -> Media:
        return FILM

    async def scan(
        self, file: MediaFile, media: Media, patience: float | None = SCAN_PATIENCE, client: str = ""
    ) -> PacketScan:
        return scan_from_probe(media)


@attrs.define
class FakeWindows:
    made: list[tuple[int, int]] = attrs.Factory(list)

    async def window(self, source: SubtitleSource, number: int, client: str) -> bytes:
        self.made.append((source.stream.position, number))
        return f"WEBVTT\n\n{source.stream.position} {number}\n".encode()


@attrs.frozen
class World:
    root: Path
    server: Server
    windows: FakeWindows

    async def get(self, tail: str, method: str = "GET", **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.server.ask(f"{URL}/{tail}", method, headers=named)


@pytest.fixture
def world(serve: Serve, threads: Threads, tmp_path: Path) -> World:
    (tmp_path / "a.mkv").write_bytes(b"a movie")
    library = AsyncLibrary(Library({"films": str(tmp_path.resolve())}), threads)
    presentations = Presentations(reactor, library, cast(Prober, FakeProber()), ())
    playlists, windows, guard = Playlists(reactor, threads), FakeWindows(), new_guard()
    routes = WindowRoutes(presentations, playlists, cast(SubtitleWindows, windows), guard, new_viewings(reactor))
    others = AdaptiveRoutes(presentations, playlists, cast(SegmentService, None), guard, new_viewings(reactor))
    return World(tmp_path, serve(routes, others, locate=library.locate_first), windows)


@pytest_twisted.ensureDeferred
async def test_all_that_the_playlist_names_can_be_had(world: World) -> None:
    listed = await world.get("s0/index.m3u8?max_height=480")
    assert listed.headers["content-type"] == "application/vnd.apple.mpegurl"
    names = [line for line in listed.body.decode().splitlines() if line and not line.startswith("#")]
    assert [name.partition("?")[0] for name in names] == ["0.vtt", "1.vtt", "2.vtt"]
    assert all("max_height=480" in name and "v=" in name for name in names)
    for number, name in enumerate(names):
        answer = await world.get(f"s0/{name}")
        assert answer.body == f"WEBVTT\n\n0 {number}\n".encode()
        assert answer.headers["content-type"] == "text/vtt; charset=utf-8"
        assert "immutable" in answer.headers["cache-control"]


@pytest_twisted.ensureDeferred
async def test_head_says_what_get_says_and_makes_nothing(world: World) -> None:
    for name in ("s0/index.m3u8", "s0/1.vtt"):
        head = await world.get(name, "HEAD")
        assert not world.windows.made
        got = await world.get(name)
        told = ("content-type", "cache-control", "etag")
        assert [head.headers.get(one) for one in told] == [got.headers.get(one) for one in told]
        assert (head.status, got.status, head.body) == (200, 200, b"")


@pytest_twisted.ensureDeferred
async def test_each_window_has_a_tag_of_its_own_that_stays(world: World) -> None:
    first, second = await world.get("s0/0.vtt"), await world.get("s0/1.vtt")
    assert first.headers["etag"] != second.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    (world.root / "a.en.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nadded\n")
    again = await world.get("s0/0.vtt", If_None_Match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert len(world.windows.made) == 2


@pytest.mark.parametrize(
    ("tail", "status", "says"),
    [
        ("s0/3.vtt", 404, "windows 0 to 2"),
        ("s0/00.vtt", 404, "0.vtt"),
        ("s0/0.m4s", 404, "index.m3u8 or a window"),
        ("s0/init.mp4", 404, "index.m3u8 or a window"),
        ("s1/index.m3u8", 404, "master.m3u8 lists all"),
        ("s2/0.vtt", 404, "master.m3u8 lists all"),
        ("s0/0.vtt?burn=0", 404, "master.m3u8 lists all"),
        ("sx/0.vtt", 404, "number"),
        ("s0/0.vtt?v=nonsense", 410, "changed"),
        ("s0/0.vtt?burn=x", 400, "burn"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_what_is_not_there_is_said_with_the_reason(world: World, tail: str, status: int, says: str) -> None:
    assert says in str((await world.get(tail)).problem(status))
    assert not world.windows.made


@pytest_twisted.ensureDeferred
async def test_what_players_append_does_no_harm(world: World) -> None:
    assert (await world.get("s0/0.vtt?_HLS_msn=1&CMCD=bl%3D1")).status == 200
