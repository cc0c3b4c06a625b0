"""The processes of the machine: a number alone is no process, and what a process shows of itself is no proof."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest
from twisted.logger import LogLevel, capturedLogs

from tests.conftest import Errors
from transcoded.run.process import processes as module
from transcoded.run.process.processes import (
    TOKEN,
    be_nicer,
    carriers,
    carries,
    command_of,
    is_own,
    kill_if,
    open_process,
    pids,
    start_ticks,
)

OURS = "0123456789abcdef" * 2
AS_NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
SLEEP = (sys.executable, "-ISc", "import time; print(flush=True); time.sleep(1000)")
PLAIN = ("/bin/sh", "-c", "echo; read nothing")
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts programs with an environment, and reaps them all. They run when it returns."""
    started: list[subprocess.Popen[bytes]] = []

    def run(environment: Mapping[str, str], command: Sequence[str] = SLEEP) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            command, env={"PATH": os.environ["PATH"], **environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        started.append(process)
        assert process.stdout is not None
        process.stdout.read(1)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def as_nobody(command: Sequence[str]) -> Sequence[str]:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    return (*AS_NOBODY, *command)


def test_a_token_counts_only_in_a_process_of_this_user(start: Start) -> None:
    """Whoever has got hold of the token can neither have us kill his process, nor hide behind it."""
    ours = start({TOKEN: OURS})
    copied = start({TOKEN: OURS}, as_nobody(PLAIN))
    assert (is_own(ours.pid), is_own(copied.pid)) == (True, False)
    assert (carries(ours.pid, OURS), carries(copied.pid, OURS)) == (True, False)
    assert carriers(OURS) == [ours.pid]


def test_a_long_environment_is_read_to_a_limit(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ENVIRONMENT", 100_000)
    long = {f"A{number}": "x" * 1000 for number in range(200)}
    assert carries(start({TOKEN: OURS, **long}).pid, OURS)
    assert not carries(start({**long, TOKEN: OURS}).pid, OURS)


def test_a_process_is_killed_by_its_descriptor_and_only_if_it_is_wanted(start: Start) -> None:
    process = start({})
    assert not kill_if(process.pid, lambda pid: False)
    assert process.poll() is None
    assert kill_if(process.pid, lambda pid: pid == process.pid)
    assert process.wait() == -signal.SIGKILL
    assert not kill_if(process.pid, lambda pid: True)


def test_a_number_that_passes_to_another_while_it_is_looked_at_kills_nobody(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The descriptor comes before the look: what is looked at too late is not what is killed."""
    first, second = start({}), start({})
    real = os.pidfd_open
    # The number of the second one: it was the first one's when it was opened.
    monkeypatch.setattr(os, "pidfd_open", lambda pid: real(first.pid))

    def looks_at_second(pid: int) -> bool:
        first.kill()
        first.wait()
        return pid == second.pid

    assert not kill_if(second.pid, looks_at_second)
    assert second.poll() is None


def test_the_end_of_a_process_is_waited_for(start: Start) -> None:
    process = start({})
    with open_process(process.pid) as held:
        assert held is not None
        assert not held.has_exited()
        assert not held.wait(time.monotonic() - 1)
        held.kill()
        assert held.wait(time.monotonic() + 60)
        assert held.has_exited(), "a zombie"
        process.wait()
        held.kill()


def test_a_kernel_that_cannot_hold_a_process_is_told_and_nothing_is_killed(
    start: Start, monkeypatch: pytest.MonkeyPatch, logged_errors: Errors
) -> None:
    def refuse(pid: int) -> int:
        raise OSError(38, "Function not implemented")

    process = start({})
    monkeypatch.setattr(os, "pidfd_open", refuse)
    with capturedLogs() as logged:
        assert not kill_if(process.pid, lambda pid: True)
    assert [event["log_level"] for event in logged] == [LogLevel.error]
    logged_errors.flush()
    assert process.poll() is None


def test_what_is_gone_is_nobody(start: Start) -> None:
    process = start({TOKEN: OURS})
    assert process.pid in pids()
    assert os.getpid() not in pids()
    assert "time.sleep" in command_of(process.pid)
    process.kill()
    process.wait()
    assert (start_ticks(process.pid), is_own(process.pid), command_of(process.pid)) == (None, False, "")
    with open_process(process.pid) as held:
        assert held is None


def test_a_child_is_made_nicer_and_never_less_nice(start: Start) -> None:
    """An operator who has set a higher niceness means it."""
    pid = start({}).pid
    before = os.getpriority(os.PRIO_PROCESS, pid)
    be_nicer(pid, before + 5)
    assert os.getpriority(os.PRIO_PROCESS, pid) == min(before + 5, 19)
    be_nicer(pid, before)
    assert os.getpriority(os.PRIO_PROCESS, pid) == min(before + 5, 19)
    be_nicer(100_000_000, 10)
