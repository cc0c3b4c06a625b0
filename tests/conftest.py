"""What every test leaves behind: nothing. No delayed call, no child process, no logged error."""

import gc
import subprocess
from collections.abc import Iterator, Sequence
from typing import cast

import psutil
import pytest
from twisted.internet import reactor
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogPublisher
from zope.interface import implementer

from tests.support.programs import EACH


@implementer(ILogObserver)
class Errors:
    """The errors that were logged. A test that means to provoke some takes them away with `flush`."""

    def __init__(self) -> None:
        self.events: list[LogEvent] = []

    def __call__(self, event: LogEvent) -> None:
        if event.get("log_level") in {LogLevel.error, LogLevel.critical}:
            self.events.append(event)

    def flush(self) -> Sequence[LogEvent]:
        """The errors so far; they are forgotten."""
        events, self.events = self.events, []
        return events


@pytest.fixture(autouse=True)
def logged_errors() -> Iterator[Errors]:
    """Fails the test that leaves anything behind."""
    errors = Errors()
    globalLogPublisher.addObserver(errors)
    children = {child.pid for child in psutil.Process().children(recursive=True)}
    calls = set(_delayed_calls())
    try:
        yield errors
    finally:
        gc.collect()
        globalLogPublisher.removeObserver(errors)
    left = [child for child in psutil.Process().children(recursive=True) if child.pid not in children]
    assert not left, f"child processes left behind: {[_describe(child) for child in left]}"
    # What is due in the next turn of the reactor is not left behind: descriptors are closed there.
    now = cast(IReactorTime, reactor).seconds()
    late = [call for call in _delayed_calls() if call not in calls and call.getTime() > now]
    assert not late, f"delayed calls left behind: {late}"
    assert not errors.events, (
        f"errors were logged: {[str(event.get('log_failure') or event) for event in errors.events]}"
    )


def pytest_collection_finish(session: pytest.Session) -> None:
    """What was imported stays: the collections after each test need not look at it again."""
    gc.collect()
    gc.freeze()


def _delayed_calls() -> Sequence[IDelayedCall]:
    return cast(IReactorTime, reactor).getDelayedCalls()


def _describe(process: psutil.Process) -> str:
    try:
        return f"{process.pid} {process.status()} {' '.join(process.cmdline())[:200]}"
    except psutil.Error:
        return str(process.pid)


def pytest_report_header() -> str:
    """Which ffmpegs the tests run."""
    versions = []
    for programs in EACH:
        try:
            done = subprocess.run([programs.ffmpeg, "-version"], capture_output=True, check=True, text=True)
        except OSError:
            versions.append(f"{programs.name}: not installed")
        else:
            versions.append(f"{programs.name}: {done.stdout.split()[2]}")
    return f"ffmpeg {', '.join(versions)}"
