"""The filter of system calls for the sandbox: a program of classic BPF (seccomp(2), SECCOMP_MODE_FILTER), as bytes for bwrap.

ffmpeg, its libraries and the drivers of graphics cards use many system calls, and other ones in each version. So what is
refused is listed, and not what is allowed:

* calls that change or look into other processes, that mount, that load code into the kernel, or that change the machine;
* parts of the kernel that are large, that no decoder needs, and that exploits begin with: io_uring, bpf, userfaultfd,
  perf_event_open, keys;
* new namespaces, sockets other than UNIX sockets, and input typed into a terminal (TIOCSTI, TIOCLINUX).

A refused call fails with EPERM. clone3(2) takes its flags in memory, where a filter cannot read them; it fails with ENOSYS, and
every C library then uses clone(2). So does each call that is newer than this list. A call of another architecture (32-bit code on
a 64-bit machine) kills the process.
"""

import struct
from collections.abc import Mapping, Sequence

DENIED = {
    # name: (number on x86_64, number on aarch64; None: no such call). linux/unistd.h of Linux 6.5.
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "memfd_secret": (447, 447),
    "migrate_pages": (256, 238),
    "modify_ldt": (154, None),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "name_to_handle_at": (303, 264),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "uselib": (134, None),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
}
"""System calls that always fail with EPERM."""

CONDITIONAL = {"clone": (56, 220), "clone3": (435, 435), "ioctl": (16, 29), "socket": (41, 198)}
"""System calls whose arguments decide, and clone3."""

LAST_KNOWN = 450
"""The highest number of a system call in the kernel headers that this list was made from, for both architectures."""

_MACHINES: Mapping[str, tuple[int, int]] = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""The column of the tables, and the AUDIT_ARCH of linux/audit.h, by the name of uname(2)."""

ALLOW, KILL_PROCESS, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
"""Results of a filter (linux/seccomp.h); the last two with the error number in the low bits."""

CLONE_NEW = 0x7E020000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET."""

AF_UNIX = 1
TIOCSTI, TIOCLINUX = 0x5412, 0x541C

# Opcodes of linux/bpf_common.h: load a word of `struct seccomp_data`, compare and jump, return.
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
# Offsets in `struct seccomp_data`, of the low words of the arguments on a little-endian machine.
_NUMBER, _ARCHITECTURE, _ARGUMENT_0, _ARGUMENT_1 = 0, 4, 16, 24

_Instruction = tuple[int, int, int, int]


def syscall_filter(machine: str) -> bytes | None:
    """The filter for a machine, as uname(2) names it: an array of `struct sock_filter`. None for a machine that is not known."""
    if machine not in _MACHINES:
        return None
    column, architecture = _MACHINES[machine]
    program = [
        *((_LOAD, 0, 0, _ARCHITECTURE), (_IF_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, KILL_PROCESS)),
        (_LOAD, 0, 0, _NUMBER),
        # Also the calls of the x32 ABI, whose numbers have bit 30 set.
        *_if(_IF_AT_LEAST, LAST_KNOWN + 1, [_returned(ENOSYS)]),
        *_if(_IF_EQUAL, CONDITIONAL["clone3"][column], [_returned(ENOSYS)]),
    ]
    for numbers in DENIED.values():
        number = numbers[column]
        if number is not None:
            program += _if(_IF_EQUAL, number, [_returned(EPERM)])
    new_namespace = [(_LOAD, 0, 0, _ARGUMENT_0), *_if(_IF_ANY_BIT, CLONE_NEW, [_returned(EPERM)]), _returned(ALLOW)]
    only_unix = [(_LOAD, 0, 0, _ARGUMENT_0), *_if(_IF_EQUAL, AF_UNIX, [_returned(ALLOW)]), _returned(EPERM)]
    no_typing = [
        (_LOAD, 0, 0, _ARGUMENT_1),
        *_if(_IF_EQUAL, TIOCSTI, [_returned(EPERM)]),
        *_if(_IF_EQUAL, TIOCLINUX, [_returned(EPERM)]),
        _returned(ALLOW),
    ]
    for name, block in (("clone", new_namespace), ("socket", only_unix), ("ioctl", no_typing)):
        program += _if(_IF_EQUAL, CONDITIONAL[name][column], block)
    program.append(_returned(ALLOW))
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)


def _if(test: int, value: int, block: Sequence[_Instruction]) -> Sequence[_Instruction]:
    """The block, which is jumped over if the test of the loaded word fails."""
    return [(test, 0, len(block), value), *block]


def _returned(result: int) -> _Instruction:
    return (_RETURN, 0, 0, result)
