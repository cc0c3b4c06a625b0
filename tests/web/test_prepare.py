"""Having segments made in advance: what is asked for is what is made, and what cannot be is said at once."""

from pathlib import Path
from typing import Any, cast

import attrs
import msgspec
import pytest
import pytest_twisted

from tests.web.conftest import Serve
from tests.web.server import Server, reactor
from tests.web.test_adaptive import MOVIE, FakeProber
from transcoded.plan.errors import Gone, NotFound, Unavailable
from transcoded.run.files.async_library import AsyncLibrary
from transcoded.run.files.library import Library
from transcoded.run.files.threads import Threads
from transcoded.run.media.prober import Prober
from transcoded.run.segments.prepare import Prepares
from transcoded.run.segments.prepare_info import PrepareInfo, PrepareState, Wanted
from transcoded.run.segments.service import SegmentService
from transcoded.web.prepare import PrepareRoutes
from transcoded.web.presentations import Presentations

URL = "/api/v1/prepare"


class FakePrepares:
    """Takes everything, and makes nothing."""

    def __init__(self) -> None:
        self.wanted: list[Wanted] = []
        self.cancelled: list[str] = []
        self.problem: Exception | None = None

    def add(self, wanted: Wanted) -> PrepareInfo:
        if self.problem is not None:
            raise self.problem
        self.wanted.append(wanted)
        return self.get("0")

    def get(self, prepare_id: str) -> PrepareInfo:
        if prepare_id != "0":
            raise NotFound("There is no prepare with this id; only the latest are remembered.")
        wanted = self.wanted[0]
        return PrepareInfo(
            id="0",
            path=wanted.file.path,
            renditions=wanted.renditions,
            from_=wanted.start,
            seconds=wanted.seconds,
            done=0,
            total=wanted.total,
            bytes=wanted.bytes,
            state=PrepareState.CANCELLED if self.cancelled else PrepareState.RUNNING,
            reason=None,
        )

    def all(self) -> list[PrepareInfo]:
        return [self.get("0")]

    async def cancel(self, prepare_id: str) -> PrepareInfo:
        self.cancelled.append(prepare_id)
        return self.get(prepare_id)


@attrs.define
class Room:
    """A segment service that has so many bytes."""

    room: int = 1 << 40


@attrs.frozen
class World:
    server: Server
    prepares: FakePrepares
    room: Room
    film: Path

    async def post(self, **body: object) -> Any:
        """The answer to a POST with this body."""
        sent = {name.rstrip("_"): value for name, value in body.items()}
        headers = {"Content-Type": "application/json"}
        return await self.server.ask(URL, "POST", headers=headers, body=msgspec.json.encode(sent))

    async def parts(self, **body: object) -> list[tuple[str, int, int]]:
        """The segments that are made for this body."""
        answer = await self.post(path="films/a.mkv", **body)
        assert answer.status == 202, answer.body
        return [(part.source.rendition.id, part.first, part.end) for part in await self.prepares.wanted[-1].load()]


@pytest.fixture
def world(serve: Serve, threads: Threads, tmp_path: Path) -> World:
    film = tmp_path / "a.mkv"
    film.write_bytes(b"a movie")
    library = AsyncLibrary(Library({"films": str(tmp_path.resolve())}), threads)
    presentations = Presentations(reactor, library, cast(Prober, FakeProber()), ())
    prepares, room = FakePrepares(), Room()
    routes = PrepareRoutes(library, presentations, cast(SegmentService, room), cast(Prepares, prepares))
    return World(serve(routes), prepares, room, film)


@pytest_twisted.ensureDeferred
async def test_by_default_it_is_what_a_player_begins_with(world: World) -> None:
    answer = await world.post(path="films/a.mkv")
    assert answer.status == 202
    document = answer.json
    assert document["renditions"] == ["v1080", "a0"]
    assert (document["id"], document["path"], document["from"], document["done"]) == ("0", "films/a.mkv", 0.0, 0)
    assert document["seconds"] == pytest.approx(MOVIE.duration, abs=0.1)
    assert document["state"] == "running"
    parts = await world.prepares.wanted[0].load()
    assert sum(part.end - part.first for part in parts) == document["total"]
    assert all((part.first, part.end) == (0, len(part.source.rendition.timeline)) for part in parts)
    (slash,) = [await world.post(path="/films/a.mkv/")]
    assert slash.status == 202


@pytest_twisted.ensureDeferred
async def test_a_part_of_the_file_is_all_segments_that_touch_it(world: World) -> None:
    (whole,) = await world.parts(renditions=["v480"])
    length = whole[2]
    step = MOVIE.duration / length if MOVIE.duration else 0
    assert await world.parts(renditions=["v480", "v480"], from_=0, seconds=0.1) == [("v480", 0, 1)]
    (found,) = await world.parts(renditions=["v480"], from_=step * 1.5, seconds=step)
    assert found == ("v480", 1, 3)
    (found,) = await world.parts(renditions=["v480"], from_=step * 1.5)
    assert found == ("v480", 1, length)
    (found,) = await world.parts(renditions=["v480"], from_=step * 1.5, seconds=1e300)
    assert found == ("v480", 1, length)


@pytest.mark.parametrize(
    ("body", "parameter", "said"),
    [
        ({"renditions": ["v999"]}, "renditions", "'v999'"),
        ({"renditions": ["v999"]}, "renditions", "v1080"),
        ({"renditions": ["s0"]}, "renditions", "'s0'"),
        ({"renditions": [""]}, "renditions", "''"),
        ({"from_": 1e6}, "from", "1e+06"),
        ({"from_": -1}, "from", "-1"),
        ({"seconds": 0}, "seconds", "more than 0"),
        ({"seconds": -3.5}, "seconds", "-3.5"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_wrong_value_is_named_with_what_is_allowed(
    world: World, body: dict[str, object], parameter: str, said: str
) -> None:
    problem = (await world.post(path="films/a.mkv", **body)).problem(400)
    assert problem["parameter"] == parameter
    assert said in problem["detail"]
    assert not world.prepares.wanted


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "path"),
        ({"path": 5}, "path"),
        ({"path": "films/a.mkv", "rendition": "v480"}, "rendition"),
        ({"path": "films/a.mkv", "seconds": "all"}, "seconds"),
        ({"path": "films/a.mkv", "renditions": "v480"}, "renditions"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_wrong_body_is_refused(world: World, body: dict[str, object], said: str) -> None:
    assert said in (await world.post(**body)).problem(400)["detail"]


@pytest_twisted.ensureDeferred
async def test_a_file_that_is_not_there_is_not_found(world: World) -> None:
    (await world.post(path="films/b.mkv")).problem(404)
    (await world.post(path="")).problem(404)


@pytest_twisted.ensureDeferred
async def test_what_the_cache_cannot_keep_is_refused_with_both_sizes(world: World) -> None:
    """It would be made for hours, and its beginning be gone before its end is there."""
    world.room.room = 100_000
    detail = (await world.post(path="films/a.mkv")).problem(409)["detail"]
    assert "100,000" in detail
    assert "cache_disk_max" in detail
    assert (await world.post(path="films/a.mkv", renditions=["a0"], seconds=1)).status == 202


@pytest_twisted.ensureDeferred
async def test_a_file_that_changes_is_noticed(world: World) -> None:
    await world.post(path="films/a.mkv")
    (wanted,) = world.prepares.wanted
    await wanted.check()
    world.film.write_bytes(b"another movie")
    for call in (wanted.check, wanted.load):
        with pytest.raises(Gone, match="has changed"):
            await call()
    world.film.unlink()
    with pytest.raises(NotFound):
        await wanted.check()


@pytest_twisted.ensureDeferred
async def test_it_is_listed_asked_for_and_cancelled(world: World) -> None:
    await world.post(path="films/a.mkv")
    listed = (await world.server.ask(URL)).json
    assert [one["id"] for one in listed["prepares"]] == ["0"]
    assert (await world.server.ask(f"{URL}/0")).json == listed["prepares"][0]
    (await world.server.ask(f"{URL}/1")).problem(404)
    cancelled = await world.server.ask(f"{URL}/0", "DELETE")
    assert (cancelled.status, cancelled.json["state"]) == (200, "cancelled")
    assert world.prepares.cancelled == ["0"]


@pytest_twisted.ensureDeferred
async def test_too_many_are_refused(world: World) -> None:
    world.prepares.problem = Unavailable("32 prepares run or wait.", 60)
    answer = await world.post(path="films/a.mkv")
    answer.problem(503)
    assert answer.headers["retry-after"] == "60"
