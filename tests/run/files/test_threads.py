"""Threads for the disk. A network mount that hangs may keep a thread, but no request and no shutdown."""

import threading
from collections.abc import Iterator

import pytest
from twisted.internet.defer import CancelledError

from tests.run.fakes import Machine, new_threads, result_of
from transcoded.plan.errors import TimedOut, Unavailable
from transcoded.run.files import threads as threads_module
from transcoded.run.files.threads import DEADLINE, Threads


@pytest.fixture
def threads(machine: Machine) -> Iterator[Threads]:
    threads = new_threads(machine)
    yield threads
    threads.stop()


class Disk:
    """One that does not answer until it is let."""

    def __init__(self) -> None:
        self.let = threading.Event()
        self.asked = threading.Event()

    def read(self) -> str:
        self.asked.set()
        assert self.let.wait(30)
        return "read"


def test_a_call_happens_in_another_thread_and_its_result_comes_back(machine: Machine, threads: Threads) -> None:
    def call(word: str, times: int) -> tuple[str, bool, bool]:
        here = threading.current_thread()
        return word * times, here is threading.main_thread(), here.daemon

    result = threads.run(call, "ab", times=2)
    assert not result.called
    machine.run_thread_call()
    assert result_of(result) == ("abab", False, True)


def test_what_it_raises_is_the_waiters(machine: Machine, threads: Threads) -> None:
    result = threads.run(lambda: 1 // 0)
    machine.run_thread_call()
    assert isinstance(result_of(result), ZeroDivisionError)


def test_a_disk_that_does_not_answer_costs_the_waiter_a_deadline_and_no_more(
    machine: Machine, threads: Threads
) -> None:
    disk = Disk()
    result = threads.run(disk.read)
    machine.advance(DEADLINE - 1)
    assert not result.called
    machine.advance(1)
    problem = result_of(result)
    assert isinstance(problem, TimedOut)
    assert "did not answer" in problem.detail
    disk.let.set()
    machine.run_thread_call()
    assert machine.getDelayedCalls() == []


def test_a_waiter_may_leave(machine: Machine, threads: Threads) -> None:
    """The client is gone; the late answer is nobody's."""
    disk = Disk()
    result = threads.run(disk.read)
    result.cancel()
    assert isinstance(result_of(result), CancelledError)
    disk.let.set()
    machine.run_thread_call()
    assert machine.getDelayedCalls() == []


@pytest.mark.parametrize("how", ["cancelled", "late"])
def test_a_late_result_that_must_not_be_lost_is_disposed_of(machine: Machine, threads: Threads, how: str) -> None:
    """An open file that nobody waits for any more: one descriptor for each client that hangs up."""
    disk = Disk()
    disposed: list[str] = []
    result = threads.acquire(disposed.append, disk.read)
    if how == "cancelled":
        result.cancel()
    else:
        machine.advance(DEADLINE)
    assert isinstance(result_of(result), CancelledError if how == "cancelled" else TimedOut)
    disk.let.set()
    machine.run_thread_call()
    assert disposed == ["read"]


def test_a_result_in_time_is_the_waiters_and_not_disposed_of(machine: Machine, threads: Threads) -> None:
    disposed: list[int] = []
    result = threads.acquire(disposed.append, int, "7")
    machine.run_thread_call()
    assert (result_of(result), disposed) == (7, [])


def test_a_late_failure_is_nobodys(machine: Machine, threads: Threads) -> None:
    """There is nothing to dispose of, and no error for the log."""
    disposed: list[int] = []
    result = threads.acquire(disposed.append, int, "no number")
    result.cancel()
    machine.run_thread_call()
    assert isinstance(result_of(result), CancelledError)
    assert disposed == []


def test_a_stop_does_not_wait_for_a_disk_that_hangs(machine: Machine) -> None:
    """`systemctl stop` would end in SIGKILL, and every running film with it."""
    threads = new_threads(machine)
    disk = Disk()
    result = threads.run(disk.read)
    assert disk.asked.wait(30)
    threads.stop()
    disk.let.set()
    machine.run_thread_call()
    assert result_of(result) == "read"
    threads.stop()


def test_a_stop_before_any_call_is_nothing(machine: Machine) -> None:
    threads = new_threads(machine)
    threads.stop()
    threads.stop()


def test_a_call_after_the_stop_fails_and_leaves_no_timer(machine: Machine) -> None:
    """A file that is still being sent when the daemon stops asks for its next block."""
    threads = new_threads(machine)
    result = threads.run(int)
    machine.run_thread_call()
    assert result_of(result) == 0
    threads.stop()
    assert isinstance(result_of(threads.run(int)), Unavailable)
    assert machine.getDelayedCalls() == []


def test_no_more_threads_than_were_allowed(machine: Machine) -> None:
    """A mount that hangs with a thousand requests on it must not make a thousand threads."""
    threads = new_threads(machine, max_threads=2)
    disks = [Disk() for _ in range(5)]
    found = [threads.run(disk.read) for disk in disks]
    assert all(disk.asked.wait(30) for disk in disks[:2])
    assert sum(thread.name.startswith("PoolThread-transcoded-disk") for thread in threading.enumerate()) <= 2
    for disk in disks:
        disk.let.set()
    for _ in disks:
        machine.run_thread_call()
    assert [result_of(result) for result in found] == ["read"] * 5
    threads.stop()


def test_a_disk_that_hangs_keeps_nobody_from_another_one(machine: Machine) -> None:
    """Else one mount that does not answer makes the daemon useless, for as long as it hangs."""
    threads = new_threads(machine, max_threads=8)
    dead, good = Disk(), Disk()
    good.let.set()
    hanging = [threads.of_disk("dead").run(dead.read) for _ in range(100)]
    found = threads.of_disk("good").run(good.read)
    machine.run_thread_call()
    assert result_of(found) == "read"
    machine.advance(DEADLINE)
    assert all(isinstance(result_of(one), TimedOut) for one in hanging)
    again = threads.of_disk("good").acquire(lambda _: None, good.read)
    machine.run_thread_call()
    assert result_of(again) == "read"
    late = threads.of_disk("dead").run(dead.read)
    dead.let.set()
    for _ in range(8 * 3 // 8 + 1):
        machine.run_thread_call()
    assert result_of(late) == "read", "those that waited in vain have left nothing to do"
    assert machine.getDelayedCalls() == []
    threads.stop()


def test_many_disks_that_hang_leave_threads_for_what_needs_none(machine: Machine) -> None:
    """A playlist is written in a thread, too."""
    threads = new_threads(machine, max_threads=8)
    dead = Disk()
    hanging = [threads.of_disk(str(number)).run(dead.read) for number in range(20)]
    written = threads.run(str, 7)
    machine.run_thread_call()
    assert result_of(written) == "7"
    for one in hanging[10:]:
        one.cancel()
        assert isinstance(result_of(one), CancelledError)
    dead.let.set()
    for _ in range(10):
        machine.run_thread_call()
    assert [result_of(one) for one in hanging[:10]] == ["read"] * 10
    threads.stop()


def test_no_more_requests_wait_for_a_disk_than_are_of_use(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads_module, "MAX_WAITING_PER_DISK", 2)
    threads = new_threads(machine, max_threads=8)
    dead = Disk()
    found = [threads.of_disk("dead").run(dead.read) for _ in range(6)]
    assert isinstance(result_of(found[-1]), Unavailable)
    dead.let.set()
    for _ in found[:-1]:
        machine.run_thread_call()
    assert [result_of(one) for one in found[:-1]] == ["read"] * 5
    threads.stop()
