"""One child process, from its start (by `spawner`) to the proof that it is gone. `lifecycle` decides, this module acts.

The proof of an end has four steps, in this order: the exit was observed (SIGCHLD and wait), what the process wrote last was
read, its process group was killed and is empty, every pipe is closed. Only then is the listener's `reaped` called. Its `exited`
comes with the first step: from then on the process takes no part of the machine, so a slot may be given to another.

* The pipes are our own (`stdio`), not Twisted's: stdout for the `Relay`, descriptor 3 for `-progress`, stderr for a bounded tail.
* An ffmpeg that is blocked on a full pipe does not act on SIGTERM. So the read end is closed before the signal is sent.
* A stopped process acts on SIGKILL alone. So SIGCONT is sent together with SIGTERM.
* The timers depend on the reactor alone. They also run when the request of the client is already over.
* The listener is not called before `begin` has returned, though Twisted may report the exit before `spawnProcess` returns.
"""

import os
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
from transcoded.plan.media.first_media import FirstMedia
from transcoded.plan.media.progress import Progress, ProgressParser
from transcoded.plan.media.stderr_text import without_paths
from transcoded.run.process.exit_status import MAX_STDERR_TAIL, ExitStatus, exit_of
from transcoded.run.process.groups import group_members, open_leader, signal_group
from transcoded.run.process.lifecycle import Event, Lifecycle, State
from transcoded.run.process.stdio import Stdio
from transcoded.run.reactor import IReactor
from transcoded.run.relay.pipes import PipeReader, read_into
from transcoded.run.relay.relay import Relay

SIGTERM_REPEAT_AFTER = 0.1
"""Seconds from the first SIGTERM to the second. An encoder with look-ahead may take a second to flush frames that nobody needs."""

SIGTERM_REPEATS = 3
SIGTERM_REPEAT_INTERVAL = 0.01

SWEEP_INTERVAL = 0.01
SWEEP_TRIES = 200


class ProcessListener(Protocol):
    """The owner of a process, which is informed of its progress. Each method is called at most once."""

    def opened(self) -> None:
        """There is output: the first byte that counts has come."""

    def exited(self) -> None:
        """The process has exited. Its last output may not be read yet."""

    def reaped(self, status: ExitStatus) -> None:
        """It is over. Always called, and the last call. `status.proof` says whether the end is proven, or else what is left."""


class ChildProcess(ProcessProtocol):
    """One process. It carries out the actions of its `Lifecycle` (as its `Body`), and reports to its listener.

    `grace`: seconds from SIGTERM to SIGKILL. `forget` is called when the end is proven, just before the listener. `first_media`
    finds the byte of its output that counts as the first; None: any byte does.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: IReactor,
        listener: ProcessListener,
        grace: float,
        stdio: Stdio,
        forget: "Callable[[ChildProcess, ExitStatus], None]",
        first_media: FirstMedia | None = None,
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
        self.relay = Relay(reactor, stdio.output, self._life, self._failed, first_media)
        self._spawned: int
        self._leader: int | None = None
        self.pid: int | None = None

    def begin(self) -> int:
        """Start to read the pipes and to report events. To be called when `spawnProcess` has returned. Returns the pid."""
        self.pid = self._spawned
        self.relay.start()
        for reader in self._readers:
            reader.start()
        return self._spawned

    @property
    def state(self) -> State:
        """The state of its lifecycle."""
        return self._life.state

    @property
    def is_ending(self) -> bool:
        """Whether the reason of its end is known: `end` was called, or it has failed."""
        return self._life.reason is not None

    @property
    def bytes_sent(self) -> int:
        """Bytes that were given to the sink of its output."""
        return self.relay.bytes_sent

    @property
    def backpressured(self) -> bool:
        """Whether its output is not read because the sink has no room."""
        return self.relay.backpressured

    @property
    def progress(self) -> Progress:
        """Its latest progress report."""
        return self._progress.latest

    def end(self, reason: Reason) -> None:
        """End it. The reason counts if there is none yet. May be called at any time, and repeatedly."""
        self._life.end(reason)

    # Called by Twisted (`ProcessProtocol`).

    def makeConnection(self, process: IProcessTransport) -> None:
        """The process runs, and is not reaped yet. Keep its pid and a descriptor of it.

        The transport loses the pid when the process is reaped, perhaps before `spawnProcess` returns.
        """
        self.transport = process
        self._spawned = int(process.pid)
        self._leader = open_leader(self._spawned)

    def processExited(self, reason: Failure) -> None:
        """The process was reaped. What it wrote before is read first."""
        if self.pid is None:  # `begin` has not been called yet: report it in the next turn
            self._reactor.callLater(0, self.processExited, reason)
            return
        self._exit_code, self._signal = exit_of(reason.value)
        for reader in self._readers:
            reader.drain()
        self.relay.poll(complete=self._exit_code == 0)
        self._life.handle(Event.EXITED_WELL if self._exit_code == 0 else Event.EXITED_BADLY)

    # Called by the lifecycle (`Body`).

    def open(self) -> None:
        """Tell the listener that there is output."""
        self._listener.opened()

    def close_output(self) -> None:
        """Close the read end. What is left in the pipe is lost, and a writer gets EPIPE."""
        self.relay.close()

    def terminate(self) -> None:
        """Send SIGTERM and SIGCONT, repeat SIGTERM soon, and report `GRACE_OVER` after the grace.

        SIGTERM is repeated because an encoder with look-ahead may take a second to flush its frames. At the fourth signal ffmpeg
        stops to clean up and exits at once.
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
        """Send SIGKILL to the whole group."""
        self._signal_all(signal.SIGKILL)

    def sweep(self) -> None:
        """Kill what is left in its group, tell the listener of the exit, and check the group until it is empty.

        This is done at once, and not after the end of the output: a process that is left may have the pipe open, and then the
        output would not end.
        """
        assert self.pid is not None  # noqa: S101 - a process that has exited was started
        signal_group(self.pid, signal.SIGKILL, self._leader)
        try:
            self._listener.exited()
        finally:
            self._check_group(self.pid, SWEEP_TRIES)

    def _check_group(self, pgid: int, tries: int) -> None:
        remaining = _remaining_in(pgid, self._leader)
        if not remaining:
            if tries < SWEEP_TRIES:
                self._log.info("swept process group {pgid}", pgid=pgid)
            self._life.handle(Event.SWEPT)
        elif tries:
            self._life.after(SWEEP_INTERVAL, lambda: self._check_group(pgid, tries - 1))
        else:
            self._log.error("an end cannot be proven: {remaining}", remaining=remaining)
            self._life.sweep_failed(remaining)

    def reap(self, reason: Reason, proof: str) -> None:
        """Close all pipes, and tell the listener how the process ended."""
        self.relay.close()
        for reader in self._readers:
            reader.close()
        if self._leader is not None:
            os.close(self._leader)
            self._leader = None
        since = self._end_wanted_at
        status = ExitStatus(
            reason=reason,
            exit_code=self._exit_code,
            signal=self._signal,
            signals_sent=tuple(self._signals_sent),
            kill_ms=None if since is None else round((self._reactor.seconds() - since) * 1000, 3),
            stderr_tail=without_paths(self._stderr_tail.decode("utf-8", "replace")),
            proof=proof,
        )
        self._forget(self, status)
        self._listener.reaped(status)

    def _signal_all(self, number: signal.Signals) -> None:
        """Signal the whole group, or the process alone if it leads no group yet (its launcher may still be at work)."""
        assert self.pid is not None  # noqa: S101 - the lifecycle ends only what was started
        self._signals_sent.append(number.name)
        if not signal_group(self.pid, number, self._leader) and self.transport is not None:
            # If it has exited already, `processExited` is about to be called.
            with suppress(ProcessExitedAlready):
                self.transport.signalProcess(number.value)

    def _failed(self) -> None:
        """An error of our own in reading its output. Nobody reads it any more, so the process must end."""
        self._life.end(Reason.FAILED)

    def _stderr_received(self, data: bytes) -> None:
        self._stderr_tail = (self._stderr_tail + data)[-MAX_STDERR_TAIL:]

    def _progress_received(self, data: bytes) -> None:
        self._progress.feed(data)


def _remaining_in(pgid: int, leader: int | None) -> str:
    """What is still in a process group, as a sentence for an operator; an empty text if nothing is."""
    try:
        members = group_members(pgid, leader)
    except OSError as error:  # there is no descriptor left to read /proc with
        return f"process group {pgid} cannot be looked at: {error.strerror}"
    return f"process group {pgid} still has members: {', '.join(map(str, members))}" if members else ""


def _ignore_end() -> None:
    """The end of stderr or of the progress reports needs no action: the exit of the process is what counts."""
