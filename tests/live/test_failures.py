"""Transcoders that break: before the first byte it is told, after it it is shown, and in any case nothing is left."""

import secrets
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import psutil
import pytest

from tests.support.clips import Clips
from tests.support.daemon import LiveDaemon, Response, read_head, reset, until
from tests.support.stubs import stub, teach

URL = "/media/m/film.mp4/stream.mp4"


@attrs.frozen
class Stage:
    """A daemon whose ffmpeg and ffprobe do what they are taught."""

    daemon: LiveDaemon
    ffmpeg: Path
    ffprobe: Path
    film: Path
    endings_before: int = 0

    def only_ending(self) -> dict[str, Any]:
        """The one Ending of this test, when nothing is left of what it started."""
        self.daemon.quiet()
        (ending,) = self.endings()
        return ending

    def endings(self) -> list[dict[str, Any]]:
        """The Endings since this test began, newest first."""
        endings = self.daemon.endings()
        return endings[: len(endings) - self.endings_before]


PROBED = """{"format": {"format_name": "matroska,webm", "duration": "4"},
 "streams": [{"codec_type": "audio", "codec_name": "aac", "channels": 2, "sample_rate": "48000"}]}"""


@pytest.fixture(scope="module")
def whole_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    directory = tmp_path_factory.mktemp("stage")
    ffmpeg, ffprobe = stub(directory, "ffmpeg"), stub(directory, "ffprobe")
    films = directory / "films"
    films.mkdir()
    arguments = ("--ffmpeg", str(ffmpeg), "--ffprobe", str(ffprobe), "--grace", "0.3")
    with LiveDaemon(directory / "daemon", {"m": films}, *arguments) as daemon:
        yield Stage(daemon, ffmpeg, ffprobe, films / "film.mp4")


@pytest.fixture
def stage(whole_stage: Stage) -> Iterator[Stage]:
    teach(whole_stage.ffprobe, f"print({PROBED!r})")
    # A new file each time, so that nothing is remembered of it.
    whole_stage.film.unlink(missing_ok=True)
    whole_stage.film.write_bytes(secrets.token_bytes(100))
    yield attrs.evolve(whole_stage, endings_before=len(whole_stage.daemon.endings()))
    whole_stage.daemon.quiet()
    assert "Traceback" not in whole_stage.daemon.log(), whole_stage.daemon.log()[-6000:]


@pytest.mark.parametrize(
    ("script", "exit_code", "number", "said"),
    [
        ("sys.stderr.write('no such luck\\n'); raise SystemExit(7)", 7, None, "no such luck"),
        ("raise SystemExit(0)", 0, None, ""),
        ("os.kill(os.getpid(), signal.SIGKILL)", None, "SIGKILL", ""),
        ("os.close(1); raise SystemExit(3)", 3, None, ""),
        ("os.write(1, HEADER); sys.stderr.write('does not fit'); raise SystemExit(183)", 183, None, "does not fit"),
        ("os.write(1, HEADER); raise SystemExit(0)", 0, None, ""),
        ("os.write(1, HEADER); os.close(1); os.kill(os.getpid(), signal.SIGSEGV)", None, "SIGSEGV", ""),
        ("sys.stderr.write('e' * 1_000_000); raise SystemExit(1)", 1, None, "eee"),
        ("os.write(2, b'\\xff\\xfe\\0'); raise SystemExit(1)", 1, None, ""),
        ("os.write(3, b'=' * 1_000_000 + b'\\nprogress=maybe\\nout_time_us=nan\\n'); raise SystemExit(1)", 1, None, ""),
    ],
)
def test_a_failure_before_the_first_byte_is_a_clean_500(
    stage: Stage, script: str, exit_code: int | None, number: str | None, said: str
) -> None:
    teach(stage.ffmpeg, script)
    daemon = stage.daemon
    response = daemon.get(URL)
    problem = response.problem(500)
    assert said in "\n".join(problem.get("stderr_tail", []))
    assert len(response.body) < 20_000, "the tail is bounded"
    ending = stage.only_ending()
    assert (ending["reason"], ending["exit_code"], ending["signal"]) == ("failed", exit_code, number)
    assert ending["request_id"] == problem["request_id"] == response.headers["x-request-id"]
    assert ending["bytes_sent"] == 0
    assert ending["kill_ms"] is None


@pytest.mark.parametrize(
    ("script", "exit_code", "number"),
    [
        # More than the pipe holds, so that the client has been answered by then.
        ("say(1_000_000); raise SystemExit(1)", 1, None),
        ("os.write(1, HEADER); say(1_000_000); raise SystemExit(1)", 1, None),
        ("say(5_000_000); os.kill(os.getpid(), signal.SIGSEGV)", None, "SIGSEGV"),
        ("say(1_000_000); os.close(1); raise SystemExit(9)", 9, None),
    ],
)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_failure_after_the_first_byte_breaks_the_connection(
    stage: Stage, script: str, exit_code: int | None, number: str | None, version: str
) -> None:
    """A film that is cut short must not look like a short film."""
    teach(stage.ffmpeg, script)
    daemon = stage.daemon
    connection = daemon.connect()
    connection.sendall(f"GET {URL} HTTP/{version}\r\nHost: localhost\r\n\r\n".encode())
    received = b""
    with pytest.raises(ConnectionResetError):
        while block := connection.recv(65536):
            received += block
        pytest.fail(f"the connection ended as if all was well after {len(received)} bytes")
    connection.close()
    assert b"problem+json" not in received
    assert b"Traceback" not in received
    assert not received.partition(b"\r\n\r\n")[2].endswith(b"0\r\n\r\n")
    ending = stage.only_ending()
    assert (ending["reason"], ending["exit_code"], ending["signal"]) == ("failed", exit_code, number)
    until(lambda: f"GET {URL} 500, {ending['bytes_sent']} bytes" in daemon.log(), "a failure of ours in the log")


@pytest.mark.parametrize("script", ["say(3_000_000)", "say(); os.close(1); import time; time.sleep(0.05)"])
def test_all_that_was_written_before_a_good_end_arrives(stage: Stage, script: str) -> None:
    teach(stage.ffmpeg, script)
    daemon = stage.daemon
    response = daemon.get(URL)
    assert response.complete
    assert set(response.body) == {ord("x")}
    ending = stage.only_ending()
    assert (ending["reason"], ending["exit_code"]) == ("finished", 0)
    assert ending["bytes_sent"] == len(response.body) == (3_000_000 if "3_000" in script else 100_000)


@pytest.mark.parametrize(
    "script", ["deaf(); insist(1000); for_ever()", "deaf(); insist(); for_ever()", "deaf(); for_ever()"]
)
def test_one_that_ignores_sigterm_is_killed_after_the_grace(stage: Stage, script: str) -> None:
    teach(stage.ffmpeg, script)
    daemon = stage.daemon
    connection = daemon.open(URL)
    shown = until(daemon.live, "the stream")[0]
    process = psutil.Process(shown["pid"])
    until(lambda: ignores(process, signal.SIGTERM), "the stub is deaf")
    reset(connection)
    ending = stage.only_ending()
    assert ending["reason"] == "client-gone"
    assert ending["signal"] == "SIGKILL"
    assert ending["signals_sent"][0] == "SIGTERM"
    assert ending["signals_sent"][-1] == "SIGKILL"
    assert ending["kill_ms"] >= 300, "it had its grace"


def ignores(process: psutil.Process, number: signal.Signals) -> bool:
    """Whether the kernel knows that this process ignores a signal."""
    status = Path(f"/proc/{process.pid}/status").read_text("ascii", "replace")
    mask = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigIgn"))
    return bool(mask >> (number - 1) & 1)


def test_a_stopped_one_is_ended_too(stage: Stage) -> None:
    teach(stage.ffmpeg, "say(); for_ever()")
    daemon = stage.daemon
    connection = daemon.open(URL)
    _, headers, _ = read_head(connection)
    process = psutil.Process(daemon.json(f"/api/v1/streams/{headers['x-stream-id']}")["pid"])
    process.suspend()
    until(lambda: process.status() == psutil.STATUS_STOPPED, "it is stopped")
    connection.close()
    ending = stage.only_ending()
    assert ending["signal"] == "SIGTERM", "it woke to end, and was not killed"


@pytest.mark.parametrize(
    "child",
    [
        "for_ever()",
        "deaf(); for_ever()",
        "os.close(1); deaf(); for_ever()",
    ],
)
@pytest.mark.parametrize("parent", ["say(); for_ever()", "say(); raise SystemExit(0)", "say(); raise SystemExit(1)"])
def test_grandchildren_that_hold_the_pipe_go_too(stage: Stage, parent: str, child: str) -> None:
    script = f"if not os.fork():\n    {child}\n{parent}"
    teach(stage.ffmpeg, script)
    daemon = stage.daemon
    connection = daemon.open(URL)
    read_head(connection)
    if "for_ever" in parent:
        until(lambda: len(daemon.census()) == 2, "the grandchild")
        connection.close()
    ending = stage.only_ending()
    reason = "client-gone" if "for_ever" in parent else "finished" if "(0)" in parent else "failed"
    assert ending["reason"] == reason
    connection.close()


@pytest.mark.parametrize("script", ["for_ever()", "os.write(1, HEADER); for_ever()"])
def test_a_silent_one_ends_with_its_viewer(stage: Stage, script: str) -> None:
    teach(stage.ffmpeg, script)
    daemon = stage.daemon
    connection = daemon.open(URL)
    stream = until(daemon.live, "the stream")[0]
    assert stream["state"] == "starting"
    connection.close()
    ending = stage.only_ending()
    assert (ending["reason"], ending["bytes_sent"]) == ("client-gone", 0)


def test_a_silent_one_can_be_stopped_and_its_viewer_is_told(stage: Stage) -> None:
    teach(stage.ffmpeg, "for_ever()")
    daemon = stage.daemon
    connection = daemon.open(URL)
    stream = until(daemon.live, "the stream")[0]
    assert daemon.request("DELETE", f"/api/v1/streams/{stream['id']}").json()["reason"] == "stopped"
    assert read_head(connection)[0] == 503
    connection.close()


def test_one_that_closes_its_output_and_lives_on_ends_with_its_viewer(stage: Stage) -> None:
    teach(stage.ffmpeg, "say(); os.close(1); for_ever()")
    daemon = stage.daemon
    connection = daemon.open(URL)
    read_head(connection)
    until(lambda: daemon.live()[0]["state"] == "finishing", "the end of the output")
    connection.close()
    assert stage.only_ending()["reason"] == "client-gone"


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("raise SystemExit(1)", 415),
        ("print('no json')", 415),
        ("print('{}')", 415),
        ("print('[' * 100_000)", 415),
        ('print(\'{"streams": [{"index": 1e999}]}\')', 415),
        ("pass", 415),
        ("say(50_000_000)", 415),
    ],
)
def test_a_probe_that_makes_no_sense(stage: Stage, script: str, status: int) -> None:
    teach(stage.ffmpeg, "say()")
    teach(stage.ffprobe, script)
    daemon = stage.daemon
    daemon.get(URL).problem(status)
    daemon.get("/media/m/film.mp4/probe.json").problem(status)
    daemon.quiet()
    assert not stage.endings()


def test_a_probe_that_was_killed_says_nothing_about_the_file(stage: Stage) -> None:
    teach(stage.ffmpeg, "say()")
    teach(stage.ffprobe, "os.kill(os.getpid(), signal.SIGKILL)")
    daemon = stage.daemon
    response = daemon.get(URL)
    assert response.status in {500, 503}, response.body
    response.problem(response.status)


def test_an_ffmpeg_that_has_gone_since_the_start(stage: Stage, tmp_path: Path) -> None:
    away = stage.ffmpeg.rename(tmp_path / "away")
    try:
        stage.daemon.get(URL).problem(500)
    finally:
        away.rename(stage.ffmpeg)
    assert stage.only_ending()["reason"] == "failed"


def test_an_ffprobe_that_has_gone_since_the_start(stage: Stage, tmp_path: Path) -> None:
    """An upgrade of the programs under way: it must not be remembered of the file that it is no media."""
    teach(stage.ffmpeg, "say()")
    away = stage.ffprobe.rename(tmp_path / "away")
    try:
        stage.daemon.get(URL).problem(500)
    finally:
        away.rename(stage.ffprobe)
    assert stage.daemon.get(URL).status == 200


def test_descriptors_running_out_is_told_and_passes(clips: Clips, tmp_path: Path) -> None:
    with LiveDaemon(tmp_path / "daemon", {"m": clips.directory}) as daemon:
        assert daemon.get("/media/m/film.mp4/stream.mkv").status == 200
        process = psutil.Process(daemon.process.pid)
        before = process.rlimit(psutil.RLIMIT_NOFILE)
        process.rlimit(psutil.RLIMIT_NOFILE, (daemon.descriptors() + 4, before[1]))
        refused = [answer(daemon) for _ in range(3)]
        process.rlimit(psutil.RLIMIT_NOFILE, before)
        for response in refused:
            response.problem(503)
            assert int(response.headers["retry-after"]) > 0
        assert daemon.get("/media/m/film.mp4/stream.mkv").status == 200
        daemon.quiet()


def answer(daemon: LiveDaemon) -> Response:
    return daemon.get("/media/m/film.mp4/stream.mkv")
