"""What every test leaves behind: nothing. No delayed call, no child process, no logged error."""

import gc
import os
import subprocess
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

import pluggy
import psutil
import pytest
from twisted.internet import reactor
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogPublisher
from zope.interface import implementer

from tests.support.launcher import launcher_pids
from tests.support.programs import EACH

LONG_FILES = (
    "browser/test_page.py",
    "browser/test_players.py",
    "live/test_faults.py",
    "live/test_formats.py",
    "live/test_adaptive.py",
    "live/test_network.py",
    "live/test_command_line.py",
    "live/test_encoders.py",
    "live/test_cmaf_ffmpeg.py",
    "live/test_aborts.py",
    "live/test_torture.py",
    "live/test_openapi.py",
    "deploy/test_proxies.py",
)
"""They begin first, the longest before the others, so that no worker has a long one left when all others have finished."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files by how long they take; each stays together, in its own order."""
    tests = Path(__file__).parent
    ranks = {tests / name: rank for rank, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


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
    # What is there now stays, so that the collection at the end need not look at it: it would take most of a short test's time.
    gc.collect()
    gc.freeze()
    errors = Errors()
    globalLogPublisher.addObserver(errors)
    children = _children()
    calls = set(_delayed_calls())
    try:
        yield errors
    finally:
        gc.collect()
        globalLogPublisher.removeObserver(errors)
    left = _children() - children
    assert not left, f"child processes left behind: {[_describe(pid) for pid in left]}"
    # What is due in the next turn of the reactor is not left behind: descriptors are closed there.
    now = cast(IReactorTime, reactor).seconds()
    late = [call for call in _delayed_calls() if call not in calls and call.getTime() > now]
    assert not late, f"delayed calls left behind: {late}"
    assert not errors.events, (
        f"errors were logged: {[str(event.get('log_failure') or event) for event in errors.events]}"
    )


def _delayed_calls() -> Sequence[IDelayedCall]:
    return cast(IReactorTime, reactor).getDelayedCalls()


def _children() -> set[int]:
    """The pids of our children, zombies too, and of the launcher's, which are the daemons."""
    found: set[int] = set()
    for pid in (os.getpid(), *launcher_pids()):
        for task in os.listdir(f"/proc/{pid}/task"):
            # A thread may end meanwhile.
            with suppress(FileNotFoundError, ProcessLookupError):
                found.update(map(int, Path(f"/proc/{pid}/task/{task}/children").read_text("ascii").split()))
    return found


def _describe(pid: int) -> str:
    try:
        process = psutil.Process(pid)
        return f"{pid} {process.status()} {' '.join(process.cmdline())[:200]}"
    except psutil.Error:
        return str(pid)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pluggy.Result[pytest.TestReport], None]:
    """In continuous integration nothing is skipped: `.ci/run` installs all that is needed."""
    report = (yield).get_result()
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI") == "true":
        report.outcome = "failed"


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
