"""Helpers of a request: whole output or a clear failure, and never a process that is left."""

import errno
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from twisted.internet.defer import CancelledError, Deferred

from tests.run.fakes import (
    ENVIRONMENT,
    GRACE,
    KILLED,
    TOKEN,
    Child,
    Machine,
    new_commands,
    new_file,
    new_leases,
    result_of,
    results,
    run_command,
)
from transcoded.plan.endings import Reason
from transcoded.plan.errors import NotMedia, TimedOut, TranscodeFailed, Unavailable
from transcoded.plan.media.launcher import Launcher
from transcoded.run.files.leases import FileLeases
from transcoded.run.process import commands as commands_module
from transcoded.run.process.commands import (
    LARGE,
    MAX_ASIDE,
    MAX_ASIDE_PER_CLIENT,
    MAX_AT_ONCE,
    MAX_PER_CLIENT,
    PATIENCE,
    SLOW,
    Commands,
    Output,
)
from transcoded.run.process.exit_status import ExitStatus

DEADLINE = 30.0
ALL = MAX_AT_ONCE + MAX_ASIDE


class OnePermit:
    """A permit that notes whether its owner still has it."""

    def __init__(self) -> None:
        self.held = False
        self.taken = 0

    @contextmanager
    def take(self) -> Iterator[None]:
        """Take it over, for as long as the block runs."""
        self.held = True
        self.taken += 1
        try:
            yield
        finally:
            self.held = False


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers of the pretended processes may belong to real ones, which compute."""
    monkeypatch.setattr(commands_module, "cpu_demand", lambda pid: 0.0)
    monkeypatch.setattr(commands_module, "resident_bytes", lambda pid: 1)


@pytest.fixture
def leases(machine: Machine) -> FileLeases:
    return new_leases(machine)


@pytest.fixture
def commands(machine: Machine, leases: FileLeases) -> Commands:
    return new_commands(machine, Launcher(setsid="/usr/bin/setsid"), leases)


def test_it_is_started_through_the_launcher_and_marked_as_ours(machine: Machine, commands: Commands) -> None:
    """So that the next daemon finds it if this one dies."""
    result = run_command(commands)
    assert machine.last.argv == ["/usr/bin/setsid", "/nowhere/ffprobe", "-i", "file:a"]
    assert machine.last.environment == {**ENVIRONMENT, "TRANSCODED_TOKEN": TOKEN}
    machine.last.exit()
    assert isinstance(result_of(result), Output)


def test_the_output_is_given_whole(machine: Machine, commands: Commands) -> None:
    result = run_command(commands)
    child = machine.last
    for part in (b'{"a"', b": 1}", b"\n"):
        child.write(part)
        machine.turn()
    child.exit()
    assert not result.called, "what is in the pipe belongs to it"
    machine.turn()
    output = result_of(result)
    assert output.data == b'{"a": 1}\n'
    assert (output.status.reason, output.status.exit_code) == (Reason.FINISHED, 0)


def test_a_bad_exit_is_a_result_too(machine: Machine, commands: Commands) -> None:
    """ffprobe says with its status that a file is no media; that is an answer."""
    result = run_command(commands)
    machine.last.write(b"{}")
    machine.last.write(b"Invalid data", 2)
    machine.last.exit(1)
    output = result_of(result)
    assert output.status.exit_code == 1
    assert output.status.stderr_tail == "Invalid data"


def test_no_output_is_a_result_too(machine: Machine, commands: Commands) -> None:
    result = run_command(commands)
    machine.last.exit()
    assert result_of(result).data == b""


def test_one_that_is_through_before_it_was_started(machine: Machine, commands: Commands, leases: FileLeases) -> None:
    def quick(child: Child) -> None:
        child.write(b"{}")
        child.exit()

    machine.on_spawn = quick
    result = run_command(commands)
    machine.turn()
    assert result_of(result).data == b"{}"
    assert len(leases) == 0


# Failures.


def test_the_deadline_is_the_waiters_and_the_grace_the_processs(machine: Machine, commands: Commands) -> None:
    """The client gets its 504 in time, even if the process cannot be ended for a while."""
    result = run_command(commands, DEADLINE)
    machine.advance(DEADLINE - 1)
    assert not result.called
    machine.advance(1)
    assert isinstance(result_of(result), TimedOut)
    assert machine.groups.names() == ["SIGTERM", "SIGCONT"]
    machine.advance(GRACE)
    assert machine.groups.names() == KILLED
    machine.last.die(signal.SIGKILL)


def test_one_that_nobody_waits_for_any_more_is_ended(machine: Machine, commands: Commands, leases: FileLeases) -> None:
    result = run_command(commands)
    result.cancel()
    assert isinstance(result_of(result), CancelledError)
    assert machine.groups.names() == ["SIGTERM", "SIGCONT"]
    assert len(leases) == 1, "it still has the file open"
    machine.last.exit(255)
    assert len(leases) == 0
    assert machine.timers == []


@pytest.mark.parametrize("parts", [[101], [60, 41]])
def test_more_output_than_a_few_is_a_failure(machine: Machine, commands: Commands, parts: list[int]) -> None:
    """A hostile file must not fill the memory with its description."""
    result = run_command(commands, max_bytes=100)
    child = machine.last
    for size in parts:
        child.write(bytes(size))
        machine.turn()
    assert machine.groups.names() == ["SIGTERM", "SIGCONT"]
    child.exit(255)
    problem = result_of(result)
    assert isinstance(problem, NotMedia), "the file is to blame: to ask again helps nobody"
    assert "100 bytes" in problem.detail


def test_as_much_as_is_allowed_is_allowed(machine: Machine, commands: Commands) -> None:
    result = run_command(commands, max_bytes=100)
    machine.last.write(bytes(100))
    machine.last.exit()
    machine.turn()
    assert len(result_of(result).data) == 100


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), TranscodeFailed),
        (PermissionError(errno.EACCES, "Permission denied"), TranscodeFailed),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), Unavailable),
    ],
)
def test_one_that_cannot_be_started_leaves_nothing(
    machine: Machine, commands: Commands, leases: FileLeases, problem: OSError, kind: type[Exception]
) -> None:
    """Neither a hold nor a place: after `MAX_AT_ONCE` of them nobody could look at a file again."""
    machine.refuse = problem
    for _ in range(MAX_AT_ONCE + 1):
        assert isinstance(result_of(run_command(commands)), kind)
    assert len(leases) == 0
    assert machine.timers == []
    assert list(results(commands.stop())) == [[]]


def test_those_that_run_are_known_to_the_monitor_until_they_are_gone(machine: Machine, commands: Commands) -> None:
    """A helper that takes all memory harms a server as much as an encoder does."""
    results = [run_command(commands) for _ in range(2)]
    first, second = commands.live()
    assert (first.child.pid, second.child.pid) == (machine.children[0].pid, machine.children[1].pid)
    assert not first.is_ending
    first.end(Reason.OVERLOAD, NotMedia("It takes too much."))
    machine.turn()
    assert first.is_ending
    assert isinstance(result_of(results[0]), NotMedia)
    machine.children[0].exit(255)
    assert commands.live() == [second]
    machine.children[1].exit(1)
    assert commands.live() == []
    assert isinstance(result_of(results[1]), Output)


# Places.


def test_more_than_a_few_wait_for_their_turn(machine: Machine, commands: Commands) -> None:
    """A folder of a thousand films must not start a thousand ffprobes at once."""
    running = [run_command(commands, client=f"c{n}") for n in range(MAX_AT_ONCE + 2)]
    assert len(machine.children) == MAX_AT_ONCE
    machine.children[0].exit(1)
    machine.turn()
    assert len(machine.children) == MAX_AT_ONCE + 1
    machine.children[1].exit(1)
    machine.turn()
    assert len(machine.children) == MAX_AT_ONCE + 2
    for child in machine.children[2:]:
        child.exit(1)
    assert all(isinstance(result_of(result), Output) for result in running)


def test_slow_files_of_one_client_keep_no_other_client_waiting(machine: Machine, commands: Commands) -> None:
    running = [run_command(commands, client="greedy") for _ in range(1000)]
    machine.turn()
    assert len(machine.children) == MAX_PER_CLIENT
    refused = [result for result in running if result.called]
    assert all(isinstance(result_of(result), Unavailable) for result in refused)
    modest = run_command(commands, client="modest")
    machine.last.exit(1)
    assert isinstance(result_of(modest), Output), "it has not waited for any of them"
    for result in running:
        result.cancel()
        result.addErrback(lambda _: None)
    for child in machine.children[:MAX_PER_CLIENT]:
        child.exit(255)
    machine.turn()
    assert len(machine.children) == MAX_PER_CLIENT + 1


def fill(machine: Machine, commands: Commands, deadline: float = DEADLINE) -> "list[Deferred[Output]]":
    """Slow files of so many clients that no place is left, and no room aside."""
    running = [run_command(commands, deadline, client=f"c{n}") for n in range(ALL)]
    while len(machine.children) < ALL:
        before = len(machine.children)
        machine.advance(SLOW)
        machine.turn()
        assert len(machine.children) > before
    return running


def test_a_place_is_free_only_when_its_process_is_gone(machine: Machine, commands: Commands) -> None:
    """Else files on a dead mount would let as many more hang, and so on."""
    running = fill(machine, commands)
    machine.advance(DEADLINE)
    assert all(isinstance(result_of(result), TimedOut) for result in running)
    late = run_command(commands, DEADLINE)
    machine.turn()
    assert len(machine.children) == ALL
    machine.last.exit(255)
    machine.turn()
    assert len(machine.children) == ALL + 1
    for child in machine.children:
        if not child.gone:
            child.exit(255)
    assert isinstance(result_of(late), Output)


@pytest.mark.parametrize("client", ["c0", "another"])
def test_eight_slow_files_hold_nobody_up(machine: Machine, commands: Commands, client: str) -> None:
    """Whosever they are: a disk that sleeps is nobody's fault."""
    slow = [run_command(commands, client=f"c{n // MAX_PER_CLIENT}") for n in range(MAX_AT_ONCE)]
    ninth = run_command(commands, client=client)
    assert len(machine.children) == MAX_AT_ONCE
    machine.advance(SLOW)
    machine.turn()
    machine.last.exit()
    machine.turn()
    assert isinstance(result_of(ninth), Output)
    for child in machine.children[:-1]:
        child.exit()
    machine.turn()
    assert all(isinstance(result_of(result), Output) for result in slow), "and they are not lost"


def test_a_hundred_slow_files_of_one_client_hold_no_other_up_and_itself_not_for_ever(
    machine: Machine, commands: Commands
) -> None:
    greedy = [run_command(commands, DEADLINE, client="greedy") for _ in range(100)]
    for _ in range(10):
        machine.advance(SLOW)
        machine.turn()
    assert len(machine.children) == MAX_PER_CLIENT + MAX_ASIDE_PER_CLIENT
    modest = run_command(commands, DEADLINE, client="modest")
    machine.last.exit()
    machine.turn()
    assert isinstance(result_of(modest), Output), "it has not waited at all"
    machine.advance(PATIENCE)
    machine.turn()
    problems = [result_of(result) for result in greedy if result.called]
    assert len(problems) >= 100 - MAX_PER_CLIENT - MAX_ASIDE_PER_CLIENT
    assert all(isinstance(problem, Unavailable) and "Retry-After" in problem.headers for problem in problems)
    own = run_command(commands, DEADLINE, client="greedy")
    for child in machine.children:
        if child.pid in {sent.pgid for sent in machine.groups.sent} and not child.gone:
            child.exit(255)
    machine.turn()
    machine.advance(SLOW)
    machine.turn()
    machine.last.exit()
    machine.turn()
    assert isinstance(result_of(own), Output)
    for child in machine.children:
        if not child.gone:
            child.exit()
    for result in greedy:
        result.addErrback(lambda _: None)


def test_for_a_client_that_has_nothing_a_slow_file_of_one_that_has_many_is_given_up(
    machine: Machine, commands: Commands
) -> None:
    """Two clients with a dead disk fill all places, and a third one has nothing to do with it."""
    greedy = [run_command(commands, DEADLINE, client=f"greedy {n % 2}") for n in range(ALL)]
    for _ in range(10):
        machine.advance(SLOW)
        machine.turn()
    assert len(machine.children) == ALL
    modest = run_command(commands, DEADLINE, client="modest")
    machine.turn()
    (ended,) = {sent.pgid for sent in machine.groups.sent}
    assert ended == machine.children[0].pid, "the one that has had the most time"
    problem = result_of(greedy[0])
    assert isinstance(problem, Unavailable)
    machine.children[0].exit(255)
    machine.turn()
    machine.last.exit()
    machine.turn()
    assert isinstance(result_of(modest), Output)
    for child in machine.children:
        if not child.gone:
            child.exit()


@pytest.mark.parametrize("what", ["resident_bytes", "cpu_demand"])
def test_one_that_takes_much_memory_or_computes_keeps_its_place(
    machine: Machine, commands: Commands, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """The memory and the CPUs of a machine are enough for a few such files."""
    demands = iter(range(1, 10_000))
    sizes: dict[int | None, float] = {}

    def measure(pid: int) -> float:
        return sizes.get(pid, LARGE + 1 if what == "resident_bytes" else next(demands))

    monkeypatch.setattr(commands_module, what, measure)
    hogs = [run_command(commands, client=f"c{n}") for n in range(MAX_AT_ONCE)]
    late = run_command(commands)
    machine.advance(SLOW)
    machine.turn()
    assert len(machine.children) == MAX_AT_ONCE
    sizes[machine.children[0].pid] = LARGE if what == "resident_bytes" else 0
    machine.advance(SLOW)
    machine.turn()
    assert len(machine.children) == MAX_AT_ONCE + 1
    for child in machine.children:
        child.exit()
    machine.turn()
    assert all(isinstance(result_of(result), Output) for result in [*hogs, late])


def test_a_permit_is_given_back_only_when_its_process_is_gone(machine: Machine, commands: Commands) -> None:
    """Else a client that asks and leaves again and again has more processes than slots."""
    permit = OnePermit()
    result = run_command(commands, permit=permit)
    result.cancel()
    assert isinstance(result_of(result), CancelledError)
    assert permit.held
    machine.last.exit(255)
    assert not permit.held


def test_a_permit_is_given_back_if_nothing_is_started(machine: Machine, commands: Commands) -> None:
    commands.stop()
    permit = OnePermit()
    assert isinstance(result_of(run_command(commands, permit=permit)), Unavailable)
    assert not permit.held
    assert permit.taken == 1


def test_who_waits_for_a_place_is_told_in_time_to_come_again(machine: Machine, commands: Commands) -> None:
    running = fill(machine, commands, 1000)
    late = run_command(commands, DEADLINE)
    machine.advance(PATIENCE)
    problem = result_of(late)
    assert isinstance(problem, Unavailable)
    assert "Retry-After" in problem.headers
    for child in machine.children:
        child.exit(1)
    assert len(machine.children) == ALL
    assert all(isinstance(result_of(result), Output) for result in running)


def test_who_leaves_the_queue_takes_no_place(machine: Machine, commands: Commands) -> None:
    running = [run_command(commands, client=f"c{n}") for n in range(MAX_AT_ONCE)]
    late = run_command(commands)
    late.cancel()
    assert isinstance(result_of(late), CancelledError)
    for child in machine.children:
        child.exit(1)
    assert len(machine.children) == MAX_AT_ONCE
    assert all(isinstance(result_of(result), Output) for result in running)
    again = run_command(commands)
    machine.last.exit(1)
    assert isinstance(result_of(again), Output)


# Files that are released.


def test_a_file_that_is_released_is_let_go_of(machine: Machine, commands: Commands, leases: FileLeases) -> None:
    """The client hears at once that it may come again; the release waits until the process is gone."""
    result = run_command(commands)
    release = leases.release_file("films/a.mkv", None)
    free = release.when_free()
    machine.turn()
    problem = result_of(result)
    assert isinstance(problem, Unavailable)
    assert "released" in problem.detail
    assert not free.called
    assert isinstance(result_of(run_command(commands)), Unavailable)
    machine.last.exit(255)
    assert free.called
    assert len(machine.children) == 1
    release.readmit()
    again = run_command(commands)
    machine.last.exit(1)
    assert isinstance(result_of(again), Output)


# The stop.


def test_a_stop_with_nothing_to_end_is_through_at_once(commands: Commands) -> None:
    assert list(results(commands.stop())) == [[]]


def test_a_stop_ends_all_waits_for_all_and_refuses_the_next(machine: Machine, commands: Commands) -> None:
    running = [run_command(commands) for _ in range(2)]
    stopped = commands.stop()
    assert machine.groups.names() == ["SIGTERM", "SIGCONT"] * 2
    assert isinstance(result_of(run_command(commands)), Unavailable)
    assert len(machine.children) == 2
    machine.children[0].exit(255)
    assert not stopped.called
    machine.children[1].exit(255)
    assert stopped.called
    assert [result_of(result).status.reason for result in running] == [Reason.SHUTDOWN] * 2


def test_who_waits_for_a_place_at_the_stop_is_sent_away(machine: Machine, commands: Commands) -> None:
    running = [run_command(commands, client=f"c{n}") for n in range(MAX_AT_ONCE + 1)]
    stopped = commands.stop()
    for child in list(machine.children):
        child.exit(255)
    machine.turn()
    assert stopped.called
    assert len(machine.children) == MAX_AT_ONCE
    assert isinstance(result_of(running[-1]), Unavailable)
    assert all(isinstance(result_of(result), Output) for result in running[:-1])


def test_a_stop_waits_for_one_that_was_given_up_already(machine: Machine, commands: Commands) -> None:
    result = run_command(commands)
    result.cancel()
    assert isinstance(result_of(result), CancelledError)
    stopped = commands.stop()
    assert not stopped.called
    machine.last.exit(255)
    assert stopped.called


# With a reader.


class Words:
    """Has enough when it has read `wanted`; refuses a full stop."""

    def __init__(self, wanted: bytes) -> None:
        self.wanted = wanted
        self.data = b""

    def feed(self, data: bytes) -> bool:
        if b"." in data:
            raise NotMedia("a full stop")
        self.data += data
        return self.wanted in self.data


def read(commands: Commands, words: Words) -> "Deferred[ExitStatus | None]":
    return Deferred.fromCoroutine(commands.read("/nowhere/ffmpeg", ["-i"], new_file(), DEADLINE, words, "a"))


def test_a_reader_that_has_enough_gets_its_answer_and_the_end_is_proven_behind_it(
    machine: Machine, commands: Commands, leases: FileLeases
) -> None:
    words = Words(b"ab")
    result = read(commands, words)
    child = machine.last
    for part in (b"a", b"b"):
        child.write(part)
        machine.turn()
    machine.turn()
    assert result_of(result) is None
    assert words.data == b"ab"
    assert machine.groups.names()[:1] == ["SIGTERM"]
    assert commands.live(), "it has its place until it is gone"
    assert len(leases) == 1
    child.exit(255)
    machine.turn()
    assert not commands.live()
    assert len(leases) == 0


def test_a_reader_that_does_not_get_enough_gets_the_end(machine: Machine, commands: Commands) -> None:
    result = read(commands, Words(b"never"))
    machine.last.write(b"all")
    machine.turn()
    machine.last.exit(3)
    machine.turn()
    status = result_of(result)
    assert status is not None
    assert status.exit_code == 3


def test_what_a_reader_refuses_is_ended(machine: Machine, commands: Commands) -> None:
    result = read(commands, Words(b"never"))
    child = machine.last
    child.write(b"a.")
    machine.turn()
    machine.turn()
    assert isinstance(result_of(result), NotMedia)
    assert machine.groups.names()
    child.exit(255)
    machine.turn()
    assert not commands.live()


def test_a_reader_that_leaves_ends_it(machine: Machine, commands: Commands) -> None:
    result = read(commands, Words(b"never"))
    child = machine.last
    result.addErrback(lambda failure: failure.trap(CancelledError))
    result.cancel()
    machine.turn()
    assert machine.groups.names()
    child.exit(255)
    machine.turn()
    assert not commands.live()
