"""OrphanReaper: whoever runs a wrapper that sends a helper out of its process group must not find it running a day later."""

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.support.daemon import until
from transcoded.run.files.threads import Threads
from transcoded.run.process.orphans import OrphanReaper
from transcoded.run.process.processes import TOKEN, carries
from transcoded.run.reactor import as_reactor

OURS = "0123456789abcdef" * 2


@pytest.fixture
def threads() -> Iterator[Threads]:
    threads = Threads(as_reactor(reactor))
    yield threads
    threads.stop()


@pytest.fixture
def escaped() -> Iterator["subprocess.Popen[bytes]"]:
    child = subprocess.Popen(["sleep", "119"], env={**os.environ, TOKEN: OURS}, start_new_session=True)
    # While the kernel executes a program, /proc shows no environment for a moment.
    until(lambda: os.getpgid(child.pid) == child.pid and carries(child.pid, OURS), "its own group, with the token")
    yield child
    child.kill()
    child.wait()


@pytest_twisted.ensureDeferred
async def test_what_left_its_group_is_ended(threads: Threads, escaped: "subprocess.Popen[bytes]") -> None:
    await OrphanReaper(threads, OURS, set).sweep()
    assert escaped.wait(30) == -signal.SIGKILL


@pytest_twisted.ensureDeferred
async def test_what_is_known_and_what_is_not_ours_is_left_alone(
    threads: Threads, escaped: "subprocess.Popen[bytes]"
) -> None:
    await OrphanReaper(threads, OURS, lambda: {escaped.pid}).sweep()
    await OrphanReaper(threads, "f" * 32, set).sweep()
    assert escaped.poll() is None
