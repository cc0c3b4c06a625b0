"""Files that take long to look at: a disk that sleeps, a file that is hostile. Whoever asks for another file gets it meanwhile."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.clips import Clips
from tests.support.daemon import LiveDaemon, until
from tests.support.programs import BUNDLED

PROGRAM = f"""#!{sys.executable} -IS
'''An ffprobe that takes for ever for files that are called slow.'''
import os, sys, time
if "slow" in os.path.basename(os.readlink("/proc/self/fd/4")) if os.path.exists("/proc/self/fd/4") else False:
    time.sleep(1000)
os.execv({BUNDLED.ffprobe!r}, [{BUNDLED.ffprobe!r}, *sys.argv[1:]])
"""


@pytest.fixture
def daemon(clips: Clips, tmp_path: Path) -> Iterator[LiveDaemon]:
    root = tmp_path / "root"
    root.mkdir()
    for name in [*(f"slow{number}.mp4" for number in range(100)), *(f"film{number}.mp4" for number in range(4))]:
        (root / name).symlink_to(root / f"real-{name}")
        (root / f"real-{name}").hardlink_to(clips.film.path)
    program = tmp_path / "ffprobe"
    program.write_text(PROGRAM, "utf-8")
    program.chmod(0o755)
    flags = ("--ffprobe", str(program), "--sandbox", "off")
    with LiveDaemon(tmp_path / "daemon", {"L": root}, *flags) as daemon:
        yield daemon


@pytest.mark.parametrize("slow", [8, 50])
def test_slow_probes_hold_nobody_up(daemon: LiveDaemon, slow: int) -> None:
    """The ninth waited until the first of them was given up, after half a minute. All are of one client here."""
    connections = [daemon.open(f"/media/L/slow{number}.mp4/probe.json") for number in range(slow)]
    until(lambda: len(daemon.census()) >= 6)
    with ThreadPoolExecutor(4) as several:
        answers = list(several.map(lambda n: daemon.get(f"/media/L/film{n}.mp4/probe.json").status, range(4)))
    assert answers == [200] * 4
    assert daemon.census(), "they were not slower than the slow ones"
    for connection in connections:
        connection.close()
    until(lambda: not daemon.census())
