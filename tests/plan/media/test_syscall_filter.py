"""The filter of system calls, run by a small machine for classic BPF: a wrong jump would allow what it should refuse, or all."""

import re
import struct
from pathlib import Path

import pytest

from transcoded.plan.media.syscall_filter import (
    AF_UNIX,
    ALLOW,
    CLONE_NEW,
    CONDITIONAL,
    DENIED,
    ENOSYS,
    EPERM,
    KILL_PROCESS,
    LAST_KNOWN,
    TIOCLINUX,
    TIOCSTI,
    syscall_filter,
)

MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
# What ffmpeg cannot do without: read, write, openat, mmap, mprotect, futex, exit_group, execve (x86_64 numbers).
NEEDED = [0, 1, 257, 9, 10, 202, 231, 59]


def run(program: bytes, number: int, arguments: tuple[int, ...] = (), architecture: int = 0xC000003E) -> int:
    """The result of a filter for one call."""
    arguments = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("<IIQ6Q", number, architecture, 0, *arguments)
    instructions = list(struct.iter_unpack("<HBBI", program))
    word = position = 0
    while True:
        code, yes, no, value = instructions[position]
        position += 1
        match code:
            case 0x20:
                (word,) = struct.unpack_from("<I", data, value)
            case 0x15 | 0x35 | 0x45:
                true = {0x15: word == value, 0x35: word >= value, 0x45: bool(word & value)}[code]
                position += yes if true else no
            case 0x06:
                return int(value)
            case _:
                raise AssertionError(f"no such instruction: {code:#x}")


@pytest.fixture(params=MACHINES, name="machine")
def _machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_what_is_listed_is_refused(machine: str) -> None:
    program = syscall_filter(machine)
    assert program is not None
    column, architecture = MACHINES[machine]
    for name, numbers in DENIED.items():
        number = numbers[column]
        if number is not None:
            assert run(program, number, architecture=architecture) == EPERM, name


def test_all_others_are_allowed(machine: str) -> None:
    program = syscall_filter(machine)
    assert program is not None
    column, architecture = MACHINES[machine]
    listed = {numbers[column] for numbers in (*DENIED.values(), *CONDITIONAL.values())}
    for number in range(LAST_KNOWN + 1):
        if number not in listed:
            assert run(program, number, architecture=architecture) == ALLOW
    assert not listed & set(NEEDED) or machine != "x86_64"


def test_what_is_newer_than_the_list_does_not_exist(machine: str) -> None:
    """A kernel that is updated must not open doors that nobody has looked at."""
    program = syscall_filter(machine)
    assert program is not None
    column, architecture = MACHINES[machine]
    for number in (LAST_KNOWN + 1, 1000, 0x40000000, 0x40000000 | 59, 0xFFFFFFFF, CONDITIONAL["clone3"][column]):
        assert run(program, number, architecture=architecture) == ENOSYS


def test_another_architecture_is_killed(machine: str) -> None:
    """Its calls have other numbers, so the list would refuse the wrong ones."""
    program = syscall_filter(machine)
    assert program is not None
    for architecture in (0x40000003, 0x40000028, 0):
        assert run(program, 0, architecture=architecture) == KILL_PROCESS


@pytest.mark.parametrize(
    ("name", "arguments", "result"),
    [
        ("clone", (0x003D0F00,), ALLOW),
        ("clone", (17,), ALLOW),
        *[("clone", (17 | 1 << bit,), EPERM) for bit in range(32) if CLONE_NEW >> bit & 1],
        ("socket", (AF_UNIX,), ALLOW),
        *[("socket", (family,), EPERM) for family in (0, 2, 10, 16, 17, 38, 40)],
        ("ioctl", (0, TIOCSTI), EPERM),
        ("ioctl", (0, TIOCLINUX), EPERM),
        ("ioctl", (0, TIOCSTI | 1 << 32), EPERM),
        ("ioctl", (0, 0x5401), ALLOW),
    ],
)
def test_arguments_decide_for_some(machine: str, name: str, arguments: tuple[int, ...], result: int) -> None:
    program = syscall_filter(machine)
    assert program is not None
    column, architecture = MACHINES[machine]
    assert run(program, CONDITIONAL[name][column], arguments, architecture) == result


def test_the_numbers_are_those_of_the_kernel(machine: str) -> None:
    if not HEADERS[machine].exists():
        pytest.skip("the headers of the kernel are not installed (Debian's package linux-libc-dev)")
    text = HEADERS[machine].read_text("ascii")
    numbers = {name: int(number) for name, number in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)\b", text)}
    column = MACHINES[machine][0]
    for name, pair in (*DENIED.items(), *CONDITIONAL.items()):
        assert numbers.get(name) == pair[column], name


def test_it_fits_into_any_pipe(machine: str) -> None:
    """It is written into a pipe that nobody reads yet, by the reactor."""
    program = syscall_filter(machine)
    assert program is not None
    assert len(program) < 4096
    assert len(program) % 8 == 0


def test_for_an_unknown_machine_there_is_none() -> None:
    assert syscall_filter("riscv64") is None
