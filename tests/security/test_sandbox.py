"""What is left to a media file that has taken ffmpeg over: the real sandbox, looked at and attacked from the inside."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support import REPOSITORY
from tests.support.clips import Clips
from tests.support.daemon import LiveDaemon, read_head, until
from tests.support.programs import BUNDLED, Programs, skip_without
from transcoded.plan.media.launcher import Launcher
from transcoded.plan.media.sandbox import SEALED, Sandbox
from transcoded.run.host.environment import child_environment
from transcoded.run.host.sandbox import find_sandbox
from transcoded.run.host.tools import ToolError
from transcoded.run.process.ledger import open_ledger
from transcoded.run.process.seccomp import open_filter
from transcoded.run.process.trials import Trials

INSIDE = REPOSITORY / "tests" / "security" / "inside_the_sandbox.py"
SHOWN = Path("/beside/inside_the_sandbox.py")
"""Where the program is in the sandbox: not below /tmp, wherever this checkout is."""


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    """The sandbox of this machine; skips where none works."""
    environment = child_environment(os.environ)
    trials = Trials(environment, open_ledger(None)[0])
    try:
        return find_sandbox(Launcher(), [BUNDLED.ffmpeg], [BUNDLED.ffprobe], trials, environment)
    except ToolError as error:
        skip_without(f"the sandbox does not work here ({error.detail})")


def run_inside(sandbox: Sandbox, arguments: Sequence[str], as_whom: Sequence[str] = ()) -> dict[str, Any]:
    """The report of `inside_the_sandbox`, which is run in the place of ffmpeg. Python itself is bound as an input would be."""
    python = os.path.realpath(sys.executable)
    with open_filter(sandbox.seccomp) as descriptors:
        (fd,) = descriptors.values()
        shown = ("--ro-bind", sys.base_prefix, sys.base_prefix, "--ro-bind", str(INSIDE), str(SHOWN))
        command = [*as_whom, *sandbox.options(python, fd), *shown, *SEALED, "--", python, "-I", str(SHOWN), *arguments]
        environment = {**os.environ, "TRANSCODED_API_KEY": "a-secret"}
        done = subprocess.run(command, pass_fds=(fd,), env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.fixture(scope="module")
def report(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a program in the sandbox sees and can do."""
    secret = tmp_path_factory.mktemp("host") / "secret"
    secret.write_text("of the host", encoding="utf-8")
    return run_inside(sandbox, [str(SHOWN.parent), str(secret), str(os.getpid())])


ALLOWED = {"write a little to /tmp", "open a UNIX socket"}


def test_nothing_can_be_done_from_it(report: dict[str, Any]) -> None:
    """Read the host's files, reach a network, another process or a shell, or use what exploits of the kernel begin with."""
    done = {name for name, outcome in report["attempts"].items() if outcome == "done"}
    assert done == ALLOWED
    refused = {name: outcome for name, outcome in report["attempts"].items() if name not in ALLOWED}
    expected = {
        "read a file of the host": "ENOENT",
        "write beside the input": "EROFS",
        "write to /": "EROFS",
        "write to /dev": "EROFS",
        "write to /usr": "EROFS",
        "write 17 MiB to /tmp": "ENOSPC",
        "run a shell": "ENOENT",
        "signal the daemon": "ESRCH",
        "signal anybody": "ESRCH",
        "a setuid program's rights": "EINVAL",
        "clone3": "ENOSYS",
    }
    assert refused == {name: expected.get(name, "EPERM") for name in refused}


def test_nothing_can_be_seen_from_it(sandbox: Sandbox, report: dict[str, Any]) -> None:
    files = report["files"]
    top = Path(sys.base_prefix).parts[1]
    assert set(files["/"]) <= {"dev", "etc", "lib", "lib32", "lib64", "proc", "tmp", "usr", "var", top, SHOWN.parts[1]}
    assert set(files["/etc"]) <= {"alternatives", "fonts", "ld.so.cache", "vulkan"}
    assert set(files["/usr/share"]) <= {"fontconfig", "fonts", "vulkan"}
    assert set(files["/usr/share/vulkan"]) <= {"icd.d"}
    assert (set(files["/var"]), set(files["/var/cache"])) in [(set(), set()), ({"cache"}, {"fontconfig"})]
    assert set(files["/usr"]) <= {"lib", "lib32", "lib64", "local", "share"} | ({"bin"} if top == "usr" else set())
    assert "sh" not in files["/bin"]
    assert files["/home"] == files["/sys"] == files["/run"] == []
    assert not {"dri", "kvm", "mem", "kmsg", "fuse", "sda", "vda"} & set(files["/dev"])
    assert report["processes"] == [1]
    assert report["descriptors"] == [0, 1, 2]
    assert not sandbox.strict or report["host name"] == "sandbox"
    assert set(report["variables"]) <= {"LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "LIBVA_DRIVER_NAME", "PWD"}


def test_it_has_no_privileges(report: dict[str, Any]) -> None:
    assert report["status"] == {"NoNewPrivs": "1", "Seccomp": "2", "CapEff": "0" * 16, "CapBnd": "0" * 16}


def test_it_works_for_an_unprivileged_user(sandbox: Sandbox) -> None:
    """The daemon should not run as root, and bwrap needs no root."""
    if os.geteuid() != 0:
        pytest.skip("these tests run as an unprivileged user already")
    setpriv, program = shutil.which("setpriv"), shutil.which("true")
    if setpriv is None or program is None:
        skip_without("setpriv or true is not installed")
    with open_filter(sandbox.seccomp) as descriptors:
        (fd,) = descriptors.values()
        command = [*sandbox.options(program, fd), *SEALED, "--", program]
        nobody = [setpriv, "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"]
        done = subprocess.run([*nobody, *command], pass_fds=(fd,), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_it_is_on_by_default_for_streams_and_helpers(
    sandbox: Sandbox, clips: Clips, programs: Programs, tmp_path: Path
) -> None:
    """Whoever sets nothing is protected; and what is told of a stream is told of its transcoder, not of bwrap."""
    with LiveDaemon(tmp_path / "daemon", {"m": clips.directory}, programs=programs) as daemon:
        assert daemon.json("/media/m/film.mp4/probe.json")
        assert daemon.get("/media/m/film.mp4/thumbnail.jpg").status == 200
        assert daemon.stream("m/old.avi", "mp4")
        with daemon.open("/media/m/long.mkv/stream.wav", receive_buffer=8192) as connection:
            read_head(connection)
            stream = daemon.live()[0]
            assert psutil.Process(stream["pid"]).name() == "bwrap"
            (transcoder,) = until(psutil.Process(stream["pid"]).children, "the transcoder")
            inside = Path(f"/proc/{transcoder.pid}/status").read_text("ascii")
            assert "Seccomp:\t2" in inside
            assert until(lambda: daemon.live()[0]["rss_bytes"], "its memory") > 10 << 20
        daemon.quiet()
        assert "no sandbox" not in daemon.log()


def test_where_it_does_not_work_the_daemon_says_so_once_and_starts(clips: Clips, tmp_path: Path) -> None:
    """A container without user namespaces: a daemon that does not start would help nobody."""
    (tmp_path / "bin").mkdir()
    bwrap = tmp_path / "bin" / "bwrap"
    bwrap.write_text("#!/bin/sh\necho bwrap: No permissions to create new namespace >&2\nexit 1\n", encoding="ascii")
    bwrap.chmod(0o755)
    environment = {"PATH": f"{bwrap.parent}:{os.environ['PATH']}"}
    with LiveDaemon(tmp_path / "daemon", {"m": clips.directory}, environment=environment) as daemon:
        assert daemon.json("/media/m/film.mp4/probe.json")
        lines = [line for line in daemon.log().splitlines() if "no sandbox" in line]
        assert len(lines) == 1
        assert "No permissions to create new namespace" in lines[0]
