"""The files that tell how much memory is in use: the fuller of machine and group counts, and where nothing is told nothing is claimed."""

import os
from collections.abc import Callable, Mapping

import pytest

from transcoded.run.host import memory
from transcoded.run.host.memory import memory_in_use

Files = Callable[[Mapping[str, str]], None]
MEMINFO = "MemTotal:  1000 kB\nMemAvailable:  750 kB\n"


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Files:
    """A machine that has these files and no others."""

    def give(found: Mapping[str, str]) -> None:
        monkeypatch.setattr(memory, "_read", lambda path: found.get(os.path.normpath(path), ""))

    return give


def test_this_machine_tells() -> None:
    used = memory_in_use()
    assert used is not None
    assert 0 < used < 1.5


def test_without_any_of_them_nothing_is_known(files: Files) -> None:
    files({})
    assert memory_in_use() is None


def test_the_machine_alone(files: Files) -> None:
    files({"/proc/meminfo": MEMINFO})
    assert memory_in_use() == pytest.approx(0.25)


def test_a_container_that_is_nearly_full_on_a_machine_that_is_not(files: Files) -> None:
    here = "/sys/fs/cgroup/docker/abc"
    files(
        {
            "/proc/meminfo": MEMINFO,
            "/proc/self/cgroup": "0::/docker/abc\n",
            f"{here}/memory.max": "1000\n",
            f"{here}/memory.current": "950\n",
            f"{here}/memory.stat": "inactive_file 50\n",
        }
    )
    assert memory_in_use() == pytest.approx(0.9)


def test_inside_a_container_the_mount_itself_is_the_group(files: Files) -> None:
    files(
        {
            "/proc/self/cgroup": "0::/somewhere/on/the/host\n",
            "/sys/fs/cgroup/memory.max": "1000\n",
            "/sys/fs/cgroup/memory.current": "500\n",
        }
    )
    assert memory_in_use() == pytest.approx(0.5)


def test_version_1(files: Files) -> None:
    here = "/sys/fs/cgroup/memory/t"
    files(
        {
            "/proc/meminfo": MEMINFO,
            "/proc/self/cgroup": "9:memory:/t\n1:name=systemd:/t\n",
            f"{here}/memory.limit_in_bytes": "1000\n",
            f"{here}/memory.usage_in_bytes": "800\n",
            f"{here}/memory.stat": "total_inactive_file 100\n",
        }
    )
    assert memory_in_use() == pytest.approx(0.7)


def test_a_machine_that_is_fuller_than_its_container(files: Files) -> None:
    files(
        {
            "/proc/meminfo": MEMINFO,
            "/proc/self/cgroup": "0::/\n",
            "/sys/fs/cgroup/memory.max": "1000\n",
            "/sys/fs/cgroup/memory.current": "10\n",
        }
    )
    assert memory_in_use() == pytest.approx(0.25)
