"""The ways to run the daemon (twist, twistd, embedded), its usage errors, and its end by signals while films run."""

import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest
import pytest_twisted
import treq
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.web.client import Agent, HTTPConnectionPool, PartialDownloadError, ResponseFailed
from twisted.web.http import PotentialDataLoss

from tests.support import REPOSITORY
from tests.support.clips import Clips, frame_numbers
from tests.support.daemon import (
    PATIENCE,
    LiveDaemon,
    clean_environment,
    embedded,
    read_head,
    run_twist,
    until,
)
from tests.support.programs import BUNDLED, idle_programs
from transcoded.config import Settings

TWIST = (sys.executable, "-m", "twisted", "--log-format=text", "transcoded")
TWISTD = (str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "-y", str(REPOSITORY / "transcoded.tac"))
LISTEN = ("--listen", "tcp:0:interface=127.0.0.1")


def test_the_service_file_of_twistd(clips: Clips, tmp_path: Path) -> None:
    environment = {"TRANSCODED_MEDIA": f"m={clips.directory}", "TRANSCODED_LISTEN": "tcp:0:interface=127.0.0.1"}
    with LiveDaemon(tmp_path / "daemon", {}, program=TWISTD, environment=environment) as daemon:
        assert daemon.stream("m/film.mp4", "wav")
    (tmp_path / "settings.toml").write_text(
        f'media = ["films={clips.directory}"]\nlisten = ["tcp:0:interface=127.0.0.1"]\ngrace = 2\n', encoding="utf-8"
    )
    with LiveDaemon(
        tmp_path / "two", {}, program=TWISTD, environment={"TRANSCODED_CONFIG": str(tmp_path / "settings.toml")}
    ) as daemon:
        assert daemon.stream("films/film.mp4", "wav")


def test_the_command_line_is_over_the_environment_is_over_the_file(clips: Clips, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(f'media = ["file={clips.directory}"]\ngrace = 3\n', encoding="utf-8")
    more = {"TRANSCODED_CONFIG": str(file), "TRANSCODED_MEDIA": f"environment={clips.directory}"}
    for media, names in (({}, ["environment"]), ({"line": clips.directory}, ["line"])):
        with LiveDaemon(tmp_path / f"daemon-{names[0]}", media, environment=more) as daemon:
            assert [entry["name"] for entry in daemon.json("/api/v1/library/")["entries"]] == names


def test_several_ports_and_a_unix_socket(clips: Clips, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with LiveDaemon(tmp_path / "daemon", {"m": clips.directory}, "--listen", f"unix:{path}") as daemon:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(str(path))
            connection.sendall(b"GET /media/m/film.mp4/stream.wav HTTP/1.0\r\n\r\n")
            assert read_head(connection)[0] == 200
            while connection.recv(65536):
                pass
        assert daemon.endings()[0]["client"] == "-"
        assert daemon.json("/readyz") == {"status": "ready"}


def test_the_demo(tmp_path: Path) -> None:
    # An ffmpeg in a hurry: the clips are a minute long.
    hasty = tmp_path / "ffmpeg"
    changes = ".replace('duration=60', 'duration=1').replace('1280x720', '320x180')"
    hasty.write_text(
        f"#!{sys.executable} -IS\nimport os, sys\nos.execv({BUNDLED.ffmpeg!r}, [a{changes} for a in sys.argv])\n",
        encoding="utf-8",
    )
    hasty.chmod(0o755)
    arguments = ("--demo", "--cache-dir", str(tmp_path / "cache"), "--ffmpeg", str(hasty))
    with LiveDaemon(tmp_path / "daemon", {}, *arguments) as daemon:
        entries = daemon.json("/api/v1/library/demo")["entries"]
        assert len(entries) >= 3
        actions = set()
        for entry in entries:
            probe = daemon.json("/media/" + entry["path"].replace(" ", "%20") + "/probe.json")
            actions.add((probe["formats"]["mp4"]["action"], any(s["kind"] == "video" for s in probe["streams"])))
        assert {("copy", True), ("transcode", True)} <= actions, "one plays everywhere, one does not"
        assert False in {picture for _, picture in actions}, "one is sound alone"
        assert daemon.get("/").status == 200


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def refused(command: Sequence[str], directory: Path, **environment: str) -> str:
    """Run what cannot work; the one line that it says."""
    log = directory / "log"
    with run_twist(command[1:], clean_environment(directory, **environment), log, directory, command[:1]) as process:
        until(lambda: process.poll() is not None, f"it ends: {' '.join(command[-4:])}")
    said = log.read_text("utf-8", "replace")
    assert "Traceback" not in said, said
    assert process.returncode not in {0, None}, said
    lines = [line for line in said.splitlines() if "transcoded: " in line]
    assert len(lines) == 1, said
    assert psutil.pid_exists(os.getpid())
    return lines[0].partition("transcoded: ")[2]


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--media", "/nowhere/at/all"], "media"),
        (["--media", "/etc/passwd"], "media"),
        (["--media", ""], "media"),
        ([], "media"),
        (["--media", "MEDIA", "--media", "MEDIA"], "media"),
        (["--media", "MEDIA", "--ffmpeg", "/nowhere/ffmpeg"], "ffmpeg"),
        (["--media", "MEDIA", "--ffmpeg", "/bin/false"], "ffmpeg"),
        (["--media", "MEDIA", "--ffmpeg", "/etc/passwd"], "ffmpeg"),
        (["--media", "MEDIA", "--ffmpeg", "/bin/true"], "ffmpeg"),
        (["--media", "MEDIA", "--ffprobe", "/bin/false"], "ffprobe"),
        (["--media", "MEDIA", "--ffprobe", "/bin/true"], "ffprobe"),
        (["--media", "MEDIA", "--grace", "soon"], "grace"),
        (["--media", "MEDIA", "--grace", "nan"], "grace"),
        (["--media", "MEDIA", "--grace", "-1"], "grace"),
        (["--media", "MEDIA", "--threads", "0"], "threads"),
        (["--media", "MEDIA", "--input-args", "'"], "input_args"),
        (["--media", "MEDIA", "--listen", "nonsense"], "listen"),
        (["--media", "MEDIA", "--listen", "tcp:x"], "listen"),
        (["--config", "/nowhere.toml"], "config"),
        (["--config", "/etc/passwd"], "config"),
    ],
)
def test_bad_values_are_one_line_that_names_the_setting(tmp_path: Path, arguments: list[str], names: str) -> None:
    given = [str(tmp_path) if argument == "MEDIA" else argument for argument in arguments]
    assert refused([*TWIST, *LISTEN, *given], tmp_path).startswith(f"{names}: ")


@pytest.mark.parametrize(
    "listen", ["tcp:{port}:interface=127.0.0.1", "tcp:0:interface=192.0.2.1", "unix:/nowhere/socket"]
)
@pytest.mark.parametrize("program", [TWIST, TWISTD])
def test_a_port_that_cannot_be_had(tmp_path: Path, taken: int, program: tuple[str, ...], listen: str) -> None:
    where = listen.format(port=taken)
    # Also as the second of two: half a daemon is none.
    both = f"tcp:0:interface=127.0.0.1 {where}"
    settings = {"TRANSCODED_MEDIA": str(tmp_path), "TRANSCODED_LISTEN": both, **idle_programs(tmp_path).variables}
    assert refused(program, tmp_path, **settings).startswith("listen: ")


@pytest.mark.parametrize(
    ("toml", "names"),
    [
        ("colour = 3", "config"),
        ("grace = 'long'", "grace"),
        ("grace = [1]", "grace"),
        ("grace = 1e999", "grace"),
        ("demo = 'perhaps'", "demo"),
        ("no toml", "config"),
        ("media = '/nowhere'", "media"),
        ("[media]\nx = 1", "media"),
        ('media = "a\\u0000b"', "media"),
    ],
)
def test_bad_files_are_one_line_that_names_the_setting(tmp_path: Path, toml: str, names: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(toml, encoding="utf-8")
    environment = {"TRANSCODED_CONFIG": str(file)}
    if "media" not in toml:
        environment["TRANSCODED_MEDIA"] = str(tmp_path)
    for program in (TWIST, TWISTD) if "colour" in toml else (TWIST,):
        assert refused(program, tmp_path, **environment).startswith(f"{names}: ")


def test_an_unknown_variable_is_told(tmp_path: Path) -> None:
    environment = {"TRANSCODED_MEDIA": str(tmp_path), "TRANSCODED_COLOUR": "red"}
    assert "TRANSCODED_COLOUR" in refused(TWIST, tmp_path, **environment)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("command", ["twist", "twistd"])
def test_a_signal_ends_all_streams_and_the_status_is_0(
    clips: Clips, tmp_path: Path, number: signal.Signals, command: str
) -> None:
    environment = {"TRANSCODED_MEDIA": f"m={clips.directory}", "TRANSCODED_LISTEN": "tcp:0:interface=127.0.0.1"}
    program = TWIST if command == "twist" else TWISTD
    with LiveDaemon(tmp_path / "daemon", {}, program=program, environment=environment) as daemon:
        viewers = [daemon.open(f"/media/m/long.mkv/stream.{fmt}", 4096) for fmt in ("mkv", "wav")]
        for viewer in viewers:
            assert read_head(viewer)[0] == 200
        # One that has no byte yet, one that is probed or waits, one that only plays the file.
        viewers += [daemon.open("/media/m/long.mkv/stream.webm?start=1000"), daemon.open("/media/m/dvd.mpg/stream.mp4")]
        viewers += [daemon.open("/media/m/long.mkv", 4096)]
        assert daemon.stop(number) == 0, daemon.log()[-3000:]
        assert not daemon.census()
        assert daemon.log().count("ended: shutdown") >= 2
        for viewer in viewers:
            viewer.close()


def test_a_second_signal_changes_nothing(clips: Clips, tmp_path: Path) -> None:
    with LiveDaemon(tmp_path / "daemon", {"m": clips.directory}) as daemon:
        viewer = daemon.open("/media/m/long.mkv/stream.wav", 4096)
        assert read_head(viewer)[0] == 200
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            if daemon.process.poll() is None:
                daemon.process.send_signal(number)
        assert daemon.stop() == 0
        viewer.close()


def test_the_transcoders_die_with_a_daemon_that_is_killed(clips: Clips, tmp_path: Path) -> None:
    with LiveDaemon(tmp_path / "daemon", {"m": clips.directory}) as daemon:
        viewers = [daemon.open(f"/media/m/long.mkv/stream.{fmt}", 4096) for fmt in ("mkv", "wav", "mp4?mode=transcode")]
        for viewer in viewers:
            assert read_head(viewer)[0] == 200
        assert len(daemon.census()) >= 3
        daemon.expected_status = -signal.SIGKILL
        daemon.stop(signal.SIGKILL)
        until(lambda: not daemon.census(), "no transcoder outlives it")
        for viewer in viewers:
            viewer.close()


EMBEDDED = """
from twisted.internet import endpoints, reactor
from twisted.web.resource import Resource
from twisted.web.server import Site
from tests.support.programs import BUNDLED
from transcoded.config import Settings
from transcoded.service import Transcoded

transcoded = Transcoded(reactor, Settings(media=({media!r},), ffmpeg=BUNDLED.ffmpeg, ffprobe=BUNDLED.ffprobe))
root = Resource()
root.putChild(b"video", transcoded.resource())
reactor.addSystemEventTrigger("before", "startup", transcoded.startService)
reactor.addSystemEventTrigger("before", "shutdown", transcoded.stopService)
endpoints.serverFromString(reactor, "tcp:0:interface=127.0.0.1").listen(Site(root))
reactor.run()
"""


def test_embedding_under_a_prefix_in_a_program_of_its_own(clips: Clips, tmp_path: Path) -> None:
    program = tmp_path / "application.py"
    program.write_text(EMBEDDED.format(media=f"m={clips.directory}"), encoding="utf-8")
    with LiveDaemon(tmp_path / "daemon", {}, program=(sys.executable, str(program))) as application:
        assert application.json("/video/healthz") == {"status": "ok"}
        response = application.get("/video/media/m/film.mp4/stream.wav")
        assert response.body.startswith(b"RIFF")
        assert application.get("/media/m/film.mp4/stream.wav").status == 404
        application.get("/video/media/m/../film.mp4").problem(404)
        application.get("/video/%ff").problem(400)
        viewer = application.open("/video/media/m/long.mkv/stream.wav", 4096)
        assert read_head(viewer)[0] == 200
        assert application.stop(signal.SIGTERM) in {0, -signal.SIGTERM}
        application.expected_status = application.process.returncode
        assert not application.census()
        viewer.close()


@pytest_twisted.ensureDeferred
async def test_embedding_in_this_process(clips: Clips) -> None:
    from twisted.internet import reactor

    pool = HTTPConnectionPool(reactor, persistent=False)
    agent = Agent(reactor, pool=pool)
    async with embedded(Settings(media=(f"m={clips.directory}",))) as (service, url):
        client = treq.client.HTTPClient(agent)
        response = await client.get(f"{url}/media/m/film.mp4/stream.mkv?start=2&duration=1")
        assert response.code == 200
        assert frame_numbers(await response.content()) == list(range(50, 75))
        refusal = await client.get(f"{url}/media/m/nothing.mp4/stream.mkv")
        assert (refusal.code, (await refusal.json())["status"]) == (404, 404)
        assert await service.release("m/film.mp4") == []


@pytest_twisted.ensureDeferred
async def test_an_embedded_service_that_stops_leaves_nothing(clips: Clips) -> None:
    from twisted.internet import reactor

    agent = Agent(reactor, pool=HTTPConnectionPool(reactor, persistent=False))
    client = treq.client.HTTPClient(agent)
    async with embedded(Settings(media=(f"m={clips.directory}",))) as (service, url):
        response = await client.get(f"{url}/media/m/long.mkv/stream.wav", unbuffered=True)
        assert response.code == 200
        endings = await service.release("m")
        assert [ending.reason for ending in endings] == ["file-released"]
        with pytest.raises((ConnectionLost, ConnectionDone, ResponseFailed, PartialDownloadError, PotentialDataLoss)):
            await response.content()
