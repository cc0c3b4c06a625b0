"""The life of a child process, as a table. It decides and never touches a process; `child` does what it says.

    Starting ── first byte ──▶ Running ── end of output ──▶ Finishing
    each of these ── end wanted ──▶ Terminating ── grace over ──▶ Killed
    each of these five ── exit ──▶ Sweeping ── swept, or not ──▶ Draining ── end of output ──▶ Reaped

The rules:

* An event that is not in a state's row means nothing there: it comes late, or for the second time.
* The first reason wins. From Sweeping on there is one as soon as no output is left for the client: all of it was passed on
  (`finished`), or the output was closed, by a failure or because somebody wanted an end.
* An exit is told after every byte that the process wrote before it (`child` sees to that). So an exit in Starting means that
  there never was a byte, which is a failure whatever the status says.
* Every exit leads to Sweeping: the process group is killed and looked at at once, while its number is still its own. The
  output goes on meanwhile.
* Both outcomes of the sweep lead to Draining, and a sweep that failed is never told as a proof: `proof` says what is left.
  Draining is left at once if the reason is known by then.
* Reaped is entered once and left never.
* A timer belongs to the state in which it was set, and is cancelled when that is left.
"""

from collections.abc import Callable, Mapping
from enum import Enum, StrEnum, auto
from typing import Protocol, assert_never

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from transcoded.plan.endings import PROVEN, Reason


class State(StrEnum):
    """Where a child process is in its life, as the API tells it."""

    STARTING = "starting"
    RUNNING = "running"
    FINISHING = "finishing"
    TERMINATING = "terminating"
    KILLED = "killed"
    SWEEPING = "sweeping"
    DRAINING = "draining"
    REAPED = "reaped"


class Event(Enum):
    """What can happen to it."""

    FIRST_BYTE = auto()
    """The process has written something."""
    OUTPUT_ENDED = auto()
    """The last byte of its output was passed on."""
    EXITED_WELL = auto()
    """The process was reaped by the kernel, and its exit status is 0."""
    EXITED_BADLY = auto()
    """The same, but its exit status is not 0, or a signal ended it."""
    END = auto()
    """Somebody wants it to end, for a reason."""
    GRACE_OVER = auto()
    """The time to end by itself is over."""
    SWEPT = auto()
    """Nothing lives in its process group."""
    SWEEP_FAILED = auto()
    """Something in its process group outlives SIGKILL."""


class Action(Enum):
    """What is done at a transition, when the new state has been entered."""

    NOTHING = auto()
    OPEN = auto()
    """Tell that there is output."""
    TERMINATE = auto()
    """Keep the reason, close the output, ask the process to end, start the timer of the grace."""
    KILL = auto()
    """End the process by force."""
    SWEEP = auto()
    """Kill what is left of the process group, and look until nothing is."""
    COMPLETE = auto()
    """The reason is `finished`; sweep."""
    FAIL = auto()
    """The reason is `failed`; close the output, and sweep."""
    FINISH = auto()
    """The reason is `finished`, if there is none."""
    CLOSE = auto()
    """If there is no reason, keep this one and close the output."""
    DRAIN = auto()
    """Wait for the rest of the output, if there is any."""
    REAP = auto()
    """It is over, `finished` if there is no other reason: close everything and tell."""


TABLE: Mapping[State, Mapping[Event, tuple[Action, State]]] = {
    State.STARTING: {
        Event.FIRST_BYTE: (Action.OPEN, State.RUNNING),
        Event.END: (Action.TERMINATE, State.TERMINATING),
        Event.EXITED_WELL: (Action.FAIL, State.SWEEPING),
        Event.EXITED_BADLY: (Action.FAIL, State.SWEEPING),
    },
    State.RUNNING: {
        Event.OUTPUT_ENDED: (Action.NOTHING, State.FINISHING),
        Event.END: (Action.TERMINATE, State.TERMINATING),
        Event.EXITED_WELL: (Action.SWEEP, State.SWEEPING),
        Event.EXITED_BADLY: (Action.FAIL, State.SWEEPING),
    },
    State.FINISHING: {
        Event.END: (Action.TERMINATE, State.TERMINATING),
        Event.EXITED_WELL: (Action.COMPLETE, State.SWEEPING),
        Event.EXITED_BADLY: (Action.FAIL, State.SWEEPING),
    },
    State.TERMINATING: {
        Event.GRACE_OVER: (Action.KILL, State.KILLED),
        Event.EXITED_WELL: (Action.SWEEP, State.SWEEPING),
        Event.EXITED_BADLY: (Action.SWEEP, State.SWEEPING),
    },
    State.KILLED: {
        Event.EXITED_WELL: (Action.SWEEP, State.SWEEPING),
        Event.EXITED_BADLY: (Action.SWEEP, State.SWEEPING),
    },
    State.SWEEPING: {
        Event.OUTPUT_ENDED: (Action.FINISH, State.SWEEPING),
        Event.END: (Action.CLOSE, State.SWEEPING),
        Event.SWEPT: (Action.DRAIN, State.DRAINING),
        Event.SWEEP_FAILED: (Action.DRAIN, State.DRAINING),
    },
    State.DRAINING: {
        Event.OUTPUT_ENDED: (Action.REAP, State.REAPED),
        Event.END: (Action.REAP, State.REAPED),
    },
    State.REAPED: {},
}


class Body(Protocol):
    """What a lifecycle can have done."""

    def open(self) -> None:
        """The output may be used: answer the client."""

    def close_output(self) -> None:
        """Close the read end of the output and forget what is in it."""

    def terminate(self) -> None:
        """Ask the process to end; report `GRACE_OVER` when it takes too long."""

    def kill(self) -> None:
        """End the process by force."""

    def sweep(self) -> None:
        """Kill what is left of its group; report `SWEPT`, or call `sweep_failed`, at once or later."""

    def reap(self, reason: Reason, proof: str) -> None:
        """It is over: close what is left and tell everybody."""


class Lifecycle:
    """One life: the state, the first reason, the timers of the state, and whether the end is proven."""

    def __init__(self, reactor: IReactorTime, body: Body) -> None:
        self._reactor = reactor
        self._body = body
        self._timers: list[IDelayedCall] = []
        self.state = State.STARTING
        self.reason: Reason | None = None
        self.proof = PROVEN

    def first_byte(self) -> None:
        """As the listener of the relay."""
        self.handle(Event.FIRST_BYTE)

    def output_ended(self) -> None:
        """As the listener of the relay."""
        self.handle(Event.OUTPUT_ENDED)

    def end(self, reason: Reason) -> None:
        """Somebody wants it to end. Harmless at any time, and once is enough."""
        self.handle(Event.END, reason)

    def sweep_failed(self, left: str) -> None:
        """`left` says, in a sentence for an operator, what could not be killed."""
        self.proof = left
        self.handle(Event.SWEEP_FAILED)

    def after(self, seconds: float, call: Callable[[], object]) -> None:
        """Call later, unless the present state has been left by then."""
        self._timers.append(self._reactor.callLater(seconds, call))

    def handle(self, event: Event, reason: Reason | None = None) -> None:
        """Take an event. `reason` goes with `END` alone."""
        if event not in TABLE[self.state]:
            return
        action, state = TABLE[self.state][event]
        if state is not self.state:
            self._cancel_timers()
            self.state = state
        self._do(action, reason)

    def _do(self, action: Action, reason: Reason | None) -> None:
        match action:
            case Action.NOTHING:
                pass
            case Action.OPEN:
                self._body.open()
            case Action.TERMINATE:
                self.reason = reason
                self._body.close_output()
                self._body.terminate()
            case Action.KILL:
                self._body.kill()
            case Action.SWEEP:
                self._body.sweep()
            case Action.COMPLETE:
                self.reason = Reason.FINISHED
                self._body.sweep()
            case Action.FAIL:
                self.reason = Reason.FAILED
                self._body.close_output()
                self._body.sweep()
            case Action.FINISH:
                self.reason = self.reason or Reason.FINISHED
            case Action.CLOSE:
                if self.reason is None:
                    self.reason = reason
                    self._body.close_output()
            case Action.DRAIN:
                if self.reason is not None:
                    self.handle(Event.OUTPUT_ENDED)
            case Action.REAP:
                self.reason = self.reason or reason or Reason.FINISHED
                self._body.reap(self.reason, self.proof)
            case _:
                assert_never(action)

    def _cancel_timers(self) -> None:
        timers, self._timers = self._timers, []
        for timer in timers:
            if timer.active():
                timer.cancel()
