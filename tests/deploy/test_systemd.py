"""The unit: no fault by systemd's own tools, and the daemon does under it what it promises, with what systemd gives it emulated."""

import json
import os
import re
import shlex
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from ctypes.util import find_library
from pathlib import Path

import psutil
import pytest

from tests.deploy.fronts import DEPLOY, needs, replaced
from tests.support import REPOSITORY
from tests.support.clips import Clips
from tests.support.daemon import LiveDaemon, read_head, read_response, until
from transcoded.config import Settings
from transcoded.service import KILL_MARGIN

UNITS = DEPLOY / "systemd"
SERVICE = (UNITS / "transcoded.service").read_text("utf-8")


def values(name: str) -> list[str]:
    """The values of a directive, in order."""
    return re.findall(rf"^{name}=(.*)$", SERVICE, re.MULTILINE)


def test_systemd_finds_no_fault(tmp_path: Path) -> None:
    analyze = needs("systemd-analyze", "systemd")
    # The one thing that is not on this machine.
    (tmp_path / "transcoded.service").write_text(replaced(SERVICE, {"/opt/transcoded/bin/twist": "/bin/true"}))
    (tmp_path / "transcoded.socket").write_text((UNITS / "transcoded.socket").read_text("utf-8"))
    units = [str(tmp_path / f"transcoded.{kind}") for kind in ("service", "socket")]
    done = subprocess.run([analyze, "verify", "--man=no", *units], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("card", sorted(path.name for path in UNITS.glob("devices/*.conf")))
def test_a_card_gets_its_devices_and_nothing_else(card: str, tmp_path: Path) -> None:
    analyze = needs("systemd-analyze", "systemd")
    unit = tmp_path / "transcoded.service"
    # Groups of devices are not on each machine.
    drop_in = (UNITS / "devices" / card).read_text("utf-8").replace("SupplementaryGroups=render\n", "")
    unit.write_text(replaced(SERVICE, {"/opt/transcoded/bin/twist": "/bin/true"}))
    (tmp_path / "transcoded.socket").write_text((UNITS / "transcoded.socket").read_text("utf-8"))
    (tmp_path / "transcoded.service.d").mkdir()
    (tmp_path / "transcoded.service.d" / card).write_text(drop_in)
    done = subprocess.run([analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    allowed = re.findall(r"^DeviceAllow=(\S+) rw$", drop_in, re.MULTILINE)
    assert allowed
    assert all(path.startswith(("/dev/dri/renderD", "/dev/nvidia")) for path in allowed)
    assert "DevicePolicy=closed" in drop_in


def test_it_is_locked_in() -> None:
    analyze = needs("systemd-analyze", "systemd")
    # In tenths; 10.0 is an open house. Most of what is left is the network, which it is there for.
    command = [analyze, "security", "--offline=true", "--threshold=17", str(UNITS / "transcoded.service")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_it_may_stop_in_its_own_time() -> None:
    stop = float(values("TimeoutStopSec")[0])
    assert stop >= Settings().grace + KILL_MARGIN + 5
    assert values("KillMode") == ["mixed"]
    assert values("OOMPolicy") == ["continue"]
    # Beyond the tick, and a reactor that is late for once.
    assert float(values("WatchdogSec")[0]) >= 10


def _syscalls() -> Sequence[str]:
    """What the unit's filter allows, by systemd's own lists."""
    analyze = needs("systemd-analyze", "systemd")
    listing = subprocess.run([analyze, "syscall-filter", "--no-pager"], capture_output=True, text=True, check=True)
    sets: dict[str, list[str]] = {}
    for line in listing.stdout.splitlines():
        if line.startswith("@"):
            members = sets[line.strip()] = []
        elif sets and line.startswith(" ") and not line.strip().startswith("#"):
            members.append(line.strip())

    def expanded(name: str) -> set[str]:
        return set().union(*map(expanded, sets[name])) if name in sets else {name}

    allowed: set[str] = set()
    for value in values("SystemCallFilter"):
        names = set().union(*map(expanded, value.removeprefix("~").split()))
        allowed = allowed - names if value.startswith("~") else allowed | names
    # systemd adds these by itself (systemd.exec(5)).
    return sorted(allowed | expanded("@default") | {"execve", "exit", "exit_group", "restart_syscall", "rt_sigreturn"})


class Notices:
    """The socket that a service tells how it stands."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.setblocking(False)
        self.lines: list[str] = []
        self.senders: set[int] = set()

    def heard(self) -> list[str]:
        """All lines so far."""
        with suppress(BlockingIOError):
            while True:
                data, ancillary, _, _ = self._socket.recvmsg(4096, 100)
                self.lines += data.decode().splitlines()
                self.senders |= {struct.unpack("3i", value)[0] for _, _, value in ancillary}
        return self.lines

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()


@contextmanager
def unit(clips: Clips, directory: Path, settings: str = "") -> Iterator[tuple[LiveDaemon, Notices]]:
    """The daemon as the unit's ExecStart has it, under the unit's confinement as far as a process can put it on itself."""
    if find_library("seccomp") is None:
        pytest.skip("libseccomp is not installed (Debian's package libseccomp2)")
    # A short path: names of UNIX sockets may not be long.
    directory.mkdir()
    config = directory / "credentials"
    config.mkdir()
    (config / "transcoded.toml").write_text(f'media = ["m={clips.directory}"]\n{settings}', encoding="utf-8")
    specifiers = {"%d": str(config), "%S": str(directory / "lib"), "%C": str(directory / "cache")}
    command = shlex.split(replaced(values("ExecStart")[0], specifiers))
    assert command[0] == "/opt/transcoded/bin/twist"
    command[:1] = [sys.executable, "-m", "twisted"]
    families = [getattr(socket, name) for name in values("RestrictAddressFamilies")[0].split()]
    confinement = json.dumps({"syscalls": _syscalls(), "families": families})
    notices = Notices(directory / "notify")
    environment = {
        "NOTIFY_SOCKET": str(notices.path),
        "WATCHDOG_USEC": str(int(float(values("WatchdogSec")[0]) * 1e6)),
    }
    program = [sys.executable, str(Path(__file__).with_name("as_unit.py")), confinement, *command]
    try:
        with LiveDaemon(directory / "daemon", {}, program=program, environment=environment) as daemon:
            yield daemon, notices
    finally:
        notices.close()


def test_the_life_of_the_unit(clips: Clips, tmp_path: Path) -> None:
    with unit(clips, tmp_path / "u") as (daemon, notices):
        # The socket was there first: who comes while the daemon starts is served when it is there.
        assert daemon.get("/healthz").status == 200
        until(lambda: "READY=1" in notices.heard(), "readiness")
        # All kinds of work, under the filter: probing, transcoding, segments, pictures, sound.
        assert daemon.json("/media/m/film.mp4/probe.json")
        assert daemon.stream("m/old.avi", "mp4")
        assert daemon.stream("m/tracks.mkv", "webm", "height=90")
        master = daemon.get("/media/m/film.mp4/master.m3u8")
        assert master.status == 200
        playlist = re.findall(r"^(?!#)(.+)$", master.body.decode(), re.MULTILINE)[0]
        segments = daemon.get(f"/media/m/film.mp4/{playlist}").body.decode()
        first = re.findall(r"^(?!#)(.+)$", segments, re.MULTILINE)[0]
        assert daemon.get(f"/media/m/film.mp4/{playlist.rpartition('/')[0]}/{first}").status == 200
        assert daemon.get("/media/m/film.mp4/thumbnail.jpg").status == 200
        assert "protection is off" not in daemon.log()
        # A transcoder has neither the port nor systemd's ear, else it could hold both beyond the daemon.
        with daemon.open("/media/m/long.mkv/stream.wav") as connection:
            read_head(connection)
            pid = daemon.live()[0]["pid"]
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            assert b"NOTIFY_SOCKET" not in environment
            assert b"LISTEN_FDS" not in environment
            assert not [one for one in psutil.Process(pid).net_connections("inet") if one.status == "LISTEN"]
            assert "Seccomp:\t2" in Path(f"/proc/{pid}/status").read_text("ascii")
        until(lambda: "WATCHDOG=1" in notices.heard(), "a sign of life")
        daemon.stop()
        assert "STOPPING=1" in notices.heard()
        assert notices.senders == {daemon.process.pid}, "NotifyAccess=main hears the main process alone"
        assert (tmp_path / "u/lib/transcoded").is_dir()


def test_reload_drains(clips: Clips, tmp_path: Path) -> None:
    """`systemctl reload`: what runs comes to its end, and then the daemon ends well, to be started by the next connection."""
    assert shlex.split(values("ExecReload")[0]) == ["/bin/kill", "-USR1", "$MAINPID"]
    with unit(clips, tmp_path / "u") as (daemon, notices):
        daemon.get("/healthz")
        until(lambda: "READY=1" in notices.heard(), "readiness")
        with daemon.open("/media/m/long.mkv/stream.wav?duration=100", receive_buffer=8192) as connection:
            until(daemon.live, "a stream")
            os.kill(daemon.process.pid, signal.SIGUSR1)
            until(lambda: daemon.get("/readyz").status == 503, "not ready")
            assert "STATUS=draining" in notices.heard()
            response = read_response(connection)
        assert response.complete
        assert len(response.body) > 100 * 44100 * 2
        assert until(lambda: daemon.process.poll() is not None and [daemon.process.returncode], "its end") == [0]


def test_a_usage_error_is_not_tried_again(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "twisted", "transcoded", "--config", str(tmp_path / "nothing.toml")],
        capture_output=True,
        check=False,
        cwd=REPOSITORY,
    )
    assert [str(done.returncode)] == values("RestartPreventExitStatus")
