"""Process groups, real ones: a group that is wrongly called empty is a leaked transcoder."""

import errno
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator

import pytest

from transcoded.run.process.groups import Member, group_members, open_leader, signal_group

NO_SUCH_GROUP = 100_000_000
SLEEP = shutil.which("sleep") or "sleep"


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that leads a group and does nothing."""
    process = subprocess.Popen([SLEEP, "1000"], process_group=0, stdout=subprocess.DEVNULL)
    yield process
    process.kill()
    process.wait()


def test_a_group_with_a_process_is_not_empty_until_it_was_killed(sleeper: subprocess.Popen[bytes]) -> None:
    assert group_members(sleeper.pid) == [Member(sleeper.pid, "sleep")]
    assert str(Member(123, "ffmpeg")) == "123 ffmpeg"
    assert signal_group(sleeper.pid, signal.SIGKILL)
    sleeper.wait()
    assert not group_members(sleeper.pid)
    assert not signal_group(sleeper.pid, signal.SIGKILL)


def test_a_signal_reaches_all_of_the_group(sleeper: subprocess.Popen[bytes]) -> None:
    second = subprocess.Popen([SLEEP, "1000"], process_group=sleeper.pid, stdout=subprocess.DEVNULL)
    assert signal_group(sleeper.pid, signal.SIGTERM)
    assert [process.wait() for process in (sleeper, second)] == [-signal.SIGTERM] * 2


def test_a_leader_that_is_gone_does_not_make_a_group_empty(sleeper: subprocess.Popen[bytes]) -> None:
    """That is what the sweep is for."""
    second = subprocess.Popen([SLEEP, "1000"], process_group=sleeper.pid, stdout=subprocess.DEVNULL)
    try:
        sleeper.kill()
        sleeper.wait()
        assert group_members(sleeper.pid)
    finally:
        assert signal_group(sleeper.pid, signal.SIGKILL)
        second.wait()
    assert not group_members(sleeper.pid)


@pytest.fixture
def leader(sleeper: subprocess.Popen[bytes]) -> Iterator[int]:
    """A descriptor of the process that leads the group."""
    leader = open_leader(sleeper.pid)
    assert leader is not None
    yield leader
    os.close(leader)


def test_a_group_is_reached_by_its_leader_also_when_that_is_reaped(
    sleeper: subprocess.Popen[bytes], leader: int
) -> None:
    second = subprocess.Popen([SLEEP, "1000"], process_group=sleeper.pid, stdout=subprocess.DEVNULL)
    sleeper.kill()
    sleeper.wait()
    assert group_members(sleeper.pid, leader) == [Member(second.pid, "sleep")]
    assert signal_group(sleeper.pid, signal.SIGKILL, leader)
    assert second.wait() == -signal.SIGKILL
    assert not signal_group(sleeper.pid, signal.SIGKILL, leader)
    assert not group_members(sleeper.pid, leader)


def test_a_number_that_is_another_group_by_now_is_not_signalled(sleeper: subprocess.Popen[bytes], leader: int) -> None:
    """The descriptor decides: here it is that of a group that is gone, and the number that of a group that lives."""
    if not _signals_groups(leader):
        pytest.skip("the kernel signals groups by a descriptor since Linux 6.9")
    other = subprocess.Popen([SLEEP, "1000"], process_group=0, stdout=subprocess.DEVNULL)
    try:
        sleeper.kill()
        sleeper.wait()
        assert not signal_group(other.pid, signal.SIGKILL, leader)
        assert not group_members(other.pid, leader)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_an_older_kernel_takes_the_number(
    monkeypatch: pytest.MonkeyPatch, sleeper: subprocess.Popen[bytes], leader: int
) -> None:
    def refuse(*args: object) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(signal, "pidfd_send_signal", refuse)
    assert group_members(sleeper.pid, leader)
    assert signal_group(sleeper.pid, signal.SIGKILL, leader)
    assert sleeper.wait() == -signal.SIGKILL


def test_a_kernel_without_such_descriptors_has_none(
    monkeypatch: pytest.MonkeyPatch, sleeper: subprocess.Popen[bytes]
) -> None:
    def refuse(pid: int) -> int:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    assert open_leader(sleeper.pid) is None


def _signals_groups(leader: int) -> bool:
    try:
        signal.pidfd_send_signal(leader, 0, None, 4)
    except OSError as error:
        return error.errno != errno.EINVAL
    return True


def test_a_zombie_does_not_count(sleeper: subprocess.Popen[bytes]) -> None:
    """A grandchild waits for whoever adopted it, perhaps for long; it holds no file any more."""
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert not group_members(sleeper.pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_group_that_is_not_there_is_no_error(number: signal.Signals) -> None:
    assert not signal_group(NO_SUCH_GROUP, number)
    assert not group_members(NO_SUCH_GROUP)


def test_a_group_that_may_not_be_signalled_is_looked_at(
    monkeypatch: pytest.MonkeyPatch, sleeper: subprocess.Popen[bytes]
) -> None:
    """EPERM says that something is there, or was when the number was given to another."""

    def refuse(*args: object) -> None:
        raise PermissionError

    with monkeypatch.context() as patched:
        patched.setattr("transcoded.run.process.groups.os.killpg", refuse)
        assert not signal_group(sleeper.pid, signal.SIGTERM)
        assert group_members(sleeper.pid)
        assert not group_members(NO_SUCH_GROUP)


def test_processes_that_vanish_during_the_look_are_no_error(
    monkeypatch: pytest.MonkeyPatch, sleeper: subprocess.Popen[bytes]
) -> None:
    def gone(pid: int) -> int:
        raise ProcessLookupError

    with monkeypatch.context() as patched:
        patched.setattr("transcoded.run.process.groups.os.getpgid", gone)
        assert not group_members(sleeper.pid)
