"""What a daemon does to its process: a signal that is missed is a viewer who is cut off, or a restart that is told as a crash."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.error import ReactorNotRunning

from tests.support import REPOSITORY
from transcoded.config import SettingsError
from transcoded.process_setup import (
    EX_USAGE,
    freeze_garbage,
    raise_descriptor_limit,
    refuse,
    signals_during_start,
    stop_reactor,
    take_signals,
    use_monotonic_clock,
)

NUMBERS = (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT)


class Reactor:
    """One that has not been started. `run` is its start."""

    def __init__(self) -> None:
        self.when_running: list[tuple[Callable[..., object], tuple[object, ...]]] = []
        self.from_signals: list[tuple[Callable[..., object], tuple[object, ...]]] = []
        self.triggers: list[tuple[object, ...]] = []
        self.stops = 0

    def seconds(self) -> float:
        return 0.0

    def callWhenRunning(self, call: Callable[..., object], *arguments: object) -> None:
        self.when_running.append((call, arguments))

    def callFromThread(self, call: Callable[..., object], *arguments: object) -> None:
        self.from_signals.append((call, arguments))

    def addSystemEventTrigger(self, *trigger: object) -> None:
        self.triggers.append(trigger)

    def stop(self) -> None:
        self.stops += 1
        if self.stops > 1:
            raise ReactorNotRunning

    def run(self) -> None:
        for call, arguments in self.when_running:
            call(*arguments)

    def turn(self) -> None:
        calls, self.from_signals = self.from_signals, []
        for call, arguments in calls:
            call(*arguments)


@pytest.fixture
def reactor() -> Iterator[Any]:
    """Any: it stands in for a reactor, of which it has what is asked for."""
    before = {number: signal.getsignal(number) for number in NUMBERS}
    yield Reactor()
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_drain_can_be_asked_for_before_the_reactor_runs(reactor: Any) -> None:
    drains: list[str] = []
    take_signals(reactor, lambda: drains.append("drain"))
    signal.raise_signal(signal.SIGUSR1)
    # Not in the handler: that may interrupt anything.
    assert drains == []
    reactor.turn()
    assert drains == ["drain"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_reactor_once(reactor: Any, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    take_signals(reactor, lambda: None)
    assert signal.getsignal(number) == before, "the reactor installs its own handlers when it starts"
    reactor.run()
    for _ in range(2):
        signal.raise_signal(number)
        assert reactor.stops == 0
    reactor.turn()
    assert reactor.stops == 2
    # And when its loop is over, a late one must not end the process with another status.
    stops = {signal.SIGTERM, signal.SIGINT}
    assert reactor.triggers == [("after", "shutdown", signal.pthread_sigmask, signal.SIG_BLOCK, stops)]


def test_a_reactor_that_stops_already_is_not_stopped_again(reactor: Any) -> None:
    stop_reactor(reactor)
    stop_reactor(reactor)


def test_timers_do_not_follow_the_clock_of_the_wall(reactor: Any) -> None:
    use_monotonic_clock(reactor)
    assert reactor.seconds is time.monotonic


def test_the_garbage_collector_waits_for_the_reactor(reactor: Any) -> None:
    """What is frozen while the parts are still being made is never collected."""
    freeze_garbage(reactor)
    assert [call.__name__ for call, _ in reactor.when_running] == ["collect", "freeze"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((1024, 4096), (4096, 4096)),
        ((1024, -1), (65_536, -1)),
        ((1024, 1_000_000), (65_536, 1_000_000)),
        ((100_000, 1_000_000), None),
    ],
)
def test_the_process_may_have_as_many_descriptors_as_it_can_get(
    monkeypatch: pytest.MonkeyPatch, before: tuple[int, int], after: tuple[int, int] | None
) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: before)
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: given.append(limits))
    raise_descriptor_limit()
    assert given == ([] if after is None else [after])


def test_a_refusal_is_one_line_and_a_status(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        refuse(SettingsError("grace", "give\nseconds"))
    assert caught.value.code == EX_USAGE == 64
    assert capsys.readouterr().err == "transcoded: grace: give�seconds\n"


def test_during_the_start_sigterm_unwinds_it_and_sigusr1_does_not_kill(reactor: Any) -> None:
    """What is open and what runs is closed and ended on the way out."""
    closed: list[str] = []
    with pytest.raises(SystemExit) as caught, signals_during_start():
        try:
            signal.raise_signal(signal.SIGUSR1)
            signal.raise_signal(signal.SIGTERM)
        finally:
            closed.append("all")
    assert caught.value.code == 0
    assert closed == ["all"]
    assert signal.getsignal(signal.SIGTERM) is not None


HIDES = """
import os, sys
from pathlib import Path
from transcoded.process_setup import forget_variables

forget_variables(["HIDDEN", "NOT_SET"])
shown = Path("/proc/self/environ").read_bytes()
assert b"first-secret" not in shown and b"second-secret" not in shown, shown
assert b"HIDDEN_TOO=other" in shown and "HIDDEN" not in os.environ and os.environ["HIDDEN_TOO"] == "other"
os.execve("/bin/sh", ["sh", "-c", "echo ${HIDDEN-gone}$HIDDEN_TOO"], os.environ)
"""


def test_a_forgotten_variable_is_shown_by_nothing_and_inherited_by_nobody() -> None:
    environment = {**os.environ, "HIDDEN": "first-secret=second-secret", "HIDDEN_TOO": "other"}
    done = subprocess.run([sys.executable, "-c", HIDES], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("goneother\n", "")


CLOSES = """
import os, signal, subprocess
from pathlib import Path
from transcoded.process_setup import close_to_others

close_to_others()
fd = os.open("/etc/passwd", os.O_RDONLY)
assert Path(f"/proc/self/fd/{fd}").read_bytes()  # how the daemon opens a file of the library again
os.mkdir("made")
child = subprocess.Popen(["sleep", "1000"], env={"A": "of the child"})
os.read(os.open(f"/proc/{child.pid}/stat", os.O_RDONLY), 10)
child.kill()
child.wait()
import ctypes
print(ctypes.CDLL(None).prctl(3), oct(os.stat("made").st_mode & 0o777))
"""


def test_a_process_that_is_closed_to_others_still_reads_its_own_files(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", CLOSES], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout == "0 0o700\n", done.stderr
