"""What a program can do in the sandbox: run in it by `test_sandbox`, with nothing but the standard library. Writes JSON.

Each attempt is what a decoder that a file has taken over would try next. The answer is "done", or the name of the error.
"""

import ctypes
import errno
import json
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000


def call(name: str, *arguments: object) -> int:
    """A function of the C library; raises OSError."""
    result = int(getattr(_LIBC, name)(*arguments))
    if result == -1:
        raise OSError(ctypes.get_errno(), name)
    return result


def system_call(number: int, *arguments: object) -> int:
    """A system call by its number; raises OSError."""
    return call("syscall", ctypes.c_long(number), *arguments)


def outcome(attempt: Callable[[], object]) -> str:
    """How an attempt ends."""
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "done"


def write(path: str, size: int = 1) -> None:
    """Write a file."""
    with open(path, "wb") as file:
        file.write(bytes(size))


def tree(path: str) -> list[str]:
    """The names in a directory; none if it is not there."""
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def signal_others() -> None:
    """Signal every process that can be signalled, except oneself."""
    os.kill(-1, 0)


def main() -> None:
    """Look around, try everything, and report."""
    where, secret, victim = sys.argv[1:]
    by_number = {"x86_64": {"io_uring_setup": 425, "bpf": 321, "userfaultfd": 323, "keyctl": 250, "clone3": 435}}
    numbers = by_number.get(os.uname().machine, {})
    attempts: dict[str, Callable[[], object]] = {
        "read a file of the host": lambda: open(secret, "rb").close(),
        "write beside the input": lambda: write(f"{where}/x"),
        "write to /": lambda: write("/x"),
        "write to /dev": lambda: write("/dev/shm/x"),
        "write to /usr": lambda: write("/usr/lib/x"),
        "write a little to /tmp": lambda: write("/tmp/x"),
        "write 17 MiB to /tmp": lambda: write("/tmp/y", 17 << 20),
        "run a shell": lambda: os.execv("/bin/sh", ["sh", "-c", "exit 0"]),
        "signal the daemon": lambda: os.kill(int(victim), 0),
        "signal anybody": signal_others,
        "connect to the host": lambda: socket.create_connection(("127.0.0.1", 9)),
        "open a socket of the network": lambda: socket.socket(socket.AF_INET),
        "open a socket of IPv6": lambda: socket.socket(socket.AF_INET6),
        "open a netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
        "open a packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
        "open a vsock": lambda: socket.socket(socket.AF_VSOCK),
        "open a UNIX socket": lambda: socket.socket(socket.AF_UNIX).close(),
        "new user namespace": lambda: call("unshare", CLONE_NEWUSER),
        "new network": lambda: call("unshare", CLONE_NEWNET),
        "mount": lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
        "unmount": lambda: call("umount2", b"/tmp", 2),
        "change root": lambda: os.chroot("/tmp"),
        "trace": lambda: call("ptrace", 0, 0, 0, 0),
        "change the host name": lambda: socket.sethostname("x"),
        "change the personality": lambda: call("personality", 0x0040000),
        "a setuid program's rights": lambda: call("prctl", 38, 0, 0, 0, 0),
        **{name: partial(system_call, number, 0, 0, 0) for name, number in numbers.items()},
    }
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text("ascii").splitlines())
    report = {
        "attempts": {name: outcome(attempt) for name, attempt in attempts.items()},
        "variables": sorted(os.environ),
        "descriptors": sorted(fd for fd in map(int, os.listdir("/proc/self/fd")) if _is_open(fd)),
        "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()),
        "files": {
            path: tree(path)
            for path in (
                *(
                    "/",
                    "/etc",
                    "/usr",
                    "/usr/bin",
                    "/usr/share",
                    "/usr/share/vulkan",
                    "/bin",
                    "/home",
                    "/sys",
                    "/tmp",
                    "/dev",
                ),
                *("/run", "/var", "/var/cache"),
            )
        },
        "status": {name: status[name].strip() for name in ("NoNewPrivs", "Seccomp", "CapEff", "CapBnd")},
        "host name": socket.gethostname(),
    }
    sys.stdout.write(json.dumps(report))


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
