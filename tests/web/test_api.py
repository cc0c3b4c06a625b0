"""Operating: a script that frees a file moves it as soon as it is told so."""

from pathlib import Path
from typing import cast

import attrs
import msgspec
import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from tests.run.streams.watchers import new_viewings
from tests.web.conftest import Serve
from tests.web.examples import new_ending
from tests.web.server import Server, reactor, turn
from transcoded.plan.endings import Ending, Reason
from transcoded.plan.errors import NotFound
from transcoded.plan.policy.admission import COPY, TRANSCODE, Admission
from transcoded.run.files.complaints import Complaints
from transcoded.run.files.folders import Folders
from transcoded.run.files.leases import FileLeases, FileRelease, Lease
from transcoded.run.files.library import Library
from transcoded.run.files.listings import Listings
from transcoded.run.files.threads import Threads
from transcoded.run.process.lifecycle import State
from transcoded.run.streams.admission import AdmissionQueue
from transcoded.run.streams.registry import StreamRegistry
from transcoded.run.streams.release import FileReleaser
from transcoded.run.streams.stream import Stream
from transcoded.run.streams.stream_info import StreamInfo, StreamSpec
from transcoded.web.api import Drain, LibraryRoutes, StreamRoutes


def ending(number: str, path: str, reason: Reason) -> Ending:
    ended = new_ending(number, reason, path, kill_ms=5.0)
    return msgspec.structs.replace(ended, exit_code=None, signal="SIGTERM", signals_sent=("SIGTERM",))


@attrs.define(eq=False)
class FakeStream:
    """A stream that is reaped when the test says so."""

    id: str
    spec: StreamSpec
    lease: Lease | None = None
    reason: Reason | None = None
    asked: "Deferred[None]" = attrs.Factory(Deferred)
    ending: Ending | None = None
    waiting: "list[Deferred[Ending]]" = attrs.Factory(list)

    def info(self) -> StreamInfo:
        return StreamInfo(
            id=self.id,
            request_id="r",
            path=self.spec.path,
            format="mp4",
            state=State.RUNNING,
            pid=1234,
            client="::1",
            started="2026-01-01T00:00:00.000Z",
            uptime_s=1.5,
            bytes_sent=7,
            position_s=None,
            speed=1.5,
            fps=None,
            cpu_percent=50.0,
            rss_bytes=1000,
            backpressured=False,
            action="copy",
            why="it fits",
            engine=None,
        )

    def end(self, reason: Reason) -> "Deferred[Ending]":
        if self.reason is None:
            self.reason = reason
            self.asked.callback(None)
        return self.when_ended()

    def when_ended(self) -> "Deferred[Ending]":
        deferred: Deferred[Ending] = Deferred()
        if self.ending is not None:
            deferred.callback(self.ending)
        else:
            self.waiting.append(deferred)
        return deferred


@attrs.define
class FakeStreams:
    """A registry without processes."""

    _live: dict[str, FakeStream] = attrs.Factory(dict)
    _leases: FileLeases = attrs.Factory(lambda: FileLeases(reactor))
    past: list[Ending] = attrs.Factory(list)
    limit: int = 0

    def add(self, number: str, path: str) -> FakeStream:
        stream = FakeStream(
            number, StreamSpec(path=path, format="mp4", client="::1", request_id="r", real_path=f"/srv/{path}")
        )
        stream.lease = self._leases.take(path, f"/srv/{path}", lambda: stream.end(Reason.FILE_RELEASED))
        self._live[number] = stream
        return stream

    async def asked(self, *streams: FakeStream) -> None:
        """Returns when somebody wants these to end."""
        for stream in streams:
            await stream.asked
        await turn()

    def reap(self, stream: FakeStream) -> None:
        del self._live[stream.id]
        assert stream.reason is not None
        stream.ending = ending(stream.id, stream.spec.path, stream.reason)
        for deferred in stream.waiting:
            if not deferred.called:
                deferred.callback(stream.ending)
        assert stream.lease is not None
        stream.lease.release()

    def live(self) -> list[FakeStream]:
        return list(self._live.values())

    def get(self, number: str) -> Stream:
        return StreamRegistry.get(cast(StreamRegistry, self), number)

    def release_file(self, path: str, real_path: str | None) -> "tuple[FileRelease, Deferred[list[Ending]]]":
        return StreamRegistry.release_file(cast(StreamRegistry, self), path, real_path)

    def endings(self, limit: int) -> list[Ending]:
        self.limit = limit
        return self.past[:limit]


@attrs.frozen
class World:
    server: Server
    streams: FakeStreams
    admission: AdmissionQueue
    drained: list[bool]


@pytest.fixture
def world(serve: Serve, threads: Threads, tmp_path: Path) -> World:
    """The routes over a library of three entries."""
    (tmp_path / "série").mkdir()
    (tmp_path / "b.mkv").write_bytes(b"12345")
    (tmp_path / "A.mp4").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / ".hidden.mkv").touch()
    streams, library = FakeStreams(), Library({"films": str(tmp_path)})
    gate = AdmissionQueue(reactor, Admission(2 * TRANSCODE, queue_size=2), 15.0)
    registry = cast(StreamRegistry, streams)
    releasing = FileReleaser(reactor, library, threads, registry, 5.0)
    drained: list[bool] = []
    files = Listings(reactor, Folders(library), Complaints(reactor.seconds), threads)
    stream_routes = StreamRoutes(
        registry, gate, releasing, Drain(lambda: drained.append(True), 300.0), new_viewings(reactor)
    )
    return World(serve(LibraryRoutes(files), stream_routes), streams, gate, drained)


@pytest_twisted.ensureDeferred
async def test_the_library_is_listed(world: World) -> None:
    roots = (await world.server.ask("/api/v1/library/")).json
    assert roots["path"] == ""
    assert [(entry["name"], entry["type"], entry["size"]) for entry in roots["entries"]] == [
        ("films", "directory", None)
    ]
    for path in ("films", "films/"):
        listing = (await world.server.ask(f"/api/v1/library/{path}")).json
        assert [(entry["path"], entry["type"], entry["size"]) for entry in listing["entries"]] == [
            ("films/série", "directory", None),
            ("films/A.mp4", "file", 0),
            ("films/b.mkv", "file", 5),
        ]
        assert all(entry["mtime"] > 0 for entry in listing["entries"])
    assert (await world.server.ask("/api/v1/library/films/s%C3%A9rie")).json == {
        "path": "films/série",
        "entries": [],
        "next_cursor": None,
    }


@pytest_twisted.ensureDeferred
async def test_a_folder_is_listed_page_by_page(world: World) -> None:
    names, cursor = [], ""
    while cursor is not None:
        page = (await world.server.ask(f"/api/v1/library/films?limit=1{cursor and '&cursor='}{cursor}")).json
        names += [entry["name"] for entry in page["entries"]]
        cursor = page["next_cursor"]
        assert len(names) <= 3
    assert names == ["série", "A.mp4", "b.mkv"]
    for wrong in ("limit=0", "limit=1001", "cursor=x", "cursor=0", "cursor=", "cursor=2aa", "cursor=0a"):
        (await world.server.ask(f"/api/v1/library/films?{wrong}")).problem(400)


@pytest.mark.parametrize(
    "path", ["nothing", "films/nothing", "films/b.mkv", "films/..", "films/%2e%2e/x", "films/a%00b"]
)
@pytest_twisted.ensureDeferred
async def test_what_is_no_directory_of_the_library_is_not_listed(world: World, path: str) -> None:
    (await world.server.get_raw(f"/api/v1/library/{path}".encode())).problem(404)


@pytest_twisted.ensureDeferred
async def test_live_streams_and_the_places_that_are_left(world: World) -> None:
    world.streams.add("one", "films/a.mkv")
    world.streams.add("two", "films/b.mkv")
    await world.admission.ask("::1", TRANSCODE)
    await world.admission.ask("::2", TRANSCODE)
    waiting = world.admission.ask("::3", COPY)
    told = (await world.server.ask("/api/v1/streams")).json
    assert [stream["id"] for stream in told["streams"]] == ["one", "two"]
    fields = "id path format state pid client started uptime_s bytes_sent position_s speed fps cpu_percent rss_bytes backpressured"
    assert set(fields.split()) <= set(told["streams"][0])
    assert told["streams"][0]["state"] == "running"
    assert told["queue"] == [{"client": "::3", "position": 1}]
    assert told["capacity"] == {"units": 4, "used": 4, "waiting": 1}
    assert (await world.server.ask("/api/v1/streams/two")).json == told["streams"][1]
    (await world.server.ask("/api/v1/streams/three")).problem(404)
    waiting.addErrback(lambda _: None)
    world.admission.stop()


@pytest_twisted.ensureDeferred
async def test_a_stream_that_is_stopped_is_told_of_once_it_is_gone(world: World) -> None:
    stream = world.streams.add("one", "films/a.mkv")
    answering = Deferred.fromCoroutine(world.server.ask("/api/v1/streams/one", "DELETE"))
    await world.streams.asked(stream)
    assert not answering.called
    world.streams.reap(stream)
    answer = await answering
    assert (answer.status, answer.json["id"], answer.json["reason"]) == (200, "one", "stopped")
    assert answer.json["signals_sent"] == ["SIGTERM"]
    (await world.server.ask("/api/v1/streams/one", "DELETE")).problem(404)


@pytest.mark.parametrize("path", ["films/a.mkv", "/films/a.mkv/", "films%2Fa.mkv"])
@pytest_twisted.ensureDeferred
async def test_a_file_is_free_when_all_its_streams_are_gone(world: World, path: str) -> None:
    first, second = world.streams.add("one", "films/a.mkv"), world.streams.add("two", "films/a.mkv")
    other = world.streams.add("other", "films/a.mkv2")
    answering = Deferred.fromCoroutine(world.server.ask(f"/api/v1/streams?path={path}", "DELETE"))
    await world.streams.asked(first, second)
    world.streams.reap(first)
    await turn()
    assert not answering.called
    world.streams.reap(second)
    told = (await answering).json
    assert [(one["id"], one["reason"]) for one in told["endings"]] == [
        ("one", "file-released"),
        ("two", "file-released"),
    ]
    assert other.reason is None
    assert not world.streams._leases._releases, "newcomers are let in again"


@pytest_twisted.ensureDeferred
async def test_a_directory_is_released_with_all_below_it_and_an_idle_file_at_once(world: World) -> None:
    stream = world.streams.add("one", "films/série/a.mkv")
    assert (await world.server.ask("/api/v1/streams?path=films/b.mkv", "DELETE")).json == {"endings": []}
    answering = Deferred.fromCoroutine(world.server.ask("/api/v1/streams?path=films", "DELETE"))
    await world.streams.asked(stream)
    world.streams.reap(stream)
    assert [one["id"] for one in (await answering).json["endings"]] == ["one"]


@pytest_twisted.ensureDeferred
async def test_who_asks_for_a_file_and_leaves_does_not_keep_it_locked(world: World) -> None:
    streams = [world.streams.add(number, "films/a.mkv") for number in ("one", "two")]
    client = await world.server.connect()
    client.transport.write(b"DELETE /api/v1/streams?path=films/a.mkv HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await world.streams.asked(*streams)
    client.transport.abortConnection()
    await world.server.idle()
    assert not world.streams._leases._releases
    for stream in streams:
        world.streams.reap(stream)


@pytest_twisted.ensureDeferred
async def test_the_latest_endings(world: World) -> None:
    world.streams.past = [ending(str(number), "films/a.mkv", Reason.FINISHED) for number in range(3)]
    told = (await world.server.ask("/api/v1/endings")).json
    assert [one["id"] for one in told["endings"]] == ["0", "1", "2"]
    assert world.streams.limit == 100
    assert len((await world.server.ask("/api/v1/endings?limit=2")).json["endings"]) == 2
    assert world.streams.limit == 2


BAD: list[tuple[str, str, str]] = [
    ("GET", "/api/v1/library/?x=1", "x"),
    ("GET", "/api/v1/library/films?x", "x"),
    ("GET", "/api/v1/streams?path=a", "path"),
    ("GET", "/api/v1/streams/one?x=1", "x"),
    ("DELETE", "/api/v1/streams/one?x=1", "x"),
    ("DELETE", "/api/v1/streams", "path"),
    ("DELETE", "/api/v1/streams?path=", "path"),
    ("DELETE", "/api/v1/streams?path=//", "path"),
    ("DELETE", "/api/v1/streams?path=a&path=b", "path"),
    ("DELETE", "/api/v1/streams?file=a", "file"),
    ("GET", "/api/v1/endings?limit=0", "limit"),
    ("GET", "/api/v1/endings?limit=1001", "limit"),
    ("GET", "/api/v1/endings?limit=-1", "limit"),
    ("GET", "/api/v1/endings?limit=", "limit"),
]


@pytest_twisted.ensureDeferred
async def test_a_mistyped_parameter_ends_nothing_and_is_named(world: World) -> None:
    stream = world.streams.add("one", "films/a.mkv")
    for method, path, parameter in BAD:
        problem = (await world.server.ask(path, method)).problem(400)
        assert problem["parameter"] == parameter, path
    assert stream.reason is None


def test_the_fake_registry_fails_as_the_real_one() -> None:
    with pytest.raises(NotFound):
        FakeStreams().get("x")
