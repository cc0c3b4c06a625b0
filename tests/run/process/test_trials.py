"""Programs that are tried at the start. One that misbehaves must not hold the start up, and nothing of it may stay."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from transcoded.plan.media.launcher import Launcher
from transcoded.run.host.tools import find_tools
from transcoded.run.process import trial, trials
from transcoded.run.process.groups import Member
from transcoded.run.process.ledger import Ledger, open_ledger
from transcoded.run.process.processes import carriers
from transcoded.run.process.trial import MAX_OUTPUT, Outcome, Trial
from transcoded.run.process.trials import Trials

ENVIRONMENT = {"PATH": os.environ["PATH"]}
LONG = 3600.0
"""A deadline that no test lives to see."""
SOON = 0.3

# Each of these is there when its pid is in the file, and would stay for ever.
CHILD = "sleep 1000 & echo $! > {dir}/child"
DEAF_CHILD = "sh -c 'trap \"\" TERM HUP INT; echo $$ > {dir}/child; while :; do sleep 1; done' &"
FLED_CHILD = "setsid sh -c 'echo $$ > {dir}/child; exec sleep 1000' &"
AND_WAITS_FOR_IT = "\nwhile [ ! -s {dir}/child ]; do sleep 0.01; done\n"


@pytest.fixture
def ledger() -> Ledger:
    return open_ledger(None)[0]


def program(directory: Path, script: str, name: str = "program") -> str:
    path = directory / name
    path.write_text("#!/bin/sh\n" + script.replace("{dir}", str(directory)), encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def attempt(ledger: Ledger, path: str, deadline: float = LONG) -> Outcome:
    (outcome,) = Trials(ENVIRONMENT, ledger).run(Launcher(), [Trial(path)], deadline)
    return outcome


def runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def child(directory: Path) -> int:
    return int((directory / "child").read_text("ascii"))


def test_what_a_program_writes_is_its_outcome(ledger: Ledger, tmp_path: Path) -> None:
    path = program(tmp_path, 'echo "$@"; echo more >&2')
    (outcome,) = Trials(ENVIRONMENT, ledger).run(Launcher(), [Trial(path, ["a b", "c"])])
    assert outcome == Outcome(b"a b c\n", None)


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("exit 3", "ends with status 3"),
        ("echo first >&2; echo ' the reason ' >&2; exit 1", "ends with status 1: the reason"),
        ("kill -SEGV $$", "is ended by SIGSEGV"),
    ],
)
def test_a_program_that_fails_says_how(ledger: Ledger, tmp_path: Path, script: str, problem: str) -> None:
    assert attempt(ledger, program(tmp_path, script)).problem == problem


def test_a_program_that_is_not_there(ledger: Ledger) -> None:
    assert attempt(ledger, "/nonexistent/program").problem == "cannot be started: No such file or directory"


@pytest.mark.parametrize(
    "script", ["exec sleep 1000", "trap '' TERM HUP INT; while :; do sleep 1; done", "kill -STOP $$"]
)
def test_a_program_that_hangs_costs_the_deadline_and_is_gone(ledger: Ledger, tmp_path: Path, script: str) -> None:
    outcome = attempt(ledger, program(tmp_path, "echo $$ > {dir}/child; echo began\n" + script), SOON)
    assert outcome.problem == "does not end within 0.3 seconds"
    assert not (tmp_path / "child").exists() or not runs(child(tmp_path))
    assert carriers(ledger.token) == []


@pytest.mark.parametrize("leaves", [CHILD, DEAF_CHILD, FLED_CHILD])
@pytest.mark.parametrize("then", ["echo done", "exec sleep 1000"])
def test_nothing_stays_of_what_a_program_starts(ledger: Ledger, tmp_path: Path, leaves: str, then: str) -> None:
    """The children hold the other end of its output. Nobody waits for that: this deadline never comes."""
    hangs = then != "echo done"
    path = program(tmp_path, leaves + AND_WAITS_FOR_IT + then)
    outcome = attempt(ledger, path, 1.0 if hangs else LONG)
    if not hangs:
        assert outcome == Outcome(b"done\n", None)
    # On a machine that is very busy the deadline may come before the child.
    assert (hangs and not (tmp_path / "child").exists()) or not runs(child(tmp_path))
    assert carriers(ledger.token) == []


@pytest.mark.parametrize("where", ["", " >&2"])
def test_a_program_that_floods_costs_no_memory(ledger: Ledger, tmp_path: Path, where: str) -> None:
    # The last line is never reached by one that floods stdout.
    path = program(tmp_path, f"head -c {MAX_OUTPUT * 3} /dev/zero{where}; echo done")
    outcome = attempt(ledger, path)
    if where:
        assert outcome == Outcome(b"done\n", None)
    else:
        assert outcome.problem == "writes more than 1 MiB"
        assert len(outcome.output) == MAX_OUTPUT
    assert carriers(ledger.token) == []


def test_what_has_fled_and_floods_holds_nothing_up(ledger: Ledger, tmp_path: Path) -> None:
    path = program(tmp_path, "setsid sh -c 'echo $$ > {dir}/child; exec yes' &" + AND_WAITS_FOR_IT)
    attempt(ledger, path)
    assert not runs(child(tmp_path))


def test_they_run_at_the_same_time_and_answer_in_order(ledger: Ledger, tmp_path: Path) -> None:
    """Each waits for the other: one after the other they would wait for ever."""
    os.mkfifo(tmp_path / "one")
    os.mkfifo(tmp_path / "two")
    first = program(tmp_path, "echo hello > {dir}/one; cat {dir}/two", "first")
    second = program(tmp_path, "cat {dir}/one; echo hello to you > {dir}/two", "second")
    outcomes = Trials(ENVIRONMENT, ledger).run(Launcher(), [Trial(first), Trial(second)], LONG)
    assert outcomes == [Outcome(b"hello to you\n", None), Outcome(b"hello\n", None)]


def test_one_that_hangs_spoils_nothing_for_the_others(ledger: Ledger, tmp_path: Path) -> None:
    hangs, well = program(tmp_path, "exec sleep 1000", "hangs"), program(tmp_path, "echo well", "well")
    outcomes = Trials(ENVIRONMENT, ledger).run(Launcher(), [Trial(hangs), Trial(well), Trial(hangs)], 2.0)
    assert [outcome.problem is None for outcome in outcomes] == [False, True, False]
    assert outcomes[1].output == b"well\n"


def test_it_has_the_token_and_nothing_else_of_ours_and_a_group_of_its_own(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRANSCODED_API_KEY", "a-secret")
    outcome = attempt(ledger, program(tmp_path, "env; cut -d' ' -f1,5,6 /proc/$$/stat"))
    said = outcome.output.decode()
    assert f"TRANSCODED_TOKEN={ledger.token}" in said
    assert "a-secret" not in said
    pid, group, session = said.splitlines()[-1].split()
    assert pid == group == session


def test_it_is_in_the_ledger_as_long_as_it_runs(tmp_path: Path) -> None:
    ledger, _ = open_ledger(str(tmp_path / "state"))
    path = program(tmp_path, "while [ ! -e {dir}/state/running/$$ ]; do sleep 0.01; done; echo there")
    assert attempt(ledger, path).output == b"there\n"
    assert os.listdir(tmp_path / "state" / "running") == []
    ledger.close()


def test_what_cannot_be_killed_is_told_and_stays_in_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proof that failed is never told as a proof. The next start looks for it."""
    ledger, _ = open_ledger(str(tmp_path / "state"))
    monkeypatch.setattr(trial, "group_members", lambda pgid: [Member(pgid, "deaf")])
    monkeypatch.setattr(trials, "KILL_TIMEOUT", 0.05)
    outcome = attempt(ledger, program(tmp_path, "echo well"))
    assert outcome.problem is not None
    assert "does not end" in outcome.problem
    assert len(os.listdir(tmp_path / "state" / "running")) == 1
    ledger.close()


def test_an_interrupted_start_leaves_nothing(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the clips of the demo are made."""
    has_exited = trial._has_exited

    def interrupted(pid: int) -> bool:
        monkeypatch.setattr(trial, "_has_exited", has_exited)
        raise KeyboardInterrupt

    monkeypatch.setattr(trial, "_has_exited", interrupted)
    with pytest.raises(KeyboardInterrupt):
        attempt(ledger, program(tmp_path, "exec sleep 1000"))
    assert carriers(ledger.token) == []


STARTS = """
import sys
from transcoded.run.host.tools import find_tools
from transcoded.run.process.ledger import open_ledger
from transcoded.run.process.trial import Trial
from transcoded.run.process.trials import Trials
Trials({"PATH": "/bin:/usr/bin"}, open_ledger(None)[0]).run(find_tools().launcher, [Trial(sys.argv[1])], 3600)
"""


def test_a_daemon_that_is_killed_at_its_start_takes_them_along(tmp_path: Path) -> None:
    if find_tools().launcher.setpriv is None:
        pytest.skip("there is no setpriv that knows --pdeathsig")
    path = program(tmp_path, "echo $$ > {dir}/new; mv {dir}/new {dir}/child; exec sleep 1000")
    process = subprocess.Popen([sys.executable, "-c", STARTS, path], env={**os.environ, "PYTHONPATH": os.getcwd()})
    try:
        wait_for((tmp_path / "child").exists)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    wait_for(lambda: not runs(child(tmp_path)))


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


# What they read, and how many run at the same time.


@pytest.mark.parametrize("size", [1, 1 << 20])
def test_what_a_program_is_given_is_a_file_from_its_beginning(ledger: Ledger, tmp_path: Path, size: int) -> None:
    """Filters of ffmpeg open it by its name, and read it twice: from a pipe they would get nothing."""
    path = program(tmp_path, "wc -c; wc -c < /proc/self/fd/0")
    given, empty = Trials(ENVIRONMENT, ledger).run(Launcher(), [Trial(path, stdin=b"x" * size), Trial(path)])
    assert given.output.split() == [str(size).encode("ascii")] * 2
    assert empty.output.split() == [b"0", b"0"]


def test_few_run_at_the_same_time_and_all_have_their_turn(ledger: Ledger, tmp_path: Path) -> None:
    """Each of three dozen ffmpegs takes 100 MB: a small machine would not survive its start."""
    script = "mkdir {dir}/$1; ls {dir} | grep -c '^[0-9]*$'; sleep 0.05; rmdir {dir}/$1"
    path = program(tmp_path, script)
    outcomes = Trials(ENVIRONMENT, ledger).run(
        Launcher(), [Trial(path, [str(number)]) for number in range(8)], LONG, at_once=2
    )
    assert {int(one.output) for one in outcomes} <= {1, 2}
    assert [one.problem for one in outcomes] == [None] * 8


def test_what_cannot_be_started_does_not_hold_the_others_up(ledger: Ledger, tmp_path: Path) -> None:
    path = program(tmp_path, "echo here")
    nowhere = Trial("/nonexistent/program")
    outcomes = Trials(ENVIRONMENT, ledger).run(Launcher(), [nowhere, nowhere, Trial(path)], LONG, at_once=1)
    assert [one.output for one in outcomes] == [b"", b"", b"here\n"]


def test_what_the_deadline_has_cut_short_is_told_from_what_failed(ledger: Ledger, tmp_path: Path) -> None:
    """The one may work the next time, and must not be remembered."""
    hangs, fails = program(tmp_path, "exec sleep 1000", "hangs"), program(tmp_path, "exit 1", "fails")
    outcomes = Trials(ENVIRONMENT, ledger).run(Launcher(), [Trial(fails), Trial(hangs), Trial(fails)], SOON, at_once=1)
    assert [one.late for one in outcomes] == [False, True, True]
    assert outcomes[2].problem == "was not begun within the deadline"


def test_complaints_are_what_was_written_on_stderr(ledger: Ledger, tmp_path: Path) -> None:
    path = program(tmp_path, "echo the cause >&2; echo what follows from it >&2; exit 1")
    assert attempt(ledger, path).complaints == ["the cause", "what follows from it"]
