"""One program that is tried: its outcome says what went wrong, also when it could not even be started."""

import selectors
import time
from collections.abc import Iterator

import pytest

from transcoded.plan.media.launcher import Launcher
from transcoded.run.process.ledger import Ledger, open_ledger
from transcoded.run.process.processes import carriers
from transcoded.run.process.trial import POLL_INTERVAL, Outcome, RunningTrial, Trial

ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


@pytest.fixture
def ledger() -> Ledger:
    return open_ledger(None)[0]


@pytest.fixture
def selector() -> Iterator[selectors.BaseSelector]:
    with selectors.DefaultSelector() as selector:
        yield selector


def start(ledger: Ledger, *command: str) -> RunningTrial:
    program, *arguments = command
    return RunningTrial(Launcher(), Trial(program, arguments), {**ENVIRONMENT, **ledger.environment()}, ledger)


def prove(trial: RunningTrial) -> Outcome:
    trial.prove(time.monotonic() + 60)
    return trial.outcome()


def test_a_program_that_cannot_be_started_is_an_outcome_and_no_exception(
    ledger: Ledger, selector: selectors.BaseSelector
) -> None:
    trial = start(ledger, "/nonexistent/program")
    trial.register(selector)
    trial.check_exit()
    trial.end("is not asked")
    assert not trial.is_running
    assert prove(trial) == Outcome(b"", "cannot be started: No such file or directory")


def test_what_was_written_just_before_the_exit_is_read(ledger: Ledger, selector: selectors.BaseSelector) -> None:
    """The selector may never report it: the exit is noticed first."""
    trial = start(ledger, "/bin/sh", "-c", "echo last")
    trial.register(selector)
    while trial.is_running:
        time.sleep(POLL_INTERVAL)
        trial.check_exit()
    assert selector.get_map() == {}
    assert prove(trial) == Outcome(b"last\n", None)


def test_the_first_problem_is_that_of_the_end_and_not_of_the_kill(
    ledger: Ledger, selector: selectors.BaseSelector
) -> None:
    trial = start(ledger, "/bin/sh", "-c", "exec sleep 1000")
    trial.register(selector)
    trial.end("does not end within 1 seconds")
    assert prove(trial) == Outcome(b"", "does not end within 1 seconds", late=True)
    assert carriers(ledger.token) == []


def test_without_time_for_a_proof_the_process_is_the_problem(ledger: Ledger, selector: selectors.BaseSelector) -> None:
    trial = start(ledger, "/bin/sh", "-c", "exec sleep 1000")
    trial.register(selector)
    trial.prove(time.monotonic())
    assert "does not end" in str(trial.outcome().problem)
    trial.end("was ended by the test")
    assert prove(trial).problem == "was ended by the test" or trial.outcome().problem is not None
