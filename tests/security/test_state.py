"""The state directory and the kills: what another user of the machine would gain by planting files and copying tokens."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from twisted.logger import capturedLogs

from tests.support.clips import Clips
from tests.support.daemon import LiveDaemon, clean_environment, run_twist, until
from tests.support.programs import BUNDLED
from transcoded.plan.endings import Ending, Reason
from transcoded.run.files.private_directory import PrivateDirectory, UntrustedFile
from transcoded.run.process import ledger as ledger_module
from transcoded.run.process.ledger import open_ledger
from transcoded.run.process.processes import TOKEN, start_ticks
from transcoded.run.streams.ending_log import NAME, EndingLog

NOBODY = 65534
AS_NOBODY = ("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups")
ANSWERS = "echo; read nothing"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def victim() -> Iterator["subprocess.Popen[bytes]"]:
    """A process of this user that has nothing to do with the daemon."""
    process = subprocess.Popen(
        [sys.executable, "-ISc", "import time; print(flush=True); time.sleep(1000)"], env={}, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.read(1)
    yield process
    process.kill()
    process.communicate()


def as_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can play two users")


def refused(directory: Path, *arguments: str) -> str:
    """Start a daemon that must refuse; the line that it says."""
    log = directory / "log"
    media = directory / "media"
    media.mkdir(exist_ok=True)
    command = ("--listen", "tcp:0:interface=127.0.0.1", "--media", str(media), *BUNDLED.flags(), *arguments)
    with run_twist(command, clean_environment(directory), log, directory) as process:
        until(lambda: process.poll() is not None, "it ends")
    assert process.returncode == 64
    (line,) = [line for line in log.read_text("utf-8").splitlines() if line.startswith("transcoded: ")]
    return line


def write_into(path: Path) -> None:
    path.mkdir()
    path.chmod(0o777)


def owned_by_another(path: Path) -> None:
    path.mkdir()
    os.chown(path, NOBODY, NOBODY)


def a_link_of_another(path: Path) -> None:
    path.with_name("target").mkdir()
    path.symlink_to("target")
    os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


@pytest.mark.parametrize("plant", [write_into, owned_by_another, a_link_of_another])
@pytest.mark.parametrize("setting", ["state_dir", "demo"])
def test_nobody_else_prepares_the_directory_that_a_daemon_trusts(
    tmp_path: Path, state: Path, setting: str, plant: Callable[[Path], None]
) -> None:
    as_root()
    (tmp_path / "cache").mkdir()
    plant(state if setting == "state_dir" else tmp_path / "cache" / "demo")
    own = ("--state-dir", str(state)) if setting == "state_dir" else ("--demo", "--cache-dir", str(tmp_path / "cache"))
    assert refused(tmp_path, *own).startswith(f"transcoded: {setting}: ")
    assert not (tmp_path / "target").exists() or os.listdir(tmp_path / "target") == []


@pytest.mark.parametrize("name", ["lock", "daemon.json", "daemon.json.new", "running/5", NAME, f"{NAME}.1"])
def test_a_planted_link_overwrites_no_file_of_the_daemons_user(tmp_path: Path, state: Path, name: str) -> None:
    """Each of these was opened through the link, and truncated or appended to."""
    precious = tmp_path / "authorized_keys"
    precious.write_text("precious\n", encoding="ascii")
    (state / "running").mkdir(mode=0o700, parents=True)
    (state / name).symlink_to(precious)
    if name == "lock":
        with pytest.raises(UntrustedFile, match="symbolic link"):
            open_ledger(str(state))
    else:
        ledger, _ = open_ledger(str(state))
        ledger.started(5)
        assert ledger.directory is not None
        ending_log = EndingLog(ledger.directory, max_bytes=400)
        for number in range(5):
            ending_log.stream_ended(an_ending(number))
        ending_log.close()
        ledger.close()
    assert precious.read_text("ascii") == "precious\n"


@pytest.mark.parametrize("name", ["daemon.json", "running/5", NAME])
def test_a_planted_gigabyte_is_not_read_at_the_start(state: Path, name: str) -> None:
    (state / "running").mkdir(mode=0o700, parents=True)
    (state / name).touch()
    os.truncate(state / name, 1 << 40)
    with capturedLogs() as logged:
        ledger, _ = open_ledger(str(state))
        assert ledger.directory is not None
        assert list(EndingLog(ledger.directory).load(10)) == []
        ledger.close()
    assert [event["log_format"] for event in logged] == ["skipped a file: {why}"]


@pytest.mark.parametrize("name", ["²", "٣", "-5", "5" * 100, "0x5"])
def test_a_planted_name_does_not_stop_the_start(state: Path, name: str) -> None:
    """Python takes some of these for digits, and others for numbers."""
    (state / "running").mkdir(mode=0o700, parents=True)
    (state / "running" / name).touch()
    open_ledger(str(state))[0].close()


def test_a_planted_record_kills_no_process_of_somebody_else(
    state: Path, victim: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the environment cannot be read, number and start decide; but never about a process of another user."""
    as_root()
    ledger, _ = open_ledger(str(state))
    ledger.close()
    stranger = subprocess.Popen(
        [*AS_NOBODY, "/bin/sh", "-c", ANSWERS],
        env={"PATH": os.environ["PATH"], TOKEN: ledger.token},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert stranger.stdout is not None
        stranger.stdout.read(1)
        (state / "running" / str(stranger.pid)).write_text(str(start_ticks(stranger.pid)), encoding="ascii")
        monkeypatch.setattr(os, "access", lambda path, mode: False)
        again, left = open_ledger(str(state))
        assert left == []
        assert stranger.poll() is None
        again.close()
    finally:
        stranger.kill()
        stranger.communicate()


def test_a_number_that_passes_to_another_process_during_the_start_kills_nobody(
    state: Path, victim: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The leftover ends by itself between the search and the kill, and its number is the victim's from then on."""
    ledger, _ = open_ledger(str(state))
    ledger.close()
    leftover = subprocess.Popen(
        [sys.executable, "-ISc", "import time; print(flush=True); time.sleep(1000)"],
        env=ledger.environment(),
        stdout=subprocess.PIPE,
    )
    try:
        assert leftover.stdout is not None
        leftover.stdout.read(1)
        real = os.pidfd_open

        def reused(pid: int) -> int:
            assert pid == leftover.pid
            return real(victim.pid)

        # `open` comes after the first look and before the second. What is then behind the number carries no token.
        asked: list[int] = []
        looks = ledger_module._is_ours

        def look(pid: int, token: str, recorded: int | None) -> bool:
            asked.append(pid)
            return looks(victim.pid if asked.count(leftover.pid) > 1 else pid, token, recorded)

        monkeypatch.setattr(os, "pidfd_open", reused)
        monkeypatch.setattr(ledger_module, "_is_ours", look)
        again, left = open_ledger(str(state))
        assert asked.count(leftover.pid) == 2, "it is looked at again when it is held"
        assert left == []
        assert victim.poll() is None
        again.close()
    finally:
        leftover.kill()
        leftover.communicate()


def test_the_daemons_files_are_for_nobody_else(clips: Clips, tmp_path: Path, state: Path) -> None:
    """The token of the ledger, and who watched what. Under any umask."""
    before = os.umask(0)
    try:
        with LiveDaemon(tmp_path / "d", {"m": clips.directory}, "--state-dir", str(state)) as daemon:
            daemon.stream("m/film.mp4", "wav")
            token = msgspec.json.decode((state / "daemon.json").read_bytes())["token"]
            found = [state, *state.rglob("*")]
            assert {path.name for path in found} >= {"state", "running", "lock", "daemon.json", NAME}
            assert [path for path in found if path.lstat().st_mode & 0o077] == []
            assert token not in daemon.log()
    finally:
        os.umask(before)


def an_ending(number: int) -> Ending:
    return Ending(
        id=f"{number:016x}",
        request_id="r",
        path="m/film.mkv",
        format="mp4",
        reason=Reason.FINISHED,
        exit_code=0,
        signal=None,
        signals_sent=(),
        kill_ms=None,
        duration_s=1.0,
        bytes_sent=7,
        client="192.0.2.1",
        started="2026-01-01T00:00:00.000Z",
        ended="2026-01-01T00:00:01.000Z",
        stderr_tail="",
    )


def test_a_stranger_who_copies_the_token_is_not_killed_by_a_running_daemon(clips: Clips, tmp_path: Path) -> None:
    """It is in the environment of each transcoder, and a transcoder that was broken into can give it away."""
    as_root()
    with LiveDaemon(tmp_path / "d", {"m": clips.directory}, "--state-dir", str(tmp_path / "state")) as daemon:
        token = msgspec.json.decode((tmp_path / "state" / "daemon.json").read_bytes())["token"]
        stranger = subprocess.Popen(
            [*AS_NOBODY, "/bin/sh", "-c", ANSWERS],
            env={"PATH": os.environ["PATH"], TOKEN: token},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            assert stranger.stdout is not None
            stranger.stdout.read(1)
            # The stop searches for orphans once more.
            assert daemon.stop(signal.SIGTERM) == 0
            assert stranger.poll() is None
            assert "ended an orphan" not in daemon.log()
        finally:
            stranger.kill()
            stranger.communicate()


def test_a_directory_that_is_replaced_leads_no_write_elsewhere(tmp_path: Path) -> None:
    """A handle that was opened once stays the daemon's, wherever somebody moves the directory."""
    directory = PrivateDirectory.open(str(tmp_path / "state"))
    ending_log = EndingLog(directory)
    (tmp_path / "state").rename(tmp_path / "moved")
    (tmp_path / "state").symlink_to("/etc")
    ending_log.stream_ended(an_ending(1))
    ending_log.close()
    directory.close()
    assert os.listdir(tmp_path / "moved") == [NAME]
