"""The progressive route: a fault must not take slots for ever, and a client must not get 200 for a stream that fails."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import cast

import attrs
import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, succeed
from twisted.logger import LogEvent
from twisted.web.server import Request

from tests.conftest import Errors
from tests.plan.examples import MEDIA
from tests.run.streams.watchers import new_viewings
from tests.support.tools import made_tools
from tests.web.conftest import Serve, lines
from tests.web.examples import new_ending
from tests.web.server import Server, reactor, turn, until
from transcoded.plan.endings import Ending, Reason
from transcoded.plan.errors import NoOutput, NotMedia, TranscodeFailed, Unavailable
from transcoded.plan.media.argv import Options
from transcoded.plan.media.probe import Media, SubtitleStream
from transcoded.plan.policy.admission import TRANSCODE, Admission
from transcoded.run.files.async_library import AsyncLibrary
from transcoded.run.files.leases import FileLeases
from transcoded.run.files.library import Library, MediaFile
from transcoded.run.files.opener import FileOpener
from transcoded.run.files.threads import Threads
from transcoded.run.media.burn_in import Burned, BurnIns
from transcoded.run.media.prober import Prober
from transcoded.run.media.subtitles import SubtitleSource
from transcoded.run.process.spawner import Spawner
from transcoded.run.relay.relay import Relay
from transcoded.run.streams.admission import AdmissionQueue, Permit
from transcoded.run.streams.fallbacks import Fallbacks
from transcoded.run.streams.peers import Peers
from transcoded.run.streams.registry import StreamRegistry
from transcoded.run.streams.stream_info import StreamSpec
from transcoded.web import play
from transcoded.web.play import Delivery, PlayRoutes, StreamStarter
from transcoded.web.presentations import Presentations

STREAM = "/media/films/a.mkv/stream.mp4?mode=transcode"
BODY = b"the media"
DRAWING = 7
"""The descriptor of what is drawn."""


@attrs.define
class FakeProber:
    """A prober that knows the answer, or fails."""

    media: Media = MEDIA
    problem: Exception | None = None

    async def probe(self, file: MediaFile, client: str = "", patience: float | None = None) -> Media:
        if self.problem is not None:
            raise self.problem
        return self.media

    async def place_before(self, file: MediaFile, media: Media, time: float, client: str = "") -> float | None:
        return None


@attrs.define(eq=False)
class FakeStream:
    """A stream that opens and ends when the test says so."""

    id: str
    permit: Permit
    connection: object = None
    opening: "Deferred[Relay]" = attrs.Factory(Deferred)
    ended: "Deferred[Ending]" = attrs.Factory(Deferred)
    reasons: list[Reason] = attrs.Factory(list)
    detached: bool = False
    is_ending: bool = False
    bytes_sent: int = 0

    def when_open(self) -> "Deferred[Relay]":
        return self.opening

    def when_ended(self) -> "Deferred[Ending]":
        return self.ended

    def end(self, reason: Reason) -> None:
        self.reasons.append(reason)
        self.permit.release()

    def detach(self) -> None:
        """As the relay of this stream."""
        self.detached = True

    def open(self) -> None:
        """The first byte is there."""
        self.opening.callback(cast(Relay, self))

    def finish(self, reason: Reason) -> None:
        """The process is reaped."""
        self.permit.release()
        self.ended.callback(new_ending(self.id, reason, bytes_sent=len(BODY)))


@attrs.define
class FakeRegistry:
    """A registry whose streams have no process. It takes the permit over, as the real one does."""

    started: list[FakeStream] = attrs.Factory(list)
    commands: list[tuple[list[str], int | None]] = attrs.Factory(list)

    def start(
        self,
        spec: StreamSpec,
        program: str,
        arguments: list[str],
        input_file: int,
        permit: Permit,
        subtitles: int | None = None,
    ) -> FakeStream:
        self.commands.append((arguments, subtitles))
        self.started.append(FakeStream(f"id-{len(self.started)}", permit.take()))
        return self.started[-1]


@attrs.define
class FailingSpawner:
    """A system that cannot start a process."""

    problem: Exception

    def spawn(self, *_: object, **__: object) -> None:
        raise self.problem


class FakeDelivery:
    """Sends a fixed body, without a relay."""

    def begin(self, request: Request, relay: Relay) -> None:
        request.write(BODY)


@attrs.frozen
class World:
    """The routes, with slots for one transcode and a queue of one."""

    server: Server
    admission: AdmissionQueue
    prober: FakeProber
    registry: FakeRegistry
    file: Path
    peers: Peers
    burn_ins: "FakeBurnIns"

    async def stream(self) -> FakeStream:
        """Returns when the first stream has started."""
        await until(lambda: bool(self.registry.started))
        return self.registry.started[0]

    async def queued(self) -> None:
        """Returns when a request waits for a permit."""
        await until(lambda: self.admission.waiting == 1)


class FakeBurnIns:
    """Opens nothing, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.opened: list[float] = []
        self.burned = Burned()
        self.problem: Exception | None = None

    async def make(self, source: SubtitleSource, client: str) -> Burned:
        self.asked.append(source.stream.position)
        if self.problem is not None:
            raise self.problem
        return self.burned

    async def open(self, burned: Burned, offset: float) -> AbstractContextManager[int | None]:
        if burned.is_empty:
            return nullcontext()
        self.opened.append(offset)
        return nullcontext(DRAWING)


Build = Callable[..., World]


@pytest.fixture
def build(serve: Serve, threads: Threads, tmp_path: Path) -> Build:
    """Builds the routes over a library of one file, with a registry of the test's choice."""
    file = tmp_path / "a.mkv"
    file.write_bytes(b"a movie")
    library = AsyncLibrary(Library({"films": str(tmp_path)}), threads)
    opener = FileOpener(library.library, threads, FileLeases(reactor))
    admission = AdmissionQueue(reactor, Admission(TRANSCODE, queue_size=1), 30.0)
    prober, fake, burn_ins = FakeProber(), FakeRegistry(), FakeBurnIns()

    def build(registry: StreamRegistry | None = None) -> World:
        starter = StreamStarter(
            library=library,
            opener=opener,
            prober=cast(Prober, prober),
            presentations=Presentations(reactor, library, cast(Prober, prober), ()),
            admission=admission,
            streams=registry or cast(StreamRegistry, fake),
            tools=made_tools(),
            options=Options(),
            burn_ins=cast(BurnIns, burn_ins),
            fallbacks=Fallbacks(reactor),
        )
        peers = Peers()
        routes = PlayRoutes(opener, peers, starter, cast(Delivery, FakeDelivery()), new_viewings(reactor))
        return World(serve(routes, locate=library.locate_first), admission, prober, fake, file, peers, burn_ins)

    return build


@pytest.fixture
def world(build: Build) -> World:
    return build()


# Between the permit and the process.


@pytest_twisted.ensureDeferred
async def test_a_fault_in_building_the_arguments_gives_the_slots_back(
    world: World, monkeypatch: pytest.MonkeyPatch, logged_errors: Errors
) -> None:
    def fault(*_: object) -> list[str]:
        raise ZeroDivisionError

    monkeypatch.setattr(play, "stream_argv", fault)
    (await world.server.ask(STREAM)).problem(500)
    assert world.admission.state.used == 0
    assert not world.registry.started
    assert len(logged_errors.flush()) == 1


@pytest.mark.parametrize(
    ("problem", "status", "logged"),
    [
        pytest.param(TranscodeFailed("No such program."), 500, 0, id="no program"),
        pytest.param(Unavailable("No more processes."), 503, 0, id="no process"),
        pytest.param(ZeroDivisionError(), 500, 1, id="a fault"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_process_that_cannot_be_started_gives_the_slots_back(
    build: Build, logged_errors: Errors, problem: Exception, status: int, logged: int
) -> None:
    leases = FileLeases(reactor)
    world = build(StreamRegistry(reactor, cast(Spawner, FailingSpawner(problem)), 5.0, leases))
    (await world.server.ask(STREAM)).problem(status)
    assert world.admission.state.used == 0
    assert not len(leases)
    assert len(logged_errors.flush()) == logged


# In the queue.


@pytest_twisted.ensureDeferred
async def test_a_client_that_leaves_the_queue_gives_its_place_up(world: World) -> None:
    permit = await world.admission.ask("::1", TRANSCODE)
    client = await world.server.connect()
    client.transport.write(f"GET {STREAM} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    await world.queued()
    client.transport.abortConnection()
    await until(lambda: world.admission.waiting == 0)
    permit.release()
    await turn()
    assert world.admission.state.used == 0
    assert not world.registry.started


@pytest.mark.parametrize("change", ["written", "deleted"])
@pytest_twisted.ensureDeferred
async def test_a_file_that_changes_while_its_request_waits(world: World, change: str) -> None:
    """The plan was made for another file: ffmpeg would get wrong arguments."""
    permit = await world.admission.ask("::1", TRANSCODE)
    asked = Deferred.fromCoroutine(world.server.ask(STREAM))
    await world.queued()
    if change == "written":
        world.file.write_bytes(b"another movie")
    else:
        world.file.unlink()
    permit.release()
    answer = await asked
    answer.problem(503 if change == "written" else 404)
    assert ("retry-after" in answer.headers) is (change == "written")
    assert world.admission.state.used == 0
    assert not world.registry.started


@pytest_twisted.ensureDeferred
async def test_a_request_that_has_waited_is_served(world: World) -> None:
    permit = await world.admission.ask("::1", TRANSCODE)
    asked = Deferred.fromCoroutine(world.server.ask(STREAM))
    await world.queued()
    permit.release()
    stream = await world.stream()
    assert world.admission.state.used == TRANSCODE
    stream.open()
    stream.finish(Reason.FINISHED)
    assert (await asked).body == BODY
    assert world.admission.state.used == 0


# The first byte.


FILM = attrs.evolve(MEDIA, subtitles=(SubtitleStream(2, 0, "subrip", text=True),))


@pytest.mark.parametrize("script", ["", "[Script Info]"])
@pytest_twisted.ensureDeferred
async def test_subtitles_are_drawn_if_there_are_any(world: World, script: str) -> None:
    """From where reading begins; a film without a single image is made as one without subtitles."""
    world.prober.media = FILM
    world.burn_ins.burned = Burned(script)
    asked = Deferred.fromCoroutine(world.server.ask(f"{STREAM}&subtitle=0&burn=1&start=10"))
    await until(lambda: bool(world.registry.started))
    assert world.burn_ins.asked == [0]
    assert world.burn_ins.opened == [10.0] * bool(script)
    ((arguments, subtitles),) = world.registry.commands
    assert subtitles == (DRAWING if script else None)
    assert any("ass=filename=" in one for one in arguments) is bool(script)
    world.registry.started[0].open()
    world.registry.started[0].finish(Reason.FINISHED)
    assert (await asked).status == 200


@pytest_twisted.ensureDeferred
async def test_subtitles_that_cannot_be_drawn_are_told_before_anything_is_taken(world: World) -> None:
    assert (await world.server.ask(f"{STREAM}&subtitle=0&burn=1")).problem(400)["parameter"] == "subtitle"
    world.prober.media = FILM
    world.burn_ins.problem = NotMedia("It is compressed.")
    (await world.server.ask(f"{STREAM}&subtitle=0&burn=1")).problem(415)
    assert world.admission.state.used == 0
    assert not world.registry.started


@pytest_twisted.ensureDeferred
async def test_nothing_is_answered_before_the_first_byte(world: World) -> None:
    client = await world.server.connect()
    client.transport.write(f"GET {STREAM} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    stream = await world.stream()
    await turn()
    assert client.received == b""
    stream.open()
    await client.until(BODY)
    head = client.received.partition(b"\r\n\r\n")[0].lower()
    assert head.startswith(b"http/1.1 200")
    for line in (b"x-stream-id: id-0", b"accept-ranges: none", b"cache-control: no-store", b"connection: close"):
        assert line in head.split(b"\r\n")
    assert not stream.detached
    stream.finish(Reason.FINISHED)
    assert await client.closed
    assert client.received.endswith(b"0\r\n\r\n")
    assert stream.detached


@pytest.mark.parametrize(
    ("problem", "query", "status"),
    [
        pytest.param(TranscodeFailed("ffmpeg failed.", "one\ntwo"), "", 500, id="ffmpeg fails"),
        pytest.param(Unavailable("The server is stopping."), "", 503, id="stopping"),
        pytest.param(NoOutput("Nothing."), "", 500, id="no output"),
        pytest.param(NoOutput("Nothing."), "&start=5", 400, id="no output after start"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_stream_that_fails_before_it_is_a_problem_document(
    world: World, problem: Exception, query: str, status: int
) -> None:
    asked = Deferred.fromCoroutine(world.server.ask(STREAM + query))
    stream = await world.stream()
    stream.permit.release()
    stream.opening.errback(problem)
    answer = await asked
    document = answer.problem(status)
    assert "x-stream-id" not in answer.headers
    assert document.get("parameter") == ("start" if query else None)
    assert document.get("stderr_tail") == (["one", "two"] if "ffmpeg" in str(problem) else None)


@pytest.mark.parametrize(
    ("media", "said"),
    [
        (MEDIA, f"the file says that it is {MEDIA.duration:.3f} s long; it may be cut short"),
        (attrs.evolve(MEDIA, duration_estimated=True), "nothing is left to play at 5 s."),
        (attrs.evolve(MEDIA, duration=None), "nothing is left to play at 5 s."),
    ],
    ids=["a known length", "an estimate", "no length"],
)
@pytest_twisted.ensureDeferred
async def test_where_nothing_is_left_a_length_that_was_promised_is_named(world: World, media: Media, said: str) -> None:
    """A download that broke off has its whole length in its header."""
    world.prober.media = media
    asked = Deferred.fromCoroutine(world.server.ask(f"{STREAM}&start=5"))
    stream = await world.stream()
    stream.permit.release()
    stream.opening.errback(NoOutput("Nothing."))
    assert said in (await asked).problem(400)["detail"]


@pytest_twisted.ensureDeferred
async def test_a_stream_that_fails_after_it_breaks_the_connection(world: World) -> None:
    client = await world.server.connect()
    client.transport.write(f"GET {STREAM} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    stream = await world.stream()
    stream.open()
    await client.until(BODY)
    stream.finish(Reason.FAILED)
    await client.closed
    assert not client.received.endswith(b"0\r\n\r\n")
    assert not stream.detached
    assert not world.peers._watched, "the connection is watched no longer, whoever was first"


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (Reason.FAILED, 500),
        (Reason.HUNG, 500),
        (Reason.STOPPED, 503),
        (Reason.SHUTDOWN, 503),
        (Reason.CLIENT_STALLED, 499),
        (Reason.CLIENT_GONE, 499),
    ],
)
@pytest_twisted.ensureDeferred
async def test_the_log_says_who_has_broken_a_stream(
    world: World, log: list[LogEvent], reason: Reason, status: int
) -> None:
    """An operator who looks for failures must find ours, and nobody's who has only closed a window."""
    client = await world.server.connect()
    client.transport.write(f"GET {STREAM} HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: r\r\n\r\n".encode())
    stream = await world.stream()
    stream.open()
    await client.until(BODY)
    stream.finish(reason)
    await client.closed
    assert lines(log) == [("GET", STREAM.partition("?")[0], status, "r")]


@pytest.mark.parametrize(
    ("reason", "status"),
    [pytest.param(Reason.FAILED, 500, id="failed"), pytest.param(Reason.STOPPED, 503, id="stopped")],
)
@pytest_twisted.ensureDeferred
async def test_a_stream_that_ends_before_it_is_answered_is_an_error_though_a_byte_was_there(
    world: World, log: list[LogEvent], reason: Reason, status: int
) -> None:
    """Its first byte and its failure may come in the same moment."""
    asked = Deferred.fromCoroutine(world.server.ask(STREAM))
    stream = await world.stream()
    stream.is_ending = True
    stream.open()
    await turn()
    stream.finish(reason)
    answer = await asked
    answer.problem(status)
    assert "x-stream-id" not in answer.headers
    assert [line[2] for line in lines(log)] == [status]


@pytest.mark.parametrize("opened", [False, True], ids=["before the first byte", "after it"])
@pytest_twisted.ensureDeferred
async def test_a_client_that_leaves_ends_its_stream(world: World, opened: bool) -> None:
    client = await world.server.connect()
    client.transport.write(f"GET {STREAM} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    stream = await world.stream()
    if opened:
        stream.open()
        await client.until(BODY)
    client.transport.abortConnection()
    await until(lambda: bool(stream.reasons))
    assert stream.reasons == [Reason.CLIENT_GONE]
    assert world.admission.state.used == 0


@pytest_twisted.ensureDeferred
async def test_a_fault_at_the_first_byte_ends_the_stream(world: World, logged_errors: Errors) -> None:
    asked = Deferred.fromCoroutine(world.server.ask(STREAM))
    stream = await world.stream()
    stream.opening.errback(ZeroDivisionError())
    (await asked).problem(500)
    assert stream.reasons == [Reason.FAILED]
    assert len(logged_errors.flush()) == 1


# Requests that start nothing.


@pytest.mark.parametrize("name", ["mp4", "webm", "mkv", "ts", "mp3", "opus", "flac", "aac", "wav"])
@pytest.mark.parametrize("media", [MEDIA, attrs.evolve(MEDIA, video=()), attrs.evolve(MEDIA, audio=())])
@pytest_twisted.ensureDeferred
async def test_head_agrees_with_get_and_starts_nothing(world: World, name: str, media: Media) -> None:
    world.prober.media = media
    url = f"/media/films/a.mkv/stream.{name}"
    head = await world.server.ask(url, "HEAD")
    assert not world.registry.started
    asked = Deferred.fromCoroutine(world.server.ask(url))
    await until(lambda: asked.called or bool(world.registry.started))
    for stream in world.registry.started:
        stream.open()
        stream.finish(Reason.FINISHED)
    got = await asked
    assert (head.status, head.headers["content-type"]) == (got.status, got.headers["content-type"])
    assert head.body == b""


@pytest.mark.parametrize("end", ["stream.mp4", "probe.json"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest_twisted.ensureDeferred
async def test_a_file_that_is_no_media(world: World, end: str, method: str) -> None:
    world.prober.problem = NotMedia("No media.")
    assert (await world.server.ask(f"/media/films/a.mkv/{end}", method)).status == 415


@pytest_twisted.ensureDeferred
async def test_probe_json(world: World) -> None:
    got = await world.server.ask("/media/films/a.mkv/probe.json")
    head = await world.server.ask("/media/films/a.mkv/probe.json", "HEAD")
    assert got.json["formats"]["mp4"]["action"] == "copy"
    assert (head.status, head.headers["content-type"]) == (200, got.headers["content-type"])


@pytest.mark.parametrize(
    ("wanted", "status"), [("bytes=1-", 416), ("bytes = 007-9", 416), ("bytes=0-", 200), ("bytes=0-1", 200)]
)
@pytest_twisted.ensureDeferred
async def test_a_range_after_the_first_byte_is_refused(world: World, wanted: str, status: int) -> None:
    assert (await world.server.ask(STREAM, "HEAD", {"Range": wanted})).status == status


@pytest_twisted.ensureDeferred
async def test_a_second_request_beyond_the_queue_is_refused(world: World) -> None:
    permit = await world.admission.ask("::1", TRANSCODE)
    waiting = world.admission.ask("::2", TRANSCODE)
    (await world.server.ask(STREAM)).problem(503)
    waiting.addErrback(lambda _: succeed(None))
    waiting.cancel()
    permit.release()
    assert world.admission.state.used == 0
