"""Viewers: what others say must not end what somebody watches."""

from twisted.internet.task import Clock

from transcoded.run.segments.viewers import LEAVE_GAP, MAX_VIEWERS, Viewers

IDLE = 60.0


def new_viewers() -> tuple[Clock, Viewers]:
    clock = Clock()
    return clock, Viewers(clock.seconds, IDLE)


def test_the_last_viewer_who_leaves_is_the_last() -> None:
    _, viewers = new_viewers()
    viewers.requested("a")
    assert viewers.only == "a"
    viewers.requested("b")
    assert viewers.only is None
    viewers.leave("a")
    assert viewers.only == "b"
    assert not viewers.have_left
    viewers.leave("b")
    assert viewers.only is None
    assert viewers.have_left
    viewers.requested("a")
    assert not viewers.have_left


def test_who_does_not_watch_cannot_leave() -> None:
    _, viewers = new_viewers()
    viewers.leave("stranger")
    assert not viewers.have_left
    viewers.requested("a")
    viewers.leave("stranger")
    assert not viewers.have_left
    assert viewers.only == "a"


def test_who_has_requested_nothing_for_a_while_does_not_watch() -> None:
    clock, viewers = new_viewers()
    viewers.requested("a")
    clock.advance(IDLE - 1)
    viewers.requested("b")
    viewers.leave("b")
    assert not viewers.have_left
    clock.advance(1)
    assert viewers.have_left


def test_to_leave_and_come_back_again_and_again_counts_once_a_second() -> None:
    clock, viewers = new_viewers()
    counted = 0
    for _ in range(64):
        viewers.requested("a")
        viewers.leave("a")
        counted += viewers.have_left
        clock.advance(LEAVE_GAP / 64)
    assert counted == 1
    assert viewers.have_left, "the last time counts, too, if only later"


def test_a_crowd_is_not_remembered_one_by_one() -> None:
    clock, viewers = new_viewers()
    for number in range(2 * MAX_VIEWERS):
        viewers.requested(str(number))
    assert len(viewers._viewers) == MAX_VIEWERS
    viewers.leave(str(2 * MAX_VIEWERS - 1))
    assert not viewers.have_left
    clock.advance(IDLE)
    viewers.requested("late")
    assert viewers.only == "late"
    assert len(viewers._viewers) == 1


def test_who_has_watched_lately() -> None:
    clock, viewers = new_viewers()
    viewers.requested("a")
    clock.advance(5)
    viewers.requested("b")
    assert viewers.within(8) == {"a", "b"}
    clock.advance(5)
    assert viewers.within(8) == {"b"}
    viewers.leave("b")
    assert viewers.within(8) == set()
