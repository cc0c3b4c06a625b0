"""Who watches: stopped viewings stop for good, others go on, and no client can make the table grow or lose others' entries."""

from contextlib import ExitStack

import attrs
import pytest
from twisted.internet.defer import Deferred

from tests.run.fakes import Machine, new_file, new_leases, result_of
from tests.run.streams.watchers import IDLE, Told, new_viewings
from transcoded.plan.endings import Ending
from transcoded.plan.errors import NotFound, Stopped, Unavailable
from transcoded.run.files.leases import FileLeases
from transcoded.run.files.library import MediaFile
from transcoded.run.reactor import as_reactor
from transcoded.run.streams import viewings as module
from transcoded.run.streams.viewing import MAX_RENDITIONS, RECENT, Viewer, Watched
from transcoded.run.streams.viewings import MAX_PER_CLIENT, REFUSAL, Viewings

FILM, OTHER = new_file("a.mkv"), new_file("b.mkv", 2)
ANN, BOB = Viewer("192.0.2.1", "192.0.2.1"), Viewer("tv@192.0.2.2", "192.0.2.2", "tv")
BIG, SMALL, SOUND = (
    Watched((name,), name, kind, "transcode") for name, kind in (("v720", "video"), ("v480", "video"), ("a0", "audio"))
)


@attrs.define
class FakeEncoders:
    """Each rendition has an encoder until it is stopped."""

    stopped: list[str] = attrs.Factory(list)
    withdrawn: list[tuple[str, str]] = attrs.Factory(list)

    def stream_of(self, key: tuple[object, ...]) -> str | None:
        return None if key[0] in self.stopped else f"stream of {key[0]}"

    def withdraw(self, key: tuple[object, ...], client: str) -> None:
        self.withdrawn.append((str(key[0]), client))

    def stop(self, key: tuple[object, ...]) -> "Deferred[Ending] | None":
        self.stopped.append(str(key[0]))
        return None


@attrs.define
class World:
    machine: Machine
    leases: FileLeases
    encoders: FakeEncoders
    told: Told
    viewings: Viewings

    def watch(self, viewer: Viewer, *watched: Watched, file: MediaFile = FILM, size: int = 10) -> None:
        """A client requests a segment of each, and gets it."""
        for one in watched or (BIG,):
            with self.viewings.request(viewer, file, one, lambda: size):
                pass

    def stop(self, viewer: Viewer) -> None:
        (found,) = (one for one in self.viewings.live() if one.client == viewer.client)
        self.viewings.stop(found.id)

    def refused(self, viewer: Viewer, file: MediaFile = FILM) -> int | None:
        """The seconds for which a client is refused."""
        try:
            self.viewings.check(viewer, file)
        except Stopped as problem:
            return problem.seconds
        return None

    def tick(self, seconds: float = 1.0) -> None:
        self.machine.advance(seconds)
        self.viewings.tick(seconds)
        self.machine.turn()


@pytest.fixture
def world() -> World:
    machine = Machine()
    leases, encoders, told = new_leases(machine), FakeEncoders(), Told()
    return World(machine, leases, encoders, told, new_viewings(as_reactor(machine), encoders, leases, told))


def test_one_viewing_per_client_and_file(world: World) -> None:
    world.watch(ANN, BIG, SOUND)
    world.watch(ANN, BIG)
    world.watch(ANN, file=OTHER)
    world.watch(BOB)
    assert [(one.path, one.client, one.key) for one in world.viewings.live()] == [
        ("films/a.mkv", "192.0.2.1", None),
        ("films/b.mkv", "192.0.2.1", None),
        ("films/a.mkv", "192.0.2.2", "tv"),
    ]
    assert [one.bytes_sent for one in world.viewings.live()] == [30, 10, 10]
    assert world.viewings.live()[0].streams == ["stream of a0", "stream of v720"]


def test_it_ends_when_nothing_was_requested_for_a_while_but_not_while_it_reads(world: World) -> None:
    world.watch(ANN)
    with world.viewings.request(BOB, FILM, BIG, lambda: 7):
        world.tick(IDLE)
        (still,) = world.viewings.live()
        assert (still.client, still.bytes_sent, still.idle_s) == (BOB.client, 7, 0.0)
    world.tick(IDLE - 1)
    assert world.viewings.live()
    world.tick(1)
    assert not world.viewings.live()
    assert world.told.reasons == ["idle"], "the first one had ended before anybody was told of it"


def test_what_was_watched_a_moment_ago_counts_and_what_was_left_does_not(world: World) -> None:
    world.watch(ANN, BIG, SOUND, SMALL)
    assert world.viewings.live()[0].renditions == ["v720", "a0", "v480"]
    world.machine.advance(RECENT)
    assert world.viewings.live()[0].renditions == ["a0", "v480"]


def test_a_stop_ends_what_nobody_else_watches_and_refuses_for_a_while(world: World) -> None:
    world.watch(ANN, BIG, SOUND)
    world.watch(BOB, SMALL, SOUND)
    world.stop(ANN)
    assert world.encoders.stopped == ["v720"]
    assert world.encoders.withdrawn == [("v720", ANN.unit), ("a0", ANN.unit)]
    assert world.refused(ANN) == REFUSAL
    assert world.refused(ANN, OTHER) is None
    assert world.refused(BOB) is None
    with pytest.raises(Stopped):
        world.watch(ANN)
    world.tick(REFUSAL - 1)
    assert world.refused(ANN) == 1
    world.tick()
    assert world.refused(ANN) is None
    world.watch(ANN)


def test_a_video_that_another_has_left_is_ended(world: World) -> None:
    world.watch(BOB, BIG)
    world.machine.advance(RECENT)
    world.watch(BOB, SMALL)
    world.watch(ANN, BIG)
    world.stop(ANN)
    assert world.encoders.stopped == ["v720"]


def test_a_stop_breaks_off_what_is_being_sent(world: World) -> None:
    waiting: Deferred[bytes] = Deferred()
    with ExitStack() as stack:
        viewing = stack.enter_context(world.viewings.request(ANN, FILM, BIG, lambda: 0))
        result = Deferred.fromCoroutine(viewing.unless_broken(waiting))
        world.stop(ANN)
        assert not result.called, "never from within the call"
        world.machine.turn()
        assert isinstance(result_of(result.addErrback(lambda failure: failure.value)), Stopped)


def test_a_client_that_goes_away_is_no_stop(world: World) -> None:
    waiting: Deferred[bytes] = Deferred()
    with world.viewings.request(ANN, FILM, BIG, lambda: 0) as viewing:
        result = Deferred.fromCoroutine(viewing.unless_broken(waiting))
        result.cancel()
        assert not isinstance(result_of(result.addErrback(lambda failure: failure.value)), Stopped)
    assert world.viewings.live()


def test_a_stopped_encoder_stops_its_viewers(world: World) -> None:
    world.watch(ANN, BIG, SOUND)
    world.watch(BOB, SMALL, SOUND)
    world.viewings.stop_stream("stream of v720")
    assert [one.client for one in world.viewings.live()] == [BOB.client]
    world.viewings.stop_stream("stream of a0")
    assert not world.viewings.live()
    assert world.encoders.stopped == ["v720", "v480", "a0"]


def test_another_session_of_a_client_goes_on_and_a_new_one_does_not_begin(world: World) -> None:
    one, two, new = (attrs.evolve(ANN, session=name) for name in ("one", "two", "new"))
    world.watch(one)
    world.watch(two)
    world.viewings.stop(world.viewings.live()[0].id)
    assert not world.encoders.stopped
    assert not world.encoders.withdrawn, "the client still watches it"
    assert (world.refused(one), world.refused(new), world.refused(two)) == (REFUSAL, REFUSAL, None)


def test_a_player_that_leaves_without_its_session_means_all(world: World) -> None:
    one, two = (attrs.evolve(ANN, session=name) for name in ("one", "two"))
    for viewer in (one, two, BOB):
        world.watch(viewer)
    world.tick()
    world.viewings.leave(one, FILM)
    assert len(world.viewings.live()) == 2
    world.viewings.leave(ANN, OTHER)
    world.viewings.leave(ANN, FILM)
    assert [viewer.client for viewer in world.viewings.live()] == [BOB.client]
    assert world.told.reasons == ["client-gone", "client-gone"]
    assert world.refused(ANN) is None


def test_while_a_file_is_released_nothing_is_served_from_anywhere(world: World) -> None:
    world.watch(ANN)
    release = world.leases.release_file(FILM.path, FILM.real_path)
    assert not world.viewings.live()
    with pytest.raises(Unavailable):
        world.watch(ANN)
    world.watch(ANN, file=OTHER)
    release.readmit()
    world.watch(ANN)


def test_what_begins_and_ends_at_once_is_told_to_nobody_unless_it_was_stopped(world: World) -> None:
    for _ in range(100):
        world.watch(ANN)
        world.viewings.leave(ANN, FILM)
    world.tick()
    assert not world.told.started
    world.watch(ANN)
    world.stop(ANN)
    assert (len(world.told.started), world.told.reasons) == (1, ["stopped"])


def test_a_client_with_any_number_of_sessions_drives_out_its_own_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_VIEWINGS", 3)
    world.watch(BOB)
    for number in range(1000):
        world.watch(attrs.evolve(ANN, session=str(number)))
        world.machine.advance(0.01)
    assert [one.session for one in world.viewings.live()] == [None, "998", "999"]
    world.watch(attrs.evolve(ANN, unit="third", client="192.0.2.3"))
    assert [one.session for one in world.viewings.live()] == [None, "999", None]
    monkeypatch.undo()
    for number in range(2 * MAX_PER_CLIENT):
        world.watch(attrs.evolve(ANN, session=str(number)))
    assert len(world.viewings.live()) == MAX_PER_CLIENT + 2


def test_refusals_and_renditions_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REFUSALS", 1)
    world.watch(ANN)
    world.watch(BOB)
    world.stop(ANN)
    world.stop(BOB)
    assert (world.refused(ANN), world.refused(BOB)) == (None, REFUSAL)
    for number in range(2 * MAX_RENDITIONS):
        world.watch(ANN, Watched((number,), str(number), "audio", "copy"))
    assert len(world.viewings.live()[0].renditions) == MAX_RENDITIONS


def test_what_is_not_there_cannot_be_stopped(world: World) -> None:
    with pytest.raises(NotFound):
        world.viewings.stop("none")
    with pytest.raises(NotFound):
        world.viewings.get("none")
