"""The ledger: what a dead daemon left is ended at the next start, and nothing else on the machine, whatever its number is."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec
import psutil
import pytest
from twisted.logger import LogLevel, capturedLogs

from transcoded.run.process import ledger as module
from transcoded.run.process.ledger import InUse, Ledger, open_ledger
from transcoded.run.process.processes import TOKEN, start_ticks

SLEEP = [sys.executable, "-ISc", "import time; print(flush=True); time.sleep(1000)"]
Start = Callable[[Mapping[str, str]], "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts real processes with an environment, and reaps them all. They run their own program when it returns."""
    started: list[subprocess.Popen[bytes]] = []

    def run(environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(SLEEP, env={"PATH": "/bin", **environment}, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        with process.stdout as said:
            said.read(1)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def state(tmp_path: Path) -> str:
    return str(tmp_path / "state")


def crash(ledger: Ledger) -> None:
    """The daemon dies: the kernel lets go of its lock, and its files stay as they are."""
    ledger.close()


def alive(process: "subprocess.Popen[bytes]") -> bool:
    return psutil.pid_exists(process.pid) and bool(psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE)


def test_what_carries_the_dead_daemons_token_is_ended_and_told_of(state: str, start: Start) -> None:
    ledger, left = open_ledger(state)
    assert left == []
    one, other = start(ledger.environment()), start(ledger.environment())
    ledger.started(one.pid)  # the other's record did not get to the disk any more
    crash(ledger)
    again, left = open_ledger(state)
    assert {found.pid for found in left} == {one.pid, other.pid}
    assert all(found.gone for found in left)
    assert all("time.sleep" in found.command for found in left)
    assert [process.wait() for process in (one, other)] == [-signal.SIGKILL] * 2
    assert os.listdir(f"{state}/running") == []
    again.close()


def test_a_stopped_one_too(state: str, start: Start) -> None:
    ledger, _ = open_ledger(state)
    process = start(ledger.environment())
    process.send_signal(signal.SIGSTOP)
    crash(ledger)
    again, left = open_ledger(state)
    assert [found.pid for found in left] == [process.pid]
    assert left[0].gone
    again.close()


def test_nothing_else_is_touched(state: str, tmp_path: Path, start: Start) -> None:
    """Neither who has no token, nor the children of a daemon that lives, nor who only mentions the token."""
    dead, _ = open_ledger(state)
    living, _ = open_ledger(str(tmp_path / "other"))
    stranger = start({})
    neighbour = start(living.environment())
    talker = start({"NOTE": f"{TOKEN}={dead.token}", TOKEN: dead.token + "0"})
    crash(dead)
    again, left = open_ledger(state)
    assert left == []
    assert all(map(alive, (stranger, neighbour, talker)))
    again.close()
    living.close()


def test_a_recorded_number_that_is_another_process_now_is_safe(state: str, start: Start) -> None:
    ledger, _ = open_ledger(state)
    stranger = start({})
    ledger.started(stranger.pid)
    crash(ledger)
    again, left = open_ledger(state)
    assert left == []
    assert alive(stranger)
    assert os.listdir(f"{state}/running") == []
    again.close()


@pytest.mark.parametrize(("shift", "ended"), [(0, True), (1, False)], ids=["the same process", "a recycled number"])
def test_where_the_environment_cannot_be_read_number_and_start_decide(
    state: str, start: Start, monkeypatch: pytest.MonkeyPatch, shift: int, ended: bool
) -> None:
    ledger, _ = open_ledger(state)
    process = start({})
    ticks = start_ticks(process.pid)
    assert ticks is not None
    Path(f"{state}/running/{process.pid}").write_text(str(ticks + shift), encoding="ascii")
    crash(ledger)
    real = module._is_ours

    def unreadable(pid: int, token: str, recorded: int | None) -> bool:
        # Root reads everything, so for this one file the kernel's refusal is played.
        if pid == process.pid:
            return recorded is not None and recorded == start_ticks(pid)
        return real(pid, token, recorded)

    monkeypatch.setattr(module, "_is_ours", unreadable)
    again, left = open_ledger(state)
    assert [found.pid for found in left] == ([process.pid] if ended else [])
    assert alive(process) is not ended
    again.close()


def test_after_a_boot_no_number_means_anything(state: str, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_boot_id", lambda: "an earlier boot")
    ledger, _ = open_ledger(state)
    process = start(ledger.environment())
    ledger.started(process.pid)
    crash(ledger)
    monkeypatch.undo()
    again, left = open_ledger(state)
    assert left == []
    assert alive(process)
    again.close()


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "[]", '{"boot_id": "x"}', '{"boot_id": 5, "token": []}', '{"boot_id": "BOOT", "token": ""}'],
)
def test_a_damaged_record_ends_nobody_and_is_no_reason_not_to_start(state: str, start: Start, text: str) -> None:
    ledger, _ = open_ledger(state)
    process = start({TOKEN: ""})
    ledger.started(process.pid)
    crash(ledger)
    Path(f"{state}/daemon.json").write_text(text.replace("BOOT", module._boot_id()), encoding="ascii")
    Path(f"{state}/running/no number").write_text("x", encoding="ascii")
    Path(f"{state}/running/99999999").write_bytes(b"\xff\xfe")
    again, left = open_ledger(state)
    assert left == []
    assert alive(process)
    again.close()


def test_each_daemon_has_a_token_of_its_own_that_no_other_user_can_read(state: str) -> None:
    ledger, _ = open_ledger(state)
    tokens = {ledger.token}
    ledger.close()
    again, _ = open_ledger(state)
    tokens |= {again.token, open_ledger(None)[0].token}
    assert len(tokens) == 3
    assert msgspec.json.decode(Path(f"{state}/daemon.json").read_bytes())["token"] == again.token
    assert os.stat(f"{state}/running").st_mode & 0o077 == 0
    again.close()


def test_a_directory_of_a_living_daemon_is_refused_with_its_number(state: str, start: Start) -> None:
    ledger, _ = open_ledger(state)
    process = start(ledger.environment())
    ledger.started(process.pid)
    with pytest.raises(InUse, match=f"pid {os.getpid()}"):
        open_ledger(state)
    assert alive(process)
    assert os.listdir(f"{state}/running") == [str(process.pid)]
    ledger.close()
    ledger.close()


def test_a_child_of_the_daemon_does_not_keep_the_directory_locked(state: str) -> None:
    """The lock goes with the daemon even if something that it started lives on."""
    ledger, _ = open_ledger(state)
    program = [sys.executable, "-ISc", "import time; print(flush=True); time.sleep(1000)"]
    child = subprocess.Popen(program, close_fds=False, stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        assert child.stdout.read(1) == b"\n", "it runs its program: what is to be closed then is closed"
        child.stdout.close()
        ledger.close()
        again, _ = open_ledger(state)
        again.close()
    finally:
        child.kill()
        child.wait()


def test_what_has_ended_is_crossed_out(state: str, start: Start) -> None:
    ledger, _ = open_ledger(state)
    process = start(ledger.environment())
    ledger.started(process.pid)
    assert int(Path(f"{state}/running/{process.pid}").read_text("ascii")) == start_ticks(process.pid)
    ledger.ended(process.pid)
    ledger.ended(process.pid)
    assert os.listdir(f"{state}/running") == []
    ledger.close()


def test_a_disk_that_fills_up_later_costs_the_record_and_one_warning(state: str) -> None:
    ledger, _ = open_ledger(state)
    os.rmdir(f"{state}/running")
    with capturedLogs() as logged:
        for pid in (os.getpid(), os.getppid()):
            ledger.started(pid)
            ledger.ended(pid)
    assert [event["log_level"] for event in logged] == [LogLevel.warn]
    assert ledger.environment() == {TOKEN: ledger.token}, "the token still tells what is ours"
    ledger.close()


def test_a_directory_that_cannot_be_made_is_an_error_and_leaves_no_lock(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        open_ledger(str(tmp_path / "file" / "state"))
    (tmp_path / "state" / "running").mkdir(parents=True)
    (tmp_path / "state" / "daemon.json.new").mkdir()
    with pytest.raises(IsADirectoryError):
        open_ledger(str(tmp_path / "state"))
    with (tmp_path / "state" / "lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_without_a_directory_nothing_is_written() -> None:
    ledger, left = open_ledger(None)
    ledger.started(os.getpid())
    ledger.ended(os.getpid())
    ledger.close()
    assert left == []
    assert len(ledger.token) == 32


def test_when_a_process_was_started_is_told_whatever_its_name_is(tmp_path: Path) -> None:
    """The kernel gives the name in parentheses, in the middle of the line, and it may look like the rest of it."""
    (tmp_path / "a) R (b").symlink_to("/bin/sleep")
    with subprocess.Popen([str(tmp_path / "a) R (b"), "1000"]) as process:
        ticks, ours = start_ticks(process.pid), start_ticks(os.getpid())
        process.kill()
    assert ticks is not None
    assert ours is not None
    assert ticks >= ours
    assert start_ticks(process.pid) is None
