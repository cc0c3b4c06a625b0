"""The lifecycle of a child process, as a table. It decides, and never touches a process; `child` carries out the actions.

    Starting ── first byte ──▶ Running ── end of output ──▶ Finishing
    any of these three ── end requested ──▶ Terminating ── grace over ──▶ Killed
    any of these five ── exit ──▶ Sweeping ── swept, or failed ──▶ Draining ── end of output ──▶ Reaped

The rules:

* An event that is not in the row of a state is ignored there: it is late, or a repetition.
* The first reason counts. From Sweeping on, the reason is known as soon as no output is left for the client: either all of it
  was passed on (`finished`), or the output was closed, by a failure or by a request to end.
* The first byte is that of media where a client waits for it: a header alone is no output (`plan.media.first_media`).
* The event of an exit comes after the first byte of output, if there is any (`child` looks for one), and after the last of stderr
  and of the progress, so a reason can be found in them. So an exit in Starting
  means that there was no output at all, which is a failure even if the exit status is 0.
* Every exit leads to Sweeping: the process group is killed and checked at once, while its number cannot belong to another
  group. Output is still passed on meanwhile.
* Both results of the sweep lead to Draining. A failed sweep is never reported as a proof: `proof` says what is left. If the
  reason is known by then, Draining is left at once.
* Reaped is entered once, and is the last state.
* A timer belongs to the state in which it was set, and is cancelled when that state is left.
"""

from collections.abc import Callable, Mapping
from enum import Enum, StrEnum, auto
from typing import Protocol, assert_never

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from transcoded.plan.endings import PROVEN, Reason


class State(StrEnum):
    """The state of a child process, with its name in the API."""

    STARTING = "starting"
    """Started, without output so far, or with a header alone."""
    RUNNING = "running"
    """It writes output."""
    FINISHING = "finishing"
    """Its output has ended; it has not exited yet."""
    TERMINATING = "terminating"
    """It was asked to end, and has the grace to do so."""
    KILLED = "killed"
    """SIGKILL was sent. A process in uninterruptible sleep stays here until the kernel lets it go."""
    SWEEPING = "sweeping"
    """It has exited; what is left of its process group is killed."""
    DRAINING = "draining"
    """Its process group is done with; the client still takes the last output."""
    REAPED = "reaped"
    """Over: everything is closed and the end is reported."""


class Event(Enum):
    """What can happen to a child process."""

    FIRST_BYTE = auto()
    """The process has written its first output, or the first that counts."""
    OUTPUT_ENDED = auto()
    """The last byte of its output was passed on."""
    EXITED_WELL = auto()
    """The process has exited and was waited for; its exit status is 0."""
    EXITED_BADLY = auto()
    """The process has exited and was waited for; its exit status is not 0, or a signal ended it."""
    END = auto()
    """Its end is requested, for a reason."""
    GRACE_OVER = auto()
    """The process did not end within the grace."""
    SWEPT = auto()
    """Its process group is empty."""
    SWEEP_FAILED = auto()
    """Something in its process group does not end after SIGKILL."""


class Action(Enum):
    """What is done at a transition, after the new state has been entered."""

    NOTHING = auto()
    OPEN = auto()
    """Announce that there is output."""
    TERMINATE = auto()
    """Set the reason, close the output, ask the process to end, start the timer of the grace."""
    KILL = auto()
    """End the process by force."""
    SWEEP = auto()
    """Kill what is left in the process group, and check it until it is empty."""
    COMPLETE = auto()
    """Set the reason `finished`, and sweep."""
    FAIL = auto()
    """Set the reason `failed`, close the output, and sweep."""
    FINISH = auto()
    """Set the reason `finished`, if there is none yet."""
    CLOSE = auto()
    """If there is no reason yet, set the requested one and close the output."""
    DRAIN = auto()
    """Wait for the rest of the output, if there is any."""
    REAP = auto()
    """Set the reason if there is none (the requested one, or `finished`), close everything, and report the end."""


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
    """Carries out the actions of a lifecycle."""

    def open(self) -> None:
        """Announce that there is output: the client can be answered."""

    def close_output(self) -> None:
        """Close the read end of the output. What is in the pipe is lost."""

    def terminate(self) -> None:
        """Ask the process to end. Report `GRACE_OVER` if it has not ended in time."""

    def kill(self) -> None:
        """End the process by force."""

    def sweep(self) -> None:
        """Kill what is left in its group. Report `SWEPT` or call `sweep_failed`, at once or later."""

    def reap(self, reason: Reason, proof: str) -> None:
        """Close what is open, and report the end."""


class Lifecycle:
    """The lifecycle of one process: its state, the first reason, the timers of the state, and the proof of the end."""

    def __init__(self, reactor: IReactorTime, body: Body) -> None:
        self._reactor = reactor
        self._body = body
        self._timers: list[IDelayedCall] = []
        self.state = State.STARTING
        self.reason: Reason | None = None
        self.proof = PROVEN

    def first_byte(self) -> None:
        """Called by the relay (`OutputListener`)."""
        self.handle(Event.FIRST_BYTE)

    def output_ended(self) -> None:
        """Called by the relay (`OutputListener`)."""
        self.handle(Event.OUTPUT_ENDED)

    def end(self, reason: Reason) -> None:
        """Request the end. May be called at any time, and repeatedly; only the first request counts."""
        self.handle(Event.END, reason)

    def sweep_failed(self, remaining: str) -> None:
        """Report a failed sweep. `remaining` says what could not be killed, in a sentence for an operator."""
        self.proof = remaining
        self.handle(Event.SWEEP_FAILED)

    def after(self, seconds: float, call: Callable[[], object]) -> None:
        """Call a function after so many seconds, unless the present state has been left by then."""
        self._timers.append(self._reactor.callLater(seconds, call))

    def handle(self, event: Event, reason: Reason | None = None) -> None:
        """Make the transition for an event. `reason` is given with `END` and with no other event."""
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
                if self.reason is not None:  # no output is left for the client: nothing to wait for
                    self.handle(Event.END, self.reason)
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
