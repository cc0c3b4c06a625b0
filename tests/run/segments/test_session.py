"""The session of a rendition: one encoder at most, wherever viewers seek, and however they leave."""

import os
import random

import attrs
import pytest
from twisted.internet.defer import CancelledError, Deferred

from tests.conftest import Errors
from tests.plan.cmaf.test_segmenter import FTYP, moov, video_samples, written
from tests.plan.examples import MEDIA
from tests.run.fakes import new_file, result_of
from tests.run.segments.test_growing import Reader, growing
from tests.run.segments.world import AUDIO, HEADER, IDLE, SMALL, TIMELINE, VIDEO, New, World, failed, fragment
from transcoded.plan.cmaf.steering import AHEAD
from transcoded.plan.endings import Reason
from transcoded.plan.errors import NotMedia, TimedOut, TranscodedError, TranscodeFailed, Unavailable
from transcoded.plan.media.burn_in import SUBTITLES_FD
from transcoded.plan.media.probe import SubtitleStream
from transcoded.plan.policy.admission import COPY, TRANSCODE
from transcoded.run.media.subtitles import SubtitleSource
from transcoded.run.segments import encoder
from transcoded.run.segments.encoder import Source
from transcoded.run.segments.failures import COOL_DOWN, MAX_FAILURES
from transcoded.run.segments.requests import INIT, Answer
from transcoded.run.segments.session import REQUEST_GAP, SEGMENT_TIMEOUT

# One encoder.


def test_all_who_watch_a_rendition_share_one_process(world: World) -> None:
    waiting = [world.ask(number, client=f"192.0.2.{number}") for number in (0, 0, 1, INIT) for _ in range(5)]
    assert len(world.machine.children) == 1
    world.begin()
    world.make(0, 1, 2)
    answers = [result_of(one) for one in waiting]
    assert all(isinstance(answer, bytes) for answer in answers)
    assert len(set(answers)) == 3, "the same bytes for all who asked for the same"
    assert len(world.machine.children) == 1
    assert len(world.served) == 20


def test_what_was_made_costs_no_process(world: World) -> None:
    first = world.ask(0)
    world.begin()
    world.make(0, 1, 2)
    world.child.exit()
    world.machine.turn()
    assert result_of(world.ask(0)) == result_of(first)
    assert result_of(world.ask(1))
    assert result_of(world.ask(INIT)).startswith(FTYP[:8])
    assert len(world.machine.children) == 1


def test_a_newcomer_gets_the_init_segment_though_all_of_the_store_was_needed_since(new: New) -> None:
    world = new(quota=600)
    world.ask(0)
    world.begin()
    for number in range(12):
        world.ask(number)
        world.make(number)
    assert len(world.cache) < 12
    assert isinstance(result_of(world.ask(INIT)), bytes)


def test_the_last_segment_comes_with_the_end(world: World) -> None:
    last = len(TIMELINE) - 1
    waiting = world.ask(last)
    world.begin()
    data = written(video_samples(last, last + 1, TIMELINE)[:-5], 30_000, (30,))
    world.child.write(data[len(HEADER) :])
    world.machine.turn()
    reader = Reader(growing(waiting))
    assert not reader.reading.called, "there may be more of it: the film is a little shorter than was promised"
    world.child.exit()
    world.machine.turn()
    assert result_of(reader.reading) is None
    assert reader.data == result_of(world.ask(last))
    assert world.reasons() == ["finished"]


def test_each_file_version_and_rendition_has_a_head_of_its_own(world: World) -> None:
    world.ask(0)
    world.ask(0, SMALL)
    world.ask(0, file="b.mkv")
    assert world.live == 3


def test_it_is_started_at_the_segment_that_was_asked_for(world: World) -> None:
    world.ask(20)
    assert world.first() == round(float(TIMELINE.starts[20]) / 30_000)
    assert len(world.leases) == 1, "and the file can be got back from it"
    (stream,) = world.streams.live()
    assert stream.spec.format == "cmaf/v360"


# Elsewhere.


SUBTITLES = SubtitleStream(2, 0, "subrip", text=True)
DRAWN = attrs.evolve(VIDEO, id="v360-b0", burn=SUBTITLES)
TEXT = SubtitleSource(new_file("a.mkv"), MEDIA, SUBTITLES, None, "text 1")


def test_what_is_drawn_is_opened_for_each_encoder(world: World) -> None:
    with open(os.devnull, "rb") as file:
        world.burn_ins.drawing = file.fileno()
        world.ask(0, DRAWN, burn=TEXT)
        assert world.burn_ins.asked == ["text 1"]
        assert SUBTITLES_FD in world.child.descriptors
        assert any("ass=filename=" in one for one in world.child.argv)
        # Another text, another session: what is kept of one must not be given for the other.
        world.ask(0, DRAWN, burn=attrs.evolve(TEXT, key="text 2"))
    assert len(world.burn_ins.asked) == 2
    assert len(world.machine.children) == 2


def test_where_nothing_is_to_be_drawn_the_video_is_made_without(world: World) -> None:
    world.burn_ins.script = ""
    world.ask(0, DRAWN, burn=TEXT)
    assert SUBTITLES_FD not in world.child.descriptors
    assert not any("ass=filename=" in one for one in world.child.argv)


def test_if_it_cannot_be_drawn_those_who_wait_are_told(world: World) -> None:
    world.burn_ins.problem = NotMedia("It is compressed.")
    waiting = world.ask(0, DRAWN, burn=TEXT)
    assert isinstance(result_of(waiting), NotMedia)
    assert world.admission.state.used == 0
    assert not world.machine.children


def test_one_that_is_about_to_make_it_is_left_alone(world: World) -> None:
    world.ask(5)
    world.begin()
    near = world.ask(6)
    world.make(5, 6, 7)
    assert isinstance(result_of(near), bytes)
    assert len(world.machine.children) == 1


@pytest.mark.parametrize("elsewhere", [0, 4, 25])
def test_elsewhere_the_old_one_is_proven_dead_before_the_new_one_starts(world: World, elsewhere: int) -> None:
    world.ask(5)
    world.begin()
    world.make(5, 6)
    waiting = world.ask(elsewhere)
    assert len(world.machine.children) == 1, "two would write segments of the same name"
    assert not world.child.output_is_open
    world.reap()
    assert world.reasons() == ["superseded"]
    assert len(world.machine.children) == 2
    assert abs(world.first() - elsewhere) <= 1
    world.begin()
    world.make(elsewhere, elsewhere + 1)
    assert isinstance(result_of(waiting), bytes)
    assert isinstance(result_of(world.ask(5)), bytes), "what was made stays"


def test_who_scrubs_ten_times_a_second_gets_the_last_place_and_never_two_processes(world: World) -> None:
    asked: list[Deferred[Answer]] = []
    for place in (30, 3, 22, 11, 35, 8):
        for one in asked:
            one.cancel()
        asked.append(world.ask(place))
        world.machine.advance(0.01)
        assert sum(not child.gone for child in world.machine.children) == 1
    world.reap()
    assert [round(world.first(child)) for child in world.machine.children] == [30, 8]
    world.begin()
    world.make(8, 9)
    assert isinstance(result_of(asked[-1]), bytes)
    assert world.reasons() == ["superseded"]


def test_two_who_watch_different_places_both_get_on(world: World) -> None:
    here = world.ask(5)
    world.begin()
    there = world.ask(30)
    world.make(5)
    assert isinstance(result_of(here), bytes), "nobody's segment is thrown away half made for another's"
    world.reap()
    world.begin()
    world.make(30, 31)
    assert isinstance(result_of(there), bytes)
    assert world.reasons() == ["superseded"]


def test_one_that_is_fast_is_waited_for_longer_than_one_that_is_slow(world: World) -> None:
    world.ask(0)
    world.begin()
    world.make(0, 1, 2, each=0.01)
    world.ask(8)
    assert world.live == 1
    assert world.child.output_is_open, "five segments in 50 ms"
    world.make(*range(3, 10), each=0.01)
    assert world.reasons() == []


def test_what_comes_all_at_once_is_served_and_the_head_goes_on(world: World) -> None:
    """Sound and copies are made so fast that the first read holds the header and several segments."""
    first, init = world.ask(3), world.ask(INIT)
    world.child.write(HEADER + fragment(3) + fragment(4) + fragment(5))
    world.machine.turn()
    assert isinstance(result_of(init), bytes)
    assert isinstance(result_of(first), bytes)
    assert isinstance(result_of(world.ask(4)), bytes)
    assert world.child.output_is_open
    world.make(6, 7)
    assert isinstance(result_of(world.ask(6)), bytes)
    assert len(world.machine.children) == 1


# The brake.


def test_ahead_of_all_who_watch_it_is_not_read_and_goes_on_when_they_come(world: World) -> None:
    world.ask(0)
    world.begin()
    for number in range(AHEAD + 10):
        world.make(number)
    made = [number for number in range(40) if (*Source(new_file(), MEDIA, VIDEO).key, number) in world.cache]
    assert len(made) < AHEAD + 4, "bounded, whatever ffmpeg can do"
    assert world.streams.live()[0].child.backpressured, "and it is its viewers who hold it up: it is not hung"
    assert isinstance(result_of(world.ask(AHEAD)), bytes)
    world.machine.turn()
    more = [number for number in range(40) if (*Source(new_file(), MEDIA, VIDEO).key, number) in world.cache]
    assert len(more) > len(made)


# Nobody.


def test_one_whose_rendition_nobody_asks_for_ends(world: World) -> None:
    world.ask(0)
    world.begin()
    world.make(0, 1)
    world.tick(int(IDLE) - 1)
    assert world.child.output_is_open
    world.tick(2)
    assert not world.child.output_is_open
    world.reap()
    assert world.reasons() == ["idle"]
    world.tick(2)
    assert world.segments._sessions == {}, "and nothing is kept of it"


def test_one_that_somebody_waits_for_is_not_idle(world: World) -> None:
    waiting = world.ask(0)
    world.tick(int(SEGMENT_TIMEOUT) - 1)
    assert world.child.output_is_open
    world.tick(2)
    failed(waiting, TimedOut)


def test_a_waiter_that_leaves_is_forgotten_and_the_others_are_served(world: World) -> None:
    first, second = world.ask(0), world.ask(0)
    first.cancel()
    world.begin()
    world.make(0, 1)
    assert isinstance(result_of(first), CancelledError)
    assert isinstance(result_of(second), bytes)


def test_who_leaves_while_there_is_no_place_leaves_the_queue(new: New) -> None:
    world = new(capacity=TRANSCODE)
    taken = result_of(world.admission.ask("somebody", TRANSCODE))
    waiting = world.ask(0)
    assert world.admission.waiting == 1
    waiting.cancel()
    assert world.admission.waiting == 0
    taken.release()
    assert world.machine.children == []


# Failures.


def test_one_that_dies_fails_those_who_wait_with_what_it_said(world: World) -> None:
    waiting = [world.ask(0), world.ask(INIT)]
    world.child.write(b"moov atom not found\n", 2)
    world.child.exit(1)
    world.machine.turn()
    for one in waiting:
        problem = failed(one, TranscodeFailed)
        assert isinstance(problem, TranscodeFailed)
        assert "moov atom" in problem.stderr_tail


def test_one_that_always_dies_is_not_started_again_and_again(world: World) -> None:
    for _ in range(MAX_FAILURES):
        world.ask(0)
        world.child.exit(1)
        world.machine.turn()
    assert "half a minute" in str(failed(world.ask(0), TranscodeFailed))
    world.tick(5)
    failed(world.ask(0), TranscodeFailed)
    assert len(world.machine.children) == MAX_FAILURES
    world.machine.advance(COOL_DOWN)
    world.ask(0)
    assert len(world.machine.children) == MAX_FAILURES + 1


def test_one_that_made_something_before_it_died_is_tried_again(world: World) -> None:
    for number in range(0, 3 * (MAX_FAILURES + 2), 3):
        world.ask(number)
        world.begin()
        world.make(number, number + 1)
        world.child.exit(1)
        world.machine.turn()
    assert world.reasons() == ["failed"] * (MAX_FAILURES + 2)


def test_what_is_no_fragmented_film_ends_it(world: World) -> None:
    waiting = world.ask(0)
    world.child.write(b"\0\0\0\x01this is no box at all")
    world.machine.turn()
    world.reap()
    failed(waiting, TranscodeFailed)
    assert world.reasons() == ["failed"]


def test_a_hole_in_the_film_is_told_and_not_waited_for(world: World) -> None:
    waiting = world.ask(10)
    world.begin()
    world.child.exit()
    world.machine.turn()
    assert "holds nothing" in str(failed(waiting, TranscodeFailed))


def test_a_segment_that_the_encoder_has_passed_is_answered_at_once(world: World) -> None:
    """The file has nothing there. A request would wait for a minute, and each encoder for it would pass it again."""
    skipped, later = world.ask(0), world.ask(2)
    world.begin()
    world.make(2)
    assert "holds nothing" in str(failed(skipped, TranscodeFailed))
    assert isinstance(result_of(later), bytes)
    assert "holds nothing" in str(failed(world.ask(1), TranscodeFailed))
    assert len(world.machine.children) == 1


def test_sound_that_the_file_does_not_have_is_silence(world: World) -> None:
    waiting = world.ask(3, AUDIO)
    world.child.write(FTYP + moov(48_000, b"soun"))
    world.machine.turn()
    world.child.exit()
    world.machine.turn()
    assert b"mdat" in result_of(waiting)
    assert b"mdat" in result_of(world.ask(4, AUDIO)), "no second process is needed to know it"
    assert len(world.machine.children) == 1


def test_what_the_file_does_not_hold_is_asked_of_no_second_process(world: World) -> None:
    """A player tries a segment that failed again and again."""
    waiting = world.ask(10)
    world.begin()
    world.child.exit()
    world.machine.turn()
    failed(waiting, TranscodeFailed)
    assert "holds nothing" in str(failed(world.ask(10), TranscodeFailed))
    assert len(world.machine.children) == 1
    earlier = world.ask(9)
    world.begin()
    world.make(9)
    assert isinstance(result_of(earlier), bytes), "the rest of the film is as good as ever"
    world.child.exit()
    world.machine.turn()
    world.machine.advance(COOL_DOWN)
    world.ask(10)
    assert len(world.machine.children) == 3, "a disk that could not be read for a moment is not held against the file"


def test_a_fault_at_the_start_of_an_encoder_loses_no_slots_and_leaves_nobody_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch, logged_errors: Errors
) -> None:
    monkeypatch.setattr(encoder, "segment_argv", lambda *_: 1 / 0)
    waiting = world.ask(0)
    failed(waiting, TranscodedError)
    assert world.admission.state.used == 0
    assert len(world.leases) == 0
    (event,) = logged_errors.flush()
    assert "ZeroDivisionError" in str(event["log_failure"])
    monkeypatch.undo()
    world.ask(0)
    world.begin()
    world.make(0, 1)
    assert isinstance(result_of(world.ask(0)), bytes), "the next one is as good as ever"


def test_one_that_is_over_before_it_is_known_to_run_leaves_room_for_the_next(world: World) -> None:
    world.machine.on_spawn = lambda child: child.exit(1)
    waiting = world.ask(0)
    world.machine.turn()
    failed(waiting, TranscodeFailed)
    world.machine.on_spawn = None
    world.ask(0)
    world.begin()
    world.make(0, 1)
    assert isinstance(result_of(world.ask(0)), bytes)


def test_a_system_that_starts_no_process_is_told(world: World) -> None:
    world.machine.refuse = OSError(11, "Resource temporarily unavailable")
    failed(world.ask(0), Unavailable)
    assert world.admission.state.used == 0


def test_when_the_file_is_got_back_those_who_wait_are_told_and_it_is_not_started_anew(world: World) -> None:
    waiting = world.ask(0)
    world.begin()
    release, endings = world.streams.release_file("films/a.mkv", "/srv/films/a.mkv")
    world.reap()
    assert [ending.reason for ending in result_of(endings)] == [Reason.FILE_RELEASED]
    failed(waiting, Unavailable)
    failed(world.ask(1), Unavailable)
    assert world.live == 0
    assert world.admission.state.used == 0
    release.readmit()


# Places.


def test_a_full_house_is_told(new: New) -> None:
    world = new(capacity=TRANSCODE, queue_size=0)
    result_of(world.admission.ask("somebody", TRANSCODE))
    failed(world.ask(0), Unavailable)


def test_another_size_of_the_same_film_takes_the_place_of_the_last(new: New) -> None:
    world = new(capacity=TRANSCODE)
    world.ask(0)
    world.begin()
    world.make(0, 1)
    waiting = world.ask(1, SMALL)
    assert not waiting.called
    world.reap()
    assert world.reasons() == ["idle"]
    world.begin()
    world.make(1, 2)
    assert isinstance(result_of(waiting), bytes)


def test_sound_beside_its_picture_takes_no_place(new: New) -> None:
    world = new(capacity=TRANSCODE, queue_size=0)
    world.ask(0)
    world.ask(0, AUDIO)
    assert world.live == 2
    assert world.admission.state.used == TRANSCODE


def test_sound_alone_takes_half_a_place(new: New) -> None:
    world = new(capacity=TRANSCODE)
    world.ask(0, AUDIO)
    assert world.admission.state.used == COPY


def test_who_watches_another_film_gets_the_place_of_one_that_was_left(new: New) -> None:
    world = new(capacity=TRANSCODE)
    world.ask(0)
    world.begin()
    world.make(0, 1)
    waiting = world.ask(0, file="b.mkv")
    world.tick(int(REQUEST_GAP) - 1)
    assert world.child.output_is_open, "a player asks each four seconds: it may still be watching"
    world.tick(2)
    world.reap()
    assert len(world.machine.children) == 2
    world.begin()
    world.make(0, 1)
    assert isinstance(result_of(waiting), bytes)


def test_and_at_once_that_of_one_that_is_far_ahead(new: New) -> None:
    world = new(capacity=TRANSCODE)
    world.ask(0)
    world.begin()
    for number in range(AHEAD + 5):
        world.make(number)
    world.ask(0, file="b.mkv")
    world.tick()
    assert not world.child.output_is_open


def far_ahead_and_done(world: World) -> None:
    """A film whose transcoder has exited, and whose last segments wait in the pipe."""
    world.ask(0)
    world.begin()
    for number in range(AHEAD + 5):
        world.make(number)
    world.child.exit()
    world.machine.turn()
    assert world.live == 1, "its bytes are not all read"


def test_one_that_has_exited_is_in_nobodys_way(new: New) -> None:
    """It takes no place any more, so to end it would cost its viewers segments and gain nothing."""
    world = new(capacity=TRANSCODE)
    far_ahead_and_done(world)
    world.ask(0, file="b.mkv")
    world.ask(0, file="c.mkv")
    world.tick(int(REQUEST_GAP) + 1)
    assert world.reasons() == []
    assert len(world.machine.children) == 2


def test_who_leaves_one_that_has_exited_ends_it_in_the_same_moment(world: World) -> None:
    far_ahead_and_done(world)
    world.segments.leave(new_file("a.mkv"), "192.0.2.1")
    world.machine.turn()
    assert world.reasons() == ["idle"]
    assert world.live == 0


def test_after_its_end_a_head_has_given_its_place_back(world: World) -> None:
    for number in (20, 5, 0):
        world.ask(number)
        world.begin()
        world.make(number, number + 1)
        world.child.exit()
        world.machine.turn()
    assert world.admission.state.used == 0
    assert len(world.leases) == 0


@pytest.mark.parametrize("seed", range(20))
def test_whatever_viewers_do_nobody_waits_for_ever_and_two_never_run(new: New, seed: int) -> None:
    """Seeks, departures, deaths, a tiny store and few places, at random: in the end everybody is answered."""
    places = 1 + seed % 2
    world, dice = new(capacity=TRANSCODE * places, quota=4000), random.Random(seed)
    asked: list[Deferred[Answer]] = []

    def ask() -> None:
        rendition = dice.choice([VIDEO, VIDEO, SMALL])
        asked.append(world.ask(dice.choice([INIT, *range(12)]), rendition))
        if asked[-1].called and isinstance(result_of(asked[-1]), TranscodeFailed):
            world.machine.advance(COOL_DOWN)

    def leave() -> None:
        if asked:
            dice.choice(asked).cancel()

    def work(deaths: float) -> None:
        """One of the processes gets on, dies, or obeys."""
        running = [child for child in world.machine.children if not child.gone]
        if not running:
            return
        child = dice.choice(running)
        if not child.output_is_open:
            child.die(15)
        elif dice.random() < deaths:
            child.exit(dice.choice([0, 1]))
        else:
            number = progress.setdefault(child.pid, world.first(child) - 1)
            child.write(HEADER if number < world.first(child) else fragment(number))
            progress[child.pid] += 1
        world.machine.turn()

    def one_for_each() -> None:
        formats = [stream.spec.format for stream in world.streams.live()]
        assert len(formats) == len(set(formats))
        assert world.admission.state.used <= world.admission.state.capacity

    progress: dict[int, int] = {}
    steps = [ask, ask, leave, lambda: work(0.05), lambda: work(0.05), lambda: work(0.05), world.tick]
    for _ in range(400):
        dice.choice(steps)()
        one_for_each()
    for _ in range(2000):
        if all(one.called for one in asked):
            break
        work(0.0)
        one_for_each()
        if dice.random() < 0.1:
            world.tick()
    assert all(one.called for one in asked)
    assert any(isinstance(result_of(one), bytes) for one in asked)
    world.close()
    assert world.admission.state.used == 0
    assert len(world.leases) == 0
