"""The sandbox: the options with which bwrap(1) starts a program, so that a media file that takes it over gains nothing.

A program in it has no network, no other processes, no capabilities, and cannot create user namespaces. Of the disk it sees the
libraries, fonts and Vulkan drivers of the system, its own program and its input, all read-only; it can write to a small /tmp in memory, and to nothing else.
There is no shell and no other program, no /sys, no /home, and no variable of the environment but those that are given here. A
filter refuses the system calls of `syscall_filter`.

bwrap stays as the parent process, in the process group of its child: a signal to the group reaches both. The child is process 1 of
its PID namespace, so whatever it has started ends together with it, and the group is empty as soon as bwrap has exited.
"""

import re
from collections.abc import Sequence
from typing import Self

import attrs

TMP_SIZE = 16 << 20
"""Bytes of the sandbox's /tmp, which is in memory."""

_HARDWARE = re.compile(
    r"hw_?accel|hw_?device|_device\b|cuda|cuvid|nvenc|vaapi|qsv|_amf|v4l2m2m|vulkan|opencl|rkmpp|videotoolbox"
)


@attrs.frozen
class Sandbox:
    """A sandbox that works on this machine.

    `bwrap` is an absolute path. `strict`: it also hides the name of the host, and forbids new user namespaces by itself and not
    only by the filter; an older bwrap, or a service manager that filters system calls, does not allow this. `seccomp` is the
    filter of system calls. `devices` are paths below /dev that are passed on, `hardware` those of graphics cards and video encoders, which only programs get that use them. `variables` are those of the environment.
    """

    bwrap: str
    strict: bool = True
    seccomp: bytes | None = attrs.field(default=None, repr=False)
    devices: tuple[str, ...] = ()
    hardware: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()

    def with_hardware(self) -> Self:
        """With what drivers need: their devices, and what the kernel says of these."""
        return attrs.evolve(self, devices=(*self.devices, *self.hardware), resources=_HARDWARE_RESOURCES)

    def options(self, program: str, seccomp_fd: int | None = None) -> list[str]:
        """The program bwrap and its options, up to the place for the program's input. `seccomp_fd`: where bwrap reads the filter from."""
        return [
            *(self.bwrap, "--unshare-all", "--as-pid-1", "--die-with-parent", "--cap-drop", "ALL"),
            *(("--unshare-user", "--disable-userns", "--hostname", "sandbox") if self.strict else ()),
            *(("--seccomp", str(seccomp_fd)) if seccomp_fd is not None else ()),
            "--clearenv",
            *(part for name, value in self.variables for part in ("--setenv", name, value)),
            *("--proc", "/proc", "--dev", "/dev", "--size", str(TMP_SIZE), "--tmpfs", "/tmp"),  # noqa: S108 - its own
            *_LIBRARIES,
            *(part for path in (*_RESOURCES, *self.resources) for part in ("--ro-bind-try", path, path)),
            *(part for path in self.devices for part in ("--dev-bind-try", path, path)),
            *("--ro-bind", program, program),
        ]


SEALED = ("--remount-ro", "/dev", "--remount-ro", "/")
"""Options after all that are mounted: what bwrap has made in memory for the file system itself cannot be written to."""

_HARDWARE_RESOURCES = (
    *("/sys/class/drm", "/sys/dev/char", "/sys/devices", "/sys/module/nvidia"),
    *("/usr/share/libdrm", "/usr/share/drirc.d", "/usr/share/nvidia", "/usr/share/glvnd", "/etc/vulkan", "/opt/rocm"),
)
"""What drivers read: which devices there are, and their own tables."""

_LIBRARIES = (
    *(
        part
        for name in ("lib", "lib32", "lib64", "local/lib")
        for part in ("--ro-bind-try", f"/usr/{name}", f"/usr/{name}")
    ),
    *(part for name in ("lib", "lib32", "lib64") for part in ("--symlink", f"usr/{name}", f"/{name}")),
    *(
        "--ro-bind-try",
        "/etc/alternatives",
        "/etc/alternatives",
        "--ro-bind-try",
        "/etc/ld.so.cache",
        "/etc/ld.so.cache",
    ),
)
"""What a program needs that is not linked statically."""


_RESOURCES = (
    # Subtitles that are burned in need fonts. Without the cache, fontconfig would read every font at each start.
    *("/etc/fonts", "/usr/share/fontconfig", "/usr/share/fonts", "/usr/local/share/fonts", "/var/cache/fontconfig"),
    # The names of the drivers.
    *("/etc/vulkan/icd.d", "/usr/share/vulkan/icd.d"),
)
"""What libraries read that is no library."""


def names_hardware(arguments: Sequence[str]) -> bool:
    """Whether the operator's arguments for ffmpeg use hardware: its devices and drivers need more than the sandbox has."""
    return any(_HARDWARE.search(argument) for argument in arguments)
