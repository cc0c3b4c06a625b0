"""One child process: listened to, ended, and proven gone; `spawner` starts it.

`lifecycle` decides, this does. The proof of an end, in this order: the exit was observed (the kernel's SIGCHLD and wait), what
the process said last was read, its process group is swept and empty, every pipe is closed. Only then is it told.

* Its pipes are ours (`stdio`): stdout for the `Relay`, descriptor 3 for `-progress`, stderr kept as a bounded tail.
* ffmpeg that is blocked on a full pipe does not act on SIGTERM. So the read end is closed before the signal is sent.
* A stopped process acts on nothing but SIGKILL: SIGCONT goes with SIGTERM.
* The timers hang on the reactor and on nothing else; that the request is long gone does not stop them.
* The listener hears nothing before `begin` has returned, though Twisted may tell of the exit even before `spawnProcess` has.
"""

import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IProcessTransport
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from transcoded.plan.endings import Reason
from transcoded.plan.media.progress import Progress, ProgressParser
from transcoded.run.process.exit_status import MAX_STDERR_TAIL, ExitStatus, exit_of
from transcoded.run.process.groups import group_members, signal_group
from transcoded.run.process.lifecycle import Event, Lifecycle, State
from transcoded.run.process.stdio import Stdio
from transcoded.run.reactor import IReactor
from transcoded.run.relay.pipes import PipeReader, read_into
from transcoded.run.relay.relay import Relay

SIGTERM_REPEAT_AFTER = 0.1
"""Seconds after the first SIGTERM: an encoder that looks ahead may take a second to flush frames that nobody will see."""

SIGTERM_REPEATS = 3
SIGTERM_REPEAT_INTERVAL = 0.01

SWEEP_INTERVAL = 0.01
SWEEP_TRIES = 200


class ProcessListener(Protocol):
    """Who had a process started and wants to know what becomes of it."""

    def opened(self) -> None:
        """The first byte is there."""

    def exited(self) -> None:
        """The process is gone; its output may still be on its way."""

    def reaped(self, status: ExitStatus) -> None:
        """It is over and proven. Called once, last."""


class ChildProcess(ProcessProtocol):
    """One process, until its listener is told that it is over. The body of its `Lifecycle`."""

    _log = Logger()

    def __init__(
        self,
        reactor: IReactor,
        listener: ProcessListener,
        grace: float,
        stdio: Stdio,
        forget: "Callable[[ChildProcess, ExitStatus], None]",
    ) -> None:
        self._reactor = reactor
        self._listener = listener
        self._grace = grace
        self._forget = forget
        self._life = Lifecycle(reactor, self)
        self._readers = [
            PipeReader(reactor, stdio.stderr, read_into(self._stderr_received), _ignore_end, self._failed),
            PipeReader(reactor, stdio.progress, read_into(self._progress_received), _ignore_end, self._failed),
        ]
        self._progress = ProgressParser()
        self._stderr_tail = b""
        self._signals_sent: list[str] = []
        self._end_wanted_at: float | None = None
        self._exit_code: int | None = None
        self._signal: str | None = None
        self.relay = Relay(reactor, stdio.output, self._life, self._failed)
        self._spawned: int
        self.pid: int | None = None

    def begin(self) -> int:
        """`spawnProcess` has returned: read the pipes, and hear of the exit. The pid."""
        self.pid = self._spawned
        self.relay.start()
        for reader in self._readers:
            reader.start()
        return self._spawned

    @property
    def state(self) -> State:
        """Where it is in its life."""
        return self._life.state

    @property
    def is_ending(self) -> bool:
        """Whether its end is decided: somebody wants it, or it has failed."""
        return self._life.reason is not None

    @property
    def bytes_sent(self) -> int:
        """What its consumer was given."""
        return self.relay.bytes_sent

    @property
    def backpressured(self) -> bool:
        """Whether its consumer is what holds it up."""
        return self.relay.backpressured

    @property
    def progress(self) -> Progress:
        """What it said last of where it is."""
        return self._progress.latest

    def end(self, reason: Reason) -> None:
        """Have it end, for this reason unless there is one already. Harmless at any time."""
        self._life.end(reason)

    # What Twisted tells of the process.

    def makeConnection(self, process: IProcessTransport) -> None:
        """It runs. The transport forgets the pid when the process is reaped, which may be before `spawnProcess` returns."""
        self.transport = process
        self._spawned = int(process.pid)

    def processExited(self, reason: Failure) -> None:
        """It was reaped. What it wrote before comes first."""
        if self.pid is None:  # `begin` was not called yet
            self._reactor.callLater(0, self.processExited, reason)
            return
        self._exit_code, self._signal = exit_of(reason.value)
        for reader in self._readers:
            reader.drain()
        self.relay.poll()
        self._life.handle(Event.EXITED_WELL if self._exit_code == 0 else Event.EXITED_BADLY)

    # As the body of its lifecycle.

    def open(self) -> None:
        """Tell that there is output."""
        self._listener.opened()

    def close_output(self) -> None:
        """Drop what is left in the pipe; its writer gets EPIPE."""
        self.relay.close()

    def terminate(self) -> None:
        """Ask it to end, and again soon, and set the timer for the other way.

        An encoder that looks ahead may take a second to flush frames that nobody will see; at the fourth signal ffmpeg stops
        tidying up and exits at once.
        """
        self._end_wanted_at = self._reactor.seconds()
        self._signal_all(signal.SIGTERM)
        self._signal_all(signal.SIGCONT)
        self._life.after(self._grace, lambda: self._life.handle(Event.GRACE_OVER))
        for times in range(SIGTERM_REPEATS):
            self._life.after(
                SIGTERM_REPEAT_AFTER + times * SIGTERM_REPEAT_INTERVAL, lambda: self._signal_all(signal.SIGTERM)
            )

    def kill(self) -> None:
        """End it by force."""
        self._signal_all(signal.SIGKILL)

    def sweep(self) -> None:
        """Kill what it has left in its group, tell that it has exited, and look until the group is empty.

        At once, and before the end of the output is waited for: what is left may hold the other end of the pipe.
        """
        assert self.pid is not None  # noqa: S101 - what has exited was started
        signal_group(self.pid, signal.SIGKILL)
        try:
            self._listener.exited()
        finally:
            self._check_group(self.pid, SWEEP_TRIES)

    def _check_group(self, pgid: int, tries: int) -> None:
        left = _remaining_in(pgid)
        if not left:
            if tries < SWEEP_TRIES:
                self._log.info("swept process group {pgid}", pgid=pgid)
            self._life.handle(Event.SWEPT)
        elif tries:
            self._life.after(SWEEP_INTERVAL, lambda: self._check_group(pgid, tries - 1))
        else:
            self._log.error("an end cannot be proven: {left}", left=left)
            self._life.sweep_failed(left)

    def reap(self, reason: Reason, proof: str) -> None:
        """Close everything and tell."""
        self.relay.close()
        for reader in self._readers:
            reader.close()
        since = self._end_wanted_at
        status = ExitStatus(
            reason=reason,
            exit_code=self._exit_code,
            signal=self._signal,
            signals_sent=tuple(self._signals_sent),
            kill_ms=None if since is None else round((self._reactor.seconds() - since) * 1000, 3),
            stderr_tail=self._stderr_tail.decode("utf-8", "replace"),
            proof=proof,
        )
        self._forget(self, status)
        self._listener.reaped(status)

    def _signal_all(self, number: signal.Signals) -> None:
        """Signal the whole group, or the process alone where it leads none (yet: the launcher may still be at work)."""
        assert self.pid is not None  # noqa: S101 - the lifecycle ends only what was started
        self._signals_sent.append(number.name)
        if not signal_group(self.pid, number) and self.transport is not None:
            # If it has exited already, that is about to be told.
            with suppress(ProcessExitedAlready):
                self.transport.signalProcess(number.value)

    def _failed(self) -> None:
        """A fault of ours on the way of its output: nobody will hear of it any more, so it has to go."""
        self._life.end(Reason.FAILED)

    def _stderr_received(self, data: bytes) -> None:
        self._stderr_tail = (self._stderr_tail + data)[-MAX_STDERR_TAIL:]

    def _progress_received(self, data: bytes) -> None:
        self._progress.feed(data)


def _remaining_in(pgid: int) -> str:
    """What keeps a group from being empty, as a sentence; the empty text if nothing does."""
    try:
        members = group_members(pgid)
    except OSError as error:  # no descriptor is left to look with
        return f"process group {pgid} cannot be looked at: {error.strerror}"
    return f"process group {pgid} still has members: {', '.join(map(str, members))}" if members else ""


def _ignore_end() -> None:
    """A pipe's end that means nothing by itself: the exit is what counts."""
