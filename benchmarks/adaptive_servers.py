"""The servers of adaptive streaming under test: this daemon and a peer whose command line is given; what they cost, and how they are ended with all they started.

A peer's command is split as a shell would. In it stand `{port}` (a free one), `{media}` (the folder of the films), `{work}` (a folder of its own), `{ffmpeg}` and
`{ffprobe}`, and `{config}`: a configuration of go-vod in a file, with all of these. Its URLs are go-vod's unless others are given.
"""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import attrs
import psutil

from benchmarks.adaptive_media import Films
from benchmarks.contenders import PATIENCE, port_of
from benchmarks.hls_player import Line
from benchmarks.workshop import CannotMeasure

GO_VOD = "/{viewer}{path}/index.m3u8"
"""The playlist of go-vod: each viewer has an id, and with it encoders of its own."""

GO_VOD_LEAVE = "/{viewer}{tiny}/ignore"
"""go-vod has no request with which a viewer leaves; but a viewer who asks for another film ends what was encoded for the first one."""

GO_VOD_QUALITY = 24
"""The CRF. go-vod's own value is 0, which is without loss; 24 is what its users' application sets."""


@attrs.frozen
class Urls:
    """Where a server has its films, as templates with `{viewer}`, `{path}` (absolute), `{name}` (in the folder) and `{tiny}` (another film)."""

    master: str
    leave: str | None = None
    method: str = "GET"

    def fill(self, template: str, film: Path, viewer: str, films: Films) -> str:
        """A URL's path."""
        return template.format(viewer=viewer, path=quote(str(film)), name=quote(film.name), tiny=quote(str(films.tiny)))


OURS = Urls("/media/m/{name}/master.m3u8", "/media/m/{name}/cmaf/leave", "POST")


@attrs.frozen
class Contender:
    """A server to be measured. `checkout` is set for this daemon: its source tree."""

    name: str
    command: Sequence[str]
    urls: Urls
    checkout: Path | None = None


class Server:
    """A contender that runs."""

    def __init__(self, contender: Contender, process: "subprocess.Popen[bytes]", port: int, films: Films) -> None:
        self.name = contender.name
        self.urls = contender.urls
        self.port = port
        self._process = psutil.Process(process.pid)
        self._films = films

    def master(self, film: Path, viewer: str) -> str:
        """The path of a film's playlist, for one viewer."""
        return self.urls.fill(self.urls.master, film, viewer, self._films)

    def leave(self, film: Path, viewer: str, source: str = "127.0.0.1") -> None:
        """This viewer watches no more. Then what was started for it may end."""
        if self.urls.leave is not None:
            line = Line(self.port, source)
            with suppress(CannotMeasure):
                line.fetch(self.urls.fill(self.urls.leave, film, viewer, self._films), self.urls.method)
            line.close()

    def cpu(self) -> float:
        """Seconds of processor, user and system: its own, of all that descends from it, and of those that have ended and were waited for."""
        total = 0.0
        for process in (self._process, *self._process.children(recursive=True)):
            with suppress(psutil.Error):
                total += sum(process.cpu_times()[:4])
        return total

    def quiet(self) -> None:
        """Wait until it does nothing, so that it takes nothing from the next one."""
        deadline, before = time.monotonic() + PATIENCE, self.cpu()
        while time.monotonic() < deadline:
            time.sleep(0.15)
            now = self.cpu()
            if abs(now - before) < 0.02:
                return
            before = now
        raise CannotMeasure(f"{self.name} does not come to rest")


def ours(checkout: Path, name: str) -> Contender:
    """This daemon from a source tree, with its defaults."""
    return Contender(
        name,
        (
            *(sys.executable, "-m", "twisted", "--log-format=text", "transcoded"),
            *("--listen", "tcp:{port}:interface=127.0.0.1:backlog=512", "--media", "m={media}"),
            *("--ffmpeg", "{ffmpeg}", "--ffprobe", "{ffprobe}", "--state-dir", "{work}/state"),
        ),
        OURS,
        checkout,
    )


def peer(command: str, name: str | None, master: str | None, leave: str | None) -> Contender:
    """A server by its command line. Without a URL of its playlists it has those of go-vod."""
    parts = shlex.split(command)
    if not parts:
        raise CannotMeasure("--peer has no command")
    urls = Urls(GO_VOD, GO_VOD_LEAVE) if master is None else Urls(master, leave)
    return Contender(name or Path(parts[0]).name, parts, urls)


def filled(command: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """A command with its marks replaced; other braces stay as they are."""
    found = []
    for part in command:
        text = part
        for mark, value in values.items():
            text = text.replace(f"{{{mark}}}", value)
        found.append(text)
    return found


def go_vod_config(port: int, work: Path, ffmpeg: str, ffprobe: str) -> str:
    """Its configuration: on loopback, with these programs, and else with its defaults."""
    values = {"bind": f"127.0.0.1:{port}", "ffmpeg": ffmpeg, "ffprobe": ffprobe, "tempdir": str(work / "chunks")}
    return json.dumps({**values, "qf": GO_VOD_QUALITY})


@contextmanager
def running(contender: Contender, films: Films) -> Iterator[Server]:
    """Start it, and end it with all that it has started."""
    work = films.directory / contender.name.replace(" ", "-").replace("/", "-")
    work.mkdir(exist_ok=True)
    port, log, config = _free_port(), work / "log", work / "config.json"
    config.write_text(go_vod_config(port, work, films.ffmpeg, films.ffprobe), encoding="utf-8")
    values = {
        "port": str(port),
        "media": str(films.media),
        "work": str(work),
        "ffmpeg": films.ffmpeg,
        "ffprobe": films.ffprobe,
        "config": str(config),
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRANSCODED_")}
    if contender.checkout is not None:
        environment["PYTHONPATH"] = str(contender.checkout)
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                filled(contender.command, values),
                cwd=contender.checkout or work,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            raise CannotMeasure(f"{contender.name} does not start: {error}") from error
    try:
        yield Server(contender, process, port_of(process, log), films)
    finally:
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """SIGTERM; what is left after that, of it and of its descendants, is killed. One that is stopped has to be, too."""
    with suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)
        for one in family:
            with suppress(psutil.Error):
                one.kill()
    if process.poll() is None:
        process.kill()
    process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
