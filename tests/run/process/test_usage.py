"""What a process uses, told of a real one: this. Operators size their machines by it."""

import os
import subprocess
import sys

from transcoded.run.process.usage import ResourceUsage, cpu_demand, resident_bytes

NO_SUCH_PROCESS = 100_000_000


def test_the_first_look_counts_from_the_start_and_the_next_from_the_last_one() -> None:
    used = os.times()
    usage = ResourceUsage(os.getpid(), lambda: 1000.0)
    percent, rss = usage.measure()
    assert percent is not None
    assert percent >= round(100 * (used.user + used.system) / 1000.0, 1) - 0.1
    assert rss is not None
    assert rss > 1 << 20
    percent, rss = usage.measure()
    assert percent is not None
    assert rss is not None


def test_of_one_that_is_gone_nothing_is_known() -> None:
    assert ResourceUsage(NO_SUCH_PROCESS, lambda: 1.0).measure() == (None, None)


BELOW = "import sys; data = b'x' * 50_000_000; print(len(data), flush=True); sys.stdin.readline()"
LAUNCHER = "import subprocess, sys; subprocess.run([sys.executable, '-Sc', sys.argv[1]])"


def test_what_a_launcher_has_started_is_counted_with_it() -> None:
    """In the sandbox bwrap is the daemon's child, and the transcoder is below it: else 1 MB would be told, and no limit kept."""
    command = [sys.executable, "-Sc", LAUNCHER, BELOW]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as launcher:
        assert launcher.stdout is not None
        assert launcher.stdout.readline() == b"50000000\n"
        _, rss = ResourceUsage(launcher.pid, lambda: 1.0).measure()
        assert (rss or 0) > 50_000_000
        assert (resident_bytes(launcher.pid) or 0) > 50_000_000
        launcher.communicate(b"\n")
    assert resident_bytes(launcher.pid) is None


COMPUTES = """
import sys, time
while time.process_time() < 0.3:
    pass
print(flush=True)
sys.stdin.readline()
"""


def test_who_computes_wants_the_cpu_and_who_waits_does_not() -> None:
    """The one may not take more than its place; the other hurts nobody."""
    command = [sys.executable, "-Sc", LAUNCHER, COMPUTES]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as launcher:
        assert launcher.stdout is not None
        assert launcher.stdout.readline() == b"\n"
        wanted = cpu_demand(launcher.pid)
        assert wanted >= 0.3
        launcher.communicate(b"\n")
    assert cpu_demand(NO_SUCH_PROCESS) == 0
