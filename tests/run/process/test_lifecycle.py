"""The lifecycle, every state with every event. A wrong cell is a transcoder that leaks, or a film that ends without a word."""

from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from transcoded.plan.endings import PROVEN, Reason
from transcoded.run.process.lifecycle import TABLE, Event, Lifecycle, State


class Notebook:
    """A body that does nothing and notes everything."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.clock = Clock()
        self.life = Lifecycle(self.clock, self)

    def open(self) -> None:
        self.done.append("open")

    def close_output(self) -> None:
        self.done.append("close")

    def terminate(self) -> None:
        self.done.append("terminate")

    def kill(self) -> None:
        self.done.append("kill")

    def sweep(self) -> None:
        self.done.append("sweep")

    def reap(self, reason: Reason, proof: str) -> None:
        self.done.append(f"reap: {reason.value}, {proof}")


Step = Callable[[Lifecycle], None]


def event(event: Event) -> Step:
    return lambda life: life.handle(event)


EVENTS: dict[Event, Step] = {
    **{one: event(one) for one in Event},
    Event.END: lambda life: life.end(Reason.STOPPED),
    Event.SWEEP_FAILED: lambda life: life.sweep_failed("1 is left"),
}
GONE: Step = lambda life: life.end(Reason.CLIENT_GONE)  # noqa: E731 - a step like the others

WAYS: dict[str, tuple[State, tuple[Step, ...]]] = {
    "starting": (State.STARTING, ()),
    "running": (State.RUNNING, (EVENTS[Event.FIRST_BYTE],)),
    "finishing": (State.FINISHING, (EVENTS[Event.FIRST_BYTE], EVENTS[Event.OUTPUT_ENDED])),
    "terminating": (State.TERMINATING, (GONE,)),
    "killed": (State.KILLED, (GONE, EVENTS[Event.GRACE_OVER])),
    "sweeping with output left": (State.SWEEPING, (EVENTS[Event.FIRST_BYTE], EVENTS[Event.EXITED_WELL])),
    "sweeping, all was passed on": (
        State.SWEEPING,
        (EVENTS[Event.FIRST_BYTE], EVENTS[Event.OUTPUT_ENDED], EVENTS[Event.EXITED_WELL]),
    ),
    "sweeping after an end": (State.SWEEPING, (GONE, EVENTS[Event.EXITED_BADLY])),
    "sweeping after a failure": (State.SWEEPING, (EVENTS[Event.EXITED_BADLY],)),
    "draining": (
        State.DRAINING,
        (EVENTS[Event.FIRST_BYTE], EVENTS[Event.EXITED_WELL], EVENTS[Event.SWEPT]),
    ),
    "draining without proof": (
        State.DRAINING,
        (EVENTS[Event.FIRST_BYTE], EVENTS[Event.EXITED_WELL], EVENTS[Event.SWEEP_FAILED]),
    ),
    "reaped": (State.REAPED, (EVENTS[Event.EXITED_BADLY], EVENTS[Event.SWEPT])),
}
"""How each state is reached, in each way that makes a difference."""

# What an event leads to and what is done; an event that is missing changes nothing.
FAILED = (State.SWEEPING, ["close", "sweep"])
SWEPT = (State.SWEEPING, ["sweep"])
TERM_ONCE = (State.TERMINATING, ["close", "terminate"])
EXPECTED: dict[str, dict[Event, tuple[State, list[str]]]] = {
    "starting": {
        Event.FIRST_BYTE: (State.RUNNING, ["open"]),
        Event.EXITED_WELL: FAILED,
        Event.EXITED_BADLY: FAILED,
        Event.END: TERM_ONCE,
    },
    "running": {
        Event.OUTPUT_ENDED: (State.FINISHING, []),
        Event.EXITED_WELL: SWEPT,
        Event.EXITED_BADLY: FAILED,
        Event.END: TERM_ONCE,
    },
    "finishing": {Event.EXITED_WELL: SWEPT, Event.EXITED_BADLY: FAILED, Event.END: TERM_ONCE},
    "terminating": {
        Event.GRACE_OVER: (State.KILLED, ["kill"]),
        Event.EXITED_WELL: SWEPT,
        Event.EXITED_BADLY: SWEPT,
    },
    "killed": {Event.EXITED_WELL: SWEPT, Event.EXITED_BADLY: SWEPT},
    "sweeping with output left": {
        Event.SWEPT: (State.DRAINING, []),
        Event.SWEEP_FAILED: (State.DRAINING, []),
        Event.END: (State.SWEEPING, ["close"]),
    },
    "sweeping, all was passed on": {
        Event.SWEPT: (State.REAPED, ["reap: finished, proven"]),
        Event.SWEEP_FAILED: (State.REAPED, ["reap: finished, 1 is left"]),
    },
    "sweeping after an end": {
        Event.SWEPT: (State.REAPED, ["reap: client-gone, proven"]),
        Event.SWEEP_FAILED: (State.REAPED, ["reap: client-gone, 1 is left"]),
    },
    "sweeping after a failure": {
        Event.SWEPT: (State.REAPED, ["reap: failed, proven"]),
        Event.SWEEP_FAILED: (State.REAPED, ["reap: failed, 1 is left"]),
    },
    "draining": {
        Event.OUTPUT_ENDED: (State.REAPED, ["reap: finished, proven"]),
        Event.END: (State.REAPED, ["reap: stopped, proven"]),
    },
    "draining without proof": {
        Event.OUTPUT_ENDED: (State.REAPED, ["reap: finished, 1 is left"]),
        Event.END: (State.REAPED, ["reap: stopped, 1 is left"]),
    },
    "reaped": {},
}


def a_body_that_is(way: str) -> Notebook:
    body = Notebook()
    state, steps = WAYS[way]
    for step in steps:
        step(body.life)
    assert body.life.state is state
    body.done.clear()
    return body


def test_nothing_is_left_out() -> None:
    assert set(EXPECTED) == set(WAYS)
    assert set(TABLE) == {state for state, _ in WAYS.values()} == set(State)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", Event)
def test_every_state_with_every_event(way: str, name: Event) -> None:
    body = a_body_that_is(way)
    EVENTS[name](body.life)
    assert (body.life.state, body.done) == EXPECTED[way].get(name, (WAYS[way][0], []))


@pytest.mark.parametrize("state", State)
def test_reaped_is_reached_from_every_state(state: State) -> None:
    """One that cannot get there is a stream without an Ending."""
    reached, found = {state}, {state}
    while found:
        found = {after for one in found for _, after in TABLE[one].values()} - reached
        reached |= found
    assert State.REAPED in reached


@pytest.mark.parametrize("way", ["starting", "running", "finishing"])
def test_the_first_reason_wins(way: str) -> None:
    """Else an Ending blames the viewer for what the operator did."""
    for first, second in product(Reason, Reason):
        body = a_body_that_is(way)
        body.life.end(first)
        body.life.end(second)
        body.life.handle(Event.GRACE_OVER)
        body.life.end(second)
        body.life.handle(Event.EXITED_BADLY)
        body.life.end(second)
        body.life.handle(Event.SWEPT)
        assert body.done == ["close", "terminate", "kill", "sweep", f"reap: {first.value}, {PROVEN}"]


@pytest.mark.parametrize("exit_", [Event.EXITED_WELL, Event.EXITED_BADLY])
def test_an_exit_status_does_not_outdo_a_reason(exit_: Event) -> None:
    """ffmpeg exits 255 after SIGTERM: that is no failure, it did what it was asked."""
    body = a_body_that_is("running")
    body.life.end(Reason.FILE_RELEASED)
    body.life.handle(exit_)
    body.life.handle(Event.SWEPT)
    assert body.done[-1] == "reap: file-released, proven"


def test_output_that_is_through_during_the_sweep_is_finished_whatever_comes_then() -> None:
    body = a_body_that_is("sweeping with output left")
    body.life.output_ended()
    body.life.end(Reason.CLIENT_GONE)
    body.life.handle(Event.SWEPT)
    assert body.done == ["reap: finished, proven"]


def test_an_end_that_comes_from_the_opening_itself_is_heeded() -> None:
    """The client may be gone at the very moment when its first byte is there."""

    class Hasty(Notebook):
        def open(self) -> None:
            super().open()
            self.life.end(Reason.CLIENT_GONE)

    body = Hasty()
    body.life.first_byte()
    assert body.done == ["open", "close", "terminate"]
    assert body.life.state is State.TERMINATING


def test_a_timer_goes_with_its_state() -> None:
    """A grace that runs out after the exit would kill whoever has the number by then."""
    body = a_body_that_is("terminating")
    body.life.after(1, lambda: body.done.append("too late"))
    body.life.end(Reason.STOPPED)
    assert len(body.clock.getDelayedCalls()) == 1, "an event that means nothing leaves no state"
    body.life.handle(Event.EXITED_BADLY)
    assert body.clock.getDelayedCalls() == []
    body.life.after(1, lambda: body.life.handle(Event.SWEPT))
    body.clock.advance(1)
    assert body.life.state is State.REAPED


@settings(deadline=None)
@given(st.lists(st.sampled_from(list(Event)), max_size=14))
def test_whatever_comes_it_is_reaped_at_most_once_and_only_after_an_exit_and_a_sweep(events: list[Event]) -> None:
    """Two Endings for one stream, or one for a process that still runs, would make every count a lie."""
    body = Notebook()
    for position, one in enumerate(events):
        before = body.life.state
        EVENTS[one](body.life)
        so_far = set(events[: position + 1])
        exited = {Event.EXITED_WELL, Event.EXITED_BADLY} & so_far
        swept = {Event.SWEPT, Event.SWEEP_FAILED} & so_far
        assert body.life.state is not State.REAPED or (exited and swept)
        assert before is not State.REAPED or body.life.state is State.REAPED
    reaped = [done for done in body.done if done.startswith("reap")]
    assert len(reaped) == (body.life.state is State.REAPED)
    assert not reaped or body.done.index("sweep") < body.done.index(reaped[0])
    assert all(body.done.count(once) <= 1 for once in ("open", "terminate", "kill", "sweep", "close"))
