"""Thumbnails: a page of the library asks for many at once, and each must cost one ffmpeg at most."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import cast

import attrs
import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from tests.plan.examples import MEDIA, VIDEO_STREAM
from tests.web.conftest import Serve
from tests.web.server import Server, reactor, turn
from transcoded.plan.media.probe import Media
from transcoded.plan.policy.admission import TRANSCODE, Admission
from transcoded.run.files.async_library import AsyncLibrary
from transcoded.run.files.library import Library, MediaFile
from transcoded.run.files.threads import Threads
from transcoded.run.media.extracts import Extracts
from transcoded.run.media.prober import Prober
from transcoded.run.places import FairPlaces
from transcoded.run.streams.admission import AdmissionQueue, Permit
from transcoded.web.extras import THUMBNAILS_AT_ONCE, THUMBNAILS_PER_CLIENT, ExtraRoutes
from transcoded.web.presentations import Presentations

URL = "/media/films/a.mkv"


@attrs.define
class FakeProber:
    """A prober that knows the answer."""

    media: Media = MEDIA

    async def probe(self, file: MediaFile, client: str = "", patience: float | None = None) -> Media:
        return self.media

    async def place_before(self, file: MediaFile, media: Media, time: float, client: str = "") -> float | None:
        return None


@attrs.define
class FakeExtracts:
    """Extracts without ffmpeg: `go` lets them be finished."""

    made: list[Sequence[str]] = attrs.Factory(list)
    output: bytes = b"made"
    go: "Deferred[None]" = attrs.Factory(Deferred)
    finished: dict[str, bytes] = attrs.Factory(dict)

    def kept(self, file: MediaFile, name: str) -> bytes | None:
        return self.finished.get(name)

    async def make(
        self,
        file: MediaFile,
        name: str,
        arguments: Sequence[str],
        max_bytes: int,
        permit: Permit | None = None,
        *,
        client: str,
    ) -> bytes:
        self.made.append(arguments)
        with nullcontext() if permit is None else permit.take():
            await self.go
        self.finished[name] = self.output
        return self.output


@attrs.frozen
class World:
    """The routes over a library of one film."""

    server: Server
    admission: AdmissionQueue
    prober: FakeProber
    extracts: FakeExtracts


@pytest.fixture
def world(serve: Serve, threads: Threads, tmp_path: Path) -> World:
    (tmp_path / "a.mkv").write_bytes(b"a movie")
    library = AsyncLibrary(Library({"films": str(tmp_path.resolve())}), threads)
    admission = AdmissionQueue(reactor, Admission(4 * TRANSCODE, queue_size=1), 30.0)
    prober, extracts = FakeProber(), FakeExtracts()
    thumbnails = FairPlaces(reactor, THUMBNAILS_AT_ONCE, THUMBNAILS_PER_CLIENT)
    routes = ExtraRoutes(
        Presentations(reactor, library, cast(Prober, prober), ()),
        cast(Prober, prober),
        cast(Extracts, extracts),
        admission,
        thumbnails,
    )
    return World(serve(routes, locate=library.locate_first), admission, prober, extracts)


@pytest_twisted.ensureDeferred
async def test_many_requests_for_one_thumbnail_cost_one_ffmpeg_and_give_the_slots_back(world: World) -> None:
    asked = [Deferred.fromCoroutine(world.server.ask(f"{URL}/thumbnail.jpg?time={time}")) for time in (1, 1, 1, 2, 3)]
    while len(world.extracts.made) < 2:
        await turn()
    world.extracts.go.callback(None)
    assert {(await one).body for one in asked} == {b"made"}
    # Two are made at the same time, so the first two requests may both be for the same image.
    assert 3 <= len(world.extracts.made) <= 4
    assert world.admission.state.used == 0


@pytest.mark.parametrize(
    ("media", "query", "status"),
    [
        pytest.param(MEDIA, "?time=60", 400, id="at the end"),
        pytest.param(MEDIA, "?time=59.9", 200, id="before the end"),
        pytest.param(attrs.evolve(MEDIA, video=()), "", 415, id="only audio"),
        pytest.param(attrs.evolve(MEDIA, video=(), cover=VIDEO_STREAM), "?time=99", 200, id="a cover has no time"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_which_thumbnails_there_are(world: World, media: Media, query: str, status: int) -> None:
    world.prober.media = media
    world.extracts.go.callback(None)
    head = await world.server.ask(f"{URL}/thumbnail.jpg{query}", "HEAD")
    assert not world.extracts.made, "HEAD starts no ffmpeg"
    got = await world.server.ask(f"{URL}/thumbnail.jpg{query}")
    assert (head.status, got.status) == (status, status)
    assert head.headers["content-type"] == got.headers["content-type"]


@pytest_twisted.ensureDeferred
async def test_a_url_with_a_version_is_of_this_version(world: World) -> None:
    """Such a URL is kept for a year: one with another version must not be."""
    world.extracts.go.callback(None)
    (await world.server.ask(f"{URL}/thumbnail.jpg?v=nonsense")).problem(410)
    assert not world.extracts.made
    answer = await world.server.ask(f"{URL}/thumbnail.jpg")
    assert answer.headers["cache-control"] == "private, no-cache"


@pytest_twisted.ensureDeferred
async def test_a_time_without_a_frame_is_an_error(world: World) -> None:
    world.extracts.output = b""
    world.extracts.go.callback(None)
    assert "59 s" in (await world.server.ask(f"{URL}/thumbnail.jpg?time=59")).problem(500)["detail"]
