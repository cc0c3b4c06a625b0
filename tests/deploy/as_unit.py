"""Becomes a unit's program the way that systemd would: the listening socket passed on, no capabilities, and its system calls filtered.

    python -m tests.deploy.as_unit CONFINEMENT COMMAND…

CONFINEMENT is JSON: `{"syscalls": […], "families": […], "nofile": n}`. The socket listens before the program runs, as it is with socket
activation. The pid stays, so LISTEN_PID is right.
"""

import ctypes
import json
import os
import resource
import socket
import sys
from collections.abc import Sequence

_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_SET_MDWE = 24, 38, 65
_ALLOW, _ERRNO_EPERM = 0x7FFF0000, 0x00050001
_CMP_EQ = 4


class _Comparison(ctypes.Structure):
    """libseccomp's scmp_arg_cmp."""

    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


def main() -> None:
    """Confine this process and become the command."""
    confinement = json.loads(sys.argv[1])
    listening = socket.create_server(("127.0.0.1", 0)).detach()
    if listening != 3:
        os.dup2(listening, 3)
    os.set_inheritable(3, True)
    os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid()), "LISTEN_FDNAMES": "transcoded.socket"}
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() == 0:
        for capability in range(41):
            _done(libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0))
    _done(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    # Memory that is both writable and executable is refused from here on, where the kernel knows this (6.3).
    libc.prctl(_PR_SET_MDWE, 1, 0, 0, 0)
    os.umask(0o077)
    # The program is this very interpreter, which has loaded all it needs for the last call.
    _filter(confinement["syscalls"], confinement["families"])
    os.execv(sys.argv[2], sys.argv[2:])


def _filter(syscalls: Sequence[str], families: Sequence[int]) -> None:
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(_ERRNO_EPERM)))
    for name in syscalls:
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            continue
        if name == "socket":
            for family in families:
                only = _Comparison(0, _CMP_EQ, family, 0)
                _done(
                    seccomp.seccomp_rule_add_array(
                        context, ctypes.c_uint32(_ALLOW), number, ctypes.c_uint(1), ctypes.byref(only)
                    )
                )
        else:
            _done(seccomp.seccomp_rule_add_array(context, ctypes.c_uint32(_ALLOW), number, ctypes.c_uint(0), None))
    _done(seccomp.seccomp_load(context))


def _done(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno() or -result, "the confinement does not work here")


if __name__ == "__main__":
    main()
