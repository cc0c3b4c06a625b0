"""Steering: each rule of the module's header, and that the encoder works as long as a viewer waits."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.cmaf.steering import AHEAD, SOON, TURN, Move, Situation, steer, waiting_in_vain

IDLE = 60.0
# Segment 10 is being made, segment 9 was requested last, and nobody waits.
QUIET = Situation(position=10, pace=1.0, wanted={}, waited_for=False, last_requested=9, idle_s=0.0)


def waited(*numbers: int, **changes: object) -> Situation:
    """A situation in which each of these segments is waited for by another client."""
    wanted = {f"client {number}": frozenset([number]) for number in numbers}
    return attrs.evolve(QUIET, wanted=wanted, waited_for=True, **changes)  # type: ignore[arg-type]


ONE_CLIENT = attrs.evolve(QUIET, wanted={"one": frozenset({10, 25, 30})}, waited_for=True)


@pytest.mark.parametrize(
    ("now", "move"),
    [
        pytest.param(QUIET, Move.CONTINUE, id="a little ahead"),
        pytest.param(attrs.evolve(QUIET, position=9 + AHEAD), Move.CONTINUE, id="at the limit"),
        pytest.param(attrs.evolve(QUIET, position=10 + AHEAD), Move.PAUSE, id="too far ahead"),
        pytest.param(attrs.evolve(QUIET, position=99, idle_s=IDLE), Move.STOP, id="no request for a long time"),
        pytest.param(attrs.evolve(QUIET, left=True), Move.STOP, id="the viewer has left"),
        pytest.param(waited(10, left=True, idle_s=IDLE), Move.CONTINUE, id="one viewer has left, another one waits"),
        pytest.param(waited(10), Move.CONTINUE, id="the requested segment is being made"),
        pytest.param(waited(11), Move.CONTINUE, id="the requested segment is the next one"),
        pytest.param(waited(12), Move.RESTART, id="too far away at this speed"),
        pytest.param(waited(12, pace=SOON / 2), Move.CONTINUE, id="near enough at this speed"),
        pytest.param(waited(12, pace=None), Move.RESTART, id="speed not known"),
        pytest.param(waited(9), Move.RESTART, id="the requested segment is before the position"),
        pytest.param(waited(9, 10), Move.CONTINUE, id="two viewers: the near segment comes first"),
        pytest.param(waited(9, 10, passed=TURN - 1), Move.CONTINUE, id="two viewers: the turn is not over"),
        pytest.param(waited(9, 10, passed=TURN), Move.RESTART, id="two viewers: the turn is over"),
        pytest.param(
            waited(9, 10, passed=TURN, may_restart=False), Move.CONTINUE, id="the other one has had too many restarts"
        ),
        pytest.param(waited(30, may_restart=False), Move.PAUSE, id="and nobody else waits"),
        pytest.param(
            attrs.evolve(ONE_CLIENT, passed=99), Move.CONTINUE, id="one client does not wait for its own turn"
        ),
        pytest.param(
            attrs.evolve(QUIET, waited_for=True, position=99), Move.CONTINUE, id="waiting for the init segment"
        ),
    ],
)
def test_the_next_move(now: Situation, move: Move) -> None:
    assert steer(now, IDLE) is move


@given(
    st.builds(
        Situation,
        position=st.integers(0, 30),
        pace=st.none() | st.floats(0, 10),
        wanted=st.dictionaries(st.sampled_from("abc"), st.frozensets(st.integers(0, 30), min_size=1, max_size=3)),
        waited_for=st.booleans(),
        last_requested=st.integers(0, 30),
        idle_s=st.floats(0, 100),
        left=st.booleans(),
        passed=st.integers(0, 5),
        may_restart=st.booleans(),
    )
)
def test_an_encoder_is_not_paused_or_stopped_while_somebody_waits(now: Situation) -> None:
    now = attrs.evolve(now, waited_for=now.waited_for or bool(now.wanted))
    if waiting_in_vain(now.position, now.pace, now.wanted) and not now.may_restart:
        assert steer(now, IDLE) in {Move.CONTINUE, Move.PAUSE}
    elif now.waited_for:
        assert steer(now, IDLE) in {Move.CONTINUE, Move.RESTART}
    else:
        assert steer(now, IDLE) is not Move.RESTART
