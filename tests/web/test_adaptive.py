"""Adaptive streaming: a URL in a playlist must open what the playlist says, for as long as the file is the same."""

import re
from pathlib import Path
from typing import cast

import attrs
import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from tests.plan.examples import MEDIA
from tests.run.fakes import StillThreads
from tests.run.streams.watchers import new_viewings
from tests.web.conftest import Serve
from tests.web.server import Server, new_guard, reactor, until
from transcoded.plan.media.probe import Media, SubtitleStream
from transcoded.plan.media.timeline.packets import PacketScan, scan_from_probe
from transcoded.run.files.async_library import AsyncLibrary
from transcoded.run.files.library import Library, MediaFile
from transcoded.run.files.threads import Threads
from transcoded.run.media.packet_scans import SCAN_PATIENCE
from transcoded.run.media.prober import Prober
from transcoded.run.segments.encoder import Source
from transcoded.run.segments.requests import Requester
from transcoded.run.segments.service import SegmentService
from transcoded.run.streams.viewings import Viewings
from transcoded.web.adaptive import AdaptiveRoutes
from transcoded.web.playlists import Playlists
from transcoded.web.presentations import Presentations

URL = "/media/films/a.mkv"
MOVIE = attrs.evolve(MEDIA, subtitles=(SubtitleStream(2, 0, "subrip", text=True),))


class FakeProber:
    """A prober that knows the answer, and no keyframes."""

    async def probe(self, file: MediaFile, client: str = "", patience: float | None = None) -> Media:
        return MOVIE

    async def scan(
        self, file: MediaFile, media: Media, patience: float | None = SCAN_PATIENCE, client: str = ""
    ) -> PacketScan:
        return scan_from_probe(media)


@attrs.define
class FakeSegments:
    """Segments whose bytes say which they are."""

    left: list[tuple[str, str]] = attrs.Factory(list)
    made: int = 0
    cache: dict[object, bytes] = attrs.Factory(dict)

    async def segment(self, source: Source, number: int, requester: Requester) -> bytes:
        self.made += 1
        data = self.cache[source.key, number] = f"{source.rendition.id} {number}".encode()
        return data

    def kept(self, source: Source, number: int) -> bytes | None:
        return self.cache.get((source.key, number))

    def leave(self, file: MediaFile, client: str) -> None:
        self.left.append((file.path, client))


@attrs.frozen
class World:
    """The routes over a library of one file."""

    server: Server
    segments: FakeSegments
    file: Path
    viewings: Viewings


@pytest.fixture
def world(serve: Serve, threads: Threads, tmp_path: Path) -> World:
    return new_world(serve, threads, tmp_path, threads)


def new_world(serve: Serve, threads: Threads, tmp_path: Path, writers: Threads) -> World:
    """The routes; playlists are written in `writers`."""
    file = tmp_path / "a.mkv"
    file.write_bytes(b"a movie")
    library = AsyncLibrary(Library({"films": str(tmp_path.resolve())}), threads)
    segments = FakeSegments()
    presentations = Presentations(reactor, library, cast(Prober, FakeProber()), ())
    viewings = new_viewings(reactor)
    routes = AdaptiveRoutes(
        presentations, Playlists(reactor, writers), cast(SegmentService, segments), new_guard(), viewings
    )
    return World(serve(routes, locate=library.locate_first), segments, file, viewings)


async def tag(world: World) -> str:
    """The version in the URLs of the playlist."""
    playlist = (await world.server.ask(f"{URL}/master.m3u8")).body.decode()
    (found,) = set(re.findall(r"v=([0-9a-f]+)", playlist))
    return str(found)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("master.m3u8", "application/vnd.apple.mpegurl"),
        ("manifest.mpd", "application/dash+xml"),
        ("cmaf/v1080/index.m3u8", "application/vnd.apple.mpegurl"),
        ("cmaf/v1080/init.mp4", "video/mp4"),
        ("cmaf/a0/0.m4s", "audio/mp4"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_head_agrees_with_get_and_makes_nothing(world: World, name: str, kind: str) -> None:
    head = await world.server.ask(f"{URL}/{name}", "HEAD")
    assert (head.status, head.headers["content-type"], head.body) == (200, kind, b"")
    assert not world.segments.made
    got = await world.server.ask(f"{URL}/{name}")
    assert (got.status, got.headers["content-type"]) == (200, kind)
    assert got.headers["cache-control"] == head.headers["cache-control"]
    assert got.body
    if name.endswith(("mp4", "m4s")):
        assert "content-length" not in head.headers, "nobody knows it yet"
        head = await world.server.ask(f"{URL}/{name}", "HEAD")
    assert head.headers["content-length"] == got.headers["content-length"] == str(len(got.body))


@pytest_twisted.ensureDeferred
async def test_a_segment_with_its_version_may_be_kept_for_ever(world: World) -> None:
    version = await tag(world)
    answer = await world.server.ask(f"{URL}/cmaf/v1080/3.m4s?v={version}")
    assert answer.body == b"v1080 3"
    assert "immutable" in answer.headers["cache-control"]
    assert "immutable" not in (await world.server.ask(f"{URL}/cmaf/v1080/3.m4s")).headers["cache-control"]
    made = world.segments.made
    again = await world.server.ask(f"{URL}/cmaf/v1080/3.m4s", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status == 304
    assert world.segments.made == made


@pytest_twisted.ensureDeferred
async def test_a_url_of_another_version_of_the_file_is_gone(world: World) -> None:
    version = await tag(world)
    world.file.write_bytes(b"another movie")
    for name in ("master.m3u8", "manifest.mpd", "cmaf/v1080/index.m3u8", "cmaf/v1080/3.m4s"):
        (await world.server.ask(f"{URL}/{name}?v={version}")).problem(410)
    assert await tag(world) != version


@pytest.mark.parametrize(
    "name",
    [
        "cmaf/v999/0.m4s",
        "cmaf/v1080/9999.m4s",
        "cmaf/v1080/x.m4s",
        "cmaf/v1080/0.mp4",
        "cmaf/s0/0.m4s",
        "cmaf/copy/0.m4s",
    ],
)
@pytest_twisted.ensureDeferred
async def test_what_a_playlist_does_not_list_is_not_found(world: World, name: str) -> None:
    (await world.server.ask(f"{URL}/{name}")).problem(404)
    assert not world.segments.made


@pytest_twisted.ensureDeferred
async def test_what_is_drawn_into_the_video_is_in_every_url(world: World) -> None:
    """A player that lost it would show segments without subtitles among the others."""
    master = (await world.server.ask(f"{URL}/master.m3u8?burn=0")).body.decode()
    urls = re.findall(r'^cmaf/\S+|URI="([^"]+)"', master, re.MULTILINE)
    assert urls
    assert "cmaf/v1080-b0/index.m3u8?v=" in master
    assert master.count("burn=0") == master.count("?v=")
    assert "/copy/" not in master
    assert "SUBTITLES" not in master
    manifest = (await world.server.ask(f"{URL}/manifest.mpd?burn=0")).body.decode()
    assert manifest.count("burn=0") == manifest.count("?v=") > 0
    media = (await world.server.ask(f"{URL}/cmaf/v1080-b0/index.m3u8?burn=0")).body.decode()
    assert media.count("burn=0") == media.count("?v=") > 1
    assert "burn" not in (await world.server.ask(f"{URL}/master.m3u8")).body.decode()


@pytest_twisted.ensureDeferred
async def test_segments_know_which_text_is_drawn(world: World) -> None:
    """The text is part of what they are kept by: an edited file makes them anew."""
    assert (await world.server.ask(f"{URL}/cmaf/v1080-b0/0.m4s?burn=0")).body == b"v1080-b0 0"
    await world.server.ask(f"{URL}/cmaf/v1080/0.m4s")
    await world.server.ask(f"{URL}/cmaf/a0/0.m4s?burn=0")
    drawn, plain, sound = (cast("tuple[tuple[object, ...], int]", key)[0] for key in world.segments.cache)
    assert len(drawn) == len(plain) + 1
    assert len(sound) == len(plain), "audio is the same with and without"


@pytest.mark.parametrize("tail", ["master.m3u8?burn=1", "manifest.mpd?burn=7", "cmaf/v1080-b1/0.m4s?burn=1"])
@pytest_twisted.ensureDeferred
async def test_subtitles_that_are_not_there_cannot_be_drawn(world: World, tail: str) -> None:
    problem = (await world.server.ask(f"{URL}/{tail}")).problem(400)
    assert problem["parameter"] == "burn"
    assert "0 to 0" in problem["detail"]


@pytest.mark.parametrize("tail", ["cmaf/v1080-b0/0.m4s", "cmaf/v1080/0.m4s?burn=0", "cmaf/copy/0.m4s?burn=0"])
@pytest_twisted.ensureDeferred
async def test_a_rendition_and_its_parameter_belong_together(world: World, tail: str) -> None:
    (await world.server.ask(f"{URL}/{tail}")).problem(404)


@pytest_twisted.ensureDeferred
async def test_a_player_that_leaves(world: World) -> None:
    assert (await world.server.post(f"{URL}/cmaf/leave", b"", {})).status == 204
    assert world.segments.left == [("films/a.mkv", "127.0.0.1")]


@pytest_twisted.ensureDeferred
async def test_a_signature_of_any_length_is_not_repeated_for_each_segment(world: World) -> None:
    """Fifteen kilobytes of it, for each of the thousands of segments of a film, are hundreds of megabytes."""
    url = f"{URL}/cmaf/v1080/index.m3u8?expires=1&signature="
    for length in (5000, 65, 63):
        assert b"signature" not in (await world.server.ask(url + "a" * length)).body
    assert b"signature=" + b"a" * 64 in (await world.server.ask(url + "a" * 64)).body


@pytest.mark.parametrize("name", ["master.m3u8", "manifest.mpd", "cmaf/a0/index.m3u8"])
@pytest_twisted.ensureDeferred
async def test_others_are_served_while_a_playlist_is_written(
    serve: Serve, threads: Threads, tmp_path: Path, name: str
) -> None:
    """It takes long for a long film, and the reactor stood still for it."""
    writers = StillThreads()
    world = new_world(serve, threads, tmp_path, writers)
    asking = Deferred.fromCoroutine(world.server.ask(f"{URL}/{name}"))
    await until(lambda: bool(writers.calls))
    assert (await world.server.ask(f"{URL}/cmaf/a0/0.m4s")).body == b"a0 0"
    assert not asking.called
    writers.step()
    assert (await asking).status == 200
