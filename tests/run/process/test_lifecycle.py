"""The state machine, every state with every input. A wrong cell is a transcoder that leaks, or a film that ends without a word."""

from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transcoded.plan.endings import Reason
from transcoded.run.process.lifecycle import Life, State, new_life


class Notebook:
    """A body that does nothing and notes everything."""

    def __init__(self) -> None:
        self.state = State.STARTING
        self.done: list[str] = []

    def enter(self, state: State) -> None:
        self.state = state

    def open(self) -> None:
        self.done.append("open")

    def terminate(self) -> None:
        self.done.append("terminate")

    def kill(self) -> None:
        self.done.append("kill")

    def reap(self, reason: Reason) -> None:
        self.done.append(f"reap: {reason.value}")


Input = Callable[[Life], None]

INPUTS: dict[str, Input] = {
    "first_byte": lambda life: life.first_byte(),
    "output_ended": lambda life: life.output_ended(),
    "exited_well": lambda life: life.exited_well(),
    "exited_badly": lambda life: life.exited_badly(),
    "end": lambda life: life.end(Reason.STOPPED),
    "grace_over": lambda life: life.grace_over(),
}

WAYS: dict[State, tuple[Input, ...]] = {
    State.STARTING: (),
    State.RUNNING: (INPUTS["first_byte"],),
    State.FINISHING: (INPUTS["first_byte"], INPUTS["output_ended"]),
    State.DRAINING: (INPUTS["first_byte"], INPUTS["exited_well"]),
    State.TERMINATING: (lambda life: life.end(Reason.CLIENT_GONE),),
    State.KILLED: (lambda life: life.end(Reason.CLIENT_GONE), INPUTS["grace_over"]),
    State.REAPED: (INPUTS["exited_badly"],),
}
"""How each state is reached."""

# By input, for each state: the next state and what is done; a state alone where nothing is.
TABLE: dict[State, dict[str, tuple[State, list[str]]]] = {
    State.STARTING: {
        "first_byte": (State.RUNNING, ["open"]),
        "output_ended": (State.STARTING, []),
        "exited_well": (State.REAPED, ["reap: failed"]),
        "exited_badly": (State.REAPED, ["reap: failed"]),
        "end": (State.TERMINATING, ["terminate"]),
        "grace_over": (State.STARTING, []),
    },
    State.RUNNING: {
        "first_byte": (State.RUNNING, []),
        "output_ended": (State.FINISHING, []),
        "exited_well": (State.DRAINING, []),
        "exited_badly": (State.REAPED, ["reap: failed"]),
        "end": (State.TERMINATING, ["terminate"]),
        "grace_over": (State.RUNNING, []),
    },
    State.FINISHING: {
        "first_byte": (State.FINISHING, []),
        "output_ended": (State.FINISHING, []),
        "exited_well": (State.REAPED, ["reap: finished"]),
        "exited_badly": (State.REAPED, ["reap: failed"]),
        "end": (State.TERMINATING, ["terminate"]),
        "grace_over": (State.FINISHING, []),
    },
    State.DRAINING: {
        "first_byte": (State.DRAINING, []),
        "output_ended": (State.REAPED, ["reap: finished"]),
        "exited_well": (State.DRAINING, []),
        "exited_badly": (State.DRAINING, []),
        "end": (State.REAPED, ["reap: stopped"]),
        "grace_over": (State.DRAINING, []),
    },
    State.TERMINATING: {
        "first_byte": (State.TERMINATING, []),
        "output_ended": (State.TERMINATING, []),
        "exited_well": (State.REAPED, ["reap: client-gone"]),
        "exited_badly": (State.REAPED, ["reap: client-gone"]),
        "end": (State.TERMINATING, []),
        "grace_over": (State.KILLED, ["kill"]),
    },
    State.KILLED: {
        "first_byte": (State.KILLED, []),
        "output_ended": (State.KILLED, []),
        "exited_well": (State.REAPED, ["reap: client-gone"]),
        "exited_badly": (State.REAPED, ["reap: client-gone"]),
        "end": (State.KILLED, []),
        "grace_over": (State.KILLED, []),
    },
    State.REAPED: dict.fromkeys(INPUTS, (State.REAPED, [])),
}


def a_life_in(state: State) -> tuple[Life, Notebook]:
    body = Notebook()
    life = new_life(body)
    for step in WAYS[state]:
        step(life)
    assert body.state is state
    body.done.clear()
    return life, body


def test_the_table_leaves_nothing_out() -> None:
    assert set(TABLE) == set(WAYS) == set(State)
    assert all(set(row) == set(INPUTS) for row in TABLE.values())


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("name", INPUTS)
def test_every_state_with_every_input(state: State, name: str) -> None:
    life, body = a_life_in(state)
    INPUTS[name](life)
    assert (body.state, body.done) == TABLE[state][name]


@pytest.mark.parametrize("state", [State.STARTING, State.RUNNING, State.FINISHING])
def test_the_first_reason_wins(state: State) -> None:
    """Else an Ending blames the viewer for what the operator did."""
    for first, second in product(Reason, Reason):
        life, body = a_life_in(state)
        life.end(first)
        life.end(second)
        life.grace_over()
        life.end(second)
        life.exited_badly()
        assert body.done == ["terminate", "kill", f"reap: {first.value}"]


@pytest.mark.parametrize("exit_", ["exited_well", "exited_badly"])
def test_an_exit_status_does_not_outdo_a_reason(exit_: str) -> None:
    """ffmpeg exits 255 after SIGTERM: that is no failure, it did what it was asked."""
    life, body = a_life_in(State.RUNNING)
    life.end(Reason.FILE_RELEASED)
    INPUTS[exit_](life)
    assert body.done[-1] == "reap: file-released"


def test_an_end_that_comes_from_the_opening_itself_is_heeded() -> None:
    """The client may be gone at the very moment when its first byte is there."""

    class Hasty(Notebook):
        def open(self) -> None:
            super().open()
            life.end(Reason.CLIENT_GONE)

    body = Hasty()
    life = new_life(body)
    life.first_byte()
    assert body.done == ["open", "terminate"]
    assert body.state is State.TERMINATING


@settings(deadline=None)
@given(st.lists(st.sampled_from(sorted(INPUTS)), max_size=12))
def test_whatever_comes_it_is_reaped_at_most_once_and_only_after_an_exit(names: list[str]) -> None:
    """Two Endings for one stream, or one for a process that still runs, would make every count a lie."""
    body = Notebook()
    life = new_life(body)
    for position, name in enumerate(names):
        before = body.state
        INPUTS[name](life)
        exits = {"exited_well", "exited_badly"} & set(names[: position + 1])
        assert body.state is not State.REAPED or exits
        assert before is not State.REAPED or body.state is State.REAPED
    reaped = [done for done in body.done if done.startswith("reap")]
    assert len(reaped) == (body.state is State.REAPED)
    assert body.done.count("open") <= 1
    assert body.done.count("terminate") <= 1
    assert body.done.count("kill") <= 1
