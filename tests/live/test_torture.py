"""The torture suite in its short form. `make torture` runs the long one."""

import subprocess
import sys

import pytest

from tests.support import REPOSITORY
from tests.support.programs import DEBIAN, NEWEST, Programs


# The newest and the oldest: what it tortures are processes, and not pictures.
@pytest.mark.parametrize("programs", [NEWEST, DEBIAN], ids=lambda programs: programs.name, indirect=True)
def test_nothing_survives_torture(programs: Programs) -> None:
    """Streams of every kind, clients of every kind, daemons ended in every way: no survivor, and every Ending true."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks.torture",
            "--seconds",
            "10",
            "--fuzz",
            "4",
            "--streams",
            "60",
            *programs.flags(),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout.decode()}\n{done.stderr.decode()}"
