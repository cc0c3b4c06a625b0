"""The life of one transcoder as a state machine. It decides and never touches a process; `process` does what it says.

    Starting ──first byte──▶ Running ──end of output──▶ Finishing
        │                       │                           │
        │ exit: failed          │ exit 0 ──▶ Draining       │ exit: finished, or failed
        ▼                       ▼               │           ▼
      Reaped ◀──exit ≠ 0────────┘               └─────▶  Reaped
        ▲
        └──exit── Terminating ◀──end(reason)── Starting, Running, Finishing
        └──exit── Killed ◀──grace ran out── Terminating

* The first reason wins; ending twice, or after the end, does nothing.
* An exit is told after every byte that the process wrote before it (`process` sees to that), so an exit in Starting means
  that there never was a byte.
* In Draining the process is gone and its slot free; what is left in the pipe is still the client's.
* Reaped is entered once and left never.
"""

from enum import StrEnum
from typing import Protocol

import attrs
from automat import TypeMachineBuilder

from transcoded.plan.endings import Reason


class State(StrEnum):
    """Where a transcoder is in its life, as the API tells it."""

    STARTING = "starting"
    RUNNING = "running"
    FINISHING = "finishing"
    DRAINING = "draining"
    TERMINATING = "terminating"
    KILLED = "killed"
    REAPED = "reaped"


class Life(Protocol):
    """What can happen to a transcoder."""

    def first_byte(self) -> None:
        """The process has written something."""

    def output_ended(self) -> None:
        """The last byte of its output was passed on."""

    def exited_well(self) -> None:
        """The process was reaped and its exit status is 0."""

    def exited_badly(self) -> None:
        """The process was reaped and its exit status is not 0, or a signal ended it."""

    def end(self, reason: Reason) -> None:
        """Somebody wants it to be over."""

    def grace_over(self) -> None:
        """The time to end by itself is over."""


class Body(Protocol):
    """What the machine can have done."""

    def enter(self, state: State) -> None:
        """Take note of the state."""

    def open(self) -> None:
        """The output may be used: answer the client."""

    def terminate(self) -> None:
        """Close the read end of its output, ask it to end, and call `grace_over` when it takes too long."""

    def kill(self) -> None:
        """End it by force."""

    def reap(self, reason: Reason) -> None:
        """It is over: stop the timer, sweep its group, close what is left, tell everybody."""


@attrs.define
class _Data:
    """What the machine remembers: whom it tells, and the first reason that was given."""

    body: Body
    reason: Reason = Reason.FINISHED


def _build() -> TypeMachineBuilder[Life, _Data]:
    machine = TypeMachineBuilder(Life, _Data)
    starting = machine.state("Starting")
    running = machine.state("Running")
    finishing = machine.state("Finishing")
    draining = machine.state("Draining")
    terminating = machine.state("Terminating")
    killed = machine.state("Killed")
    reaped = machine.state("Reaped")

    @starting.upon(Life.first_byte).to(running)
    def opened(life: Life, data: _Data) -> None:
        data.body.enter(State.RUNNING)
        data.body.open()

    @running.upon(Life.output_ended).to(finishing)
    def silent(life: Life, data: _Data) -> None:
        data.body.enter(State.FINISHING)

    @running.upon(Life.exited_well).to(draining)
    def gone_with_bytes_left(life: Life, data: _Data) -> None:
        data.body.enter(State.DRAINING)

    @finishing.upon(Life.exited_well).to(reaped)
    @draining.upon(Life.output_ended).to(reaped)
    def finished(life: Life, data: _Data) -> None:
        data.body.enter(State.REAPED)
        data.body.reap(Reason.FINISHED)

    @starting.upon(Life.exited_well).to(reaped)
    @starting.upon(Life.exited_badly).to(reaped)
    @running.upon(Life.exited_badly).to(reaped)
    @finishing.upon(Life.exited_badly).to(reaped)
    def failed(life: Life, data: _Data) -> None:
        data.body.enter(State.REAPED)
        data.body.reap(Reason.FAILED)

    @draining.upon(Life.end).to(reaped)
    def ended_without_process(life: Life, data: _Data, reason: Reason) -> None:
        data.body.enter(State.REAPED)
        data.body.reap(reason)

    @starting.upon(Life.end).to(terminating)
    @running.upon(Life.end).to(terminating)
    @finishing.upon(Life.end).to(terminating)
    def asked(life: Life, data: _Data, reason: Reason) -> None:
        data.reason = reason
        data.body.enter(State.TERMINATING)
        data.body.terminate()

    @terminating.upon(Life.grace_over).to(killed)
    def forced(life: Life, data: _Data) -> None:
        data.body.enter(State.KILLED)
        data.body.kill()

    @terminating.upon(Life.exited_well).to(reaped)
    @terminating.upon(Life.exited_badly).to(reaped)
    @killed.upon(Life.exited_well).to(reaped)
    @killed.upon(Life.exited_badly).to(reaped)
    def over(life: Life, data: _Data) -> None:
        data.body.enter(State.REAPED)
        data.body.reap(data.reason)

    # What changes nothing: news that come twice or too late.
    starting.upon(Life.output_ended).loop().returns(None)
    for state in (starting, running, finishing, draining):
        state.upon(Life.grace_over).loop().returns(None)
    for state in (running, finishing, draining):
        state.upon(Life.first_byte).loop().returns(None)
    for input_ in (Life.exited_well, Life.exited_badly):
        draining.upon(input_).loop().returns(None)
    finishing.upon(Life.output_ended).loop().returns(None)
    for late in (terminating, killed):
        late.upon(Life.first_byte).loop().returns(None)
        late.upon(Life.output_ended).loop().returns(None)
        late.upon(Life.end).loop().returns(None)
    killed.upon(Life.grace_over).loop().returns(None)
    for every in (Life.first_byte, Life.output_ended, Life.exited_well, Life.exited_badly, Life.end, Life.grace_over):
        reaped.upon(every).loop().returns(None)
    return machine


_machine = _build().build()


def new_life(body: Body) -> Life:
    """A life in Starting."""
    return _machine(_Data(body))
