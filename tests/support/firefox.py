"""A system's own Firefox, driven over Marionette: the protocol that is built into it, and that geckodriver uses too.

Playwright drives such a Firefox only if it is about as new as Playwright itself, and an ESR is not.
"""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import psutil

from tests.support.daemon import PATIENCE, until

_PREFERENCES = {
    "marionette.port": 0,  # any that is free
    # Nobody clicks here.
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    # Marionette turns off most of what Firefox would like to request for itself. What is left meets a closed port:
    # a proxy is never asked for what is on loopback.
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
}
_CALL = "const found = (%s); return typeof found === 'function' ? found(arguments[0]) : found"


@attrs.define
class Firefox:
    """One window. Its methods are those of Playwright's `Page`, as far as there are any."""

    _line: socket.socket
    _asked: int = 0

    def goto(self, url: str) -> None:
        """Load a page."""
        self.command("WebDriver:Navigate", url=url)

    def evaluate(self, expression: str, arg: Any = None) -> Any:
        """The value of an expression, or what a function gives, as JSON. Promises are waited for."""
        return self.command("WebDriver:ExecuteScript", script=_CALL % expression, args=[arg])["value"]

    @property
    def decoded_audio(self) -> int:
        """How many packets of audio the page's video has decoded. A page may not know, so this is not asked as a page."""
        script = "return document.querySelector('video').mozRequestDebugInfo().then((info) => info.decoder.reader.audioFramesDecoded)"
        found: int = self.command("WebDriver:ExecuteScript", script=script, args=[], sandbox="system")["value"]
        return found

    def wait_for_timeout(self, timeout: float) -> None:
        """Wait for so many milliseconds."""
        time.sleep(timeout / 1000)

    def command(self, name: str, **parameters: Any) -> Any:
        """The answer to a command."""
        self._asked += 1
        message = json.dumps([0, self._asked, name, parameters]).encode()
        self._line.sendall(b"%d:%s" % (len(message), message))
        _, number, error, result = self.receive()
        assert number == self._asked
        assert not error, f"{name}, {parameters}: {error['error']}: {error['message']}"
        return result

    def receive(self) -> Any:
        """The next message: its length in decimal digits, a colon, JSON."""
        length = b""
        while (digit := self._read(1)) != b":":
            length += digit
        return json.loads(self._read(int(length)))

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self._line.recv(size - len(data))
            assert more, "Firefox has hung up"
            data += more
        return data


@contextmanager
def firefox(program: str, directory: Path) -> Iterator[Firefox]:
    """Run it with a profile and a home of its own in this directory. At the end all its processes are gone."""
    profile = directory / "profile"
    profile.mkdir()
    lines = (f'user_pref("{name}", {json.dumps(value)});\n' for name, value in _PREFERENCES.items())
    (profile / "user.js").write_text("".join(lines), "ascii")
    where = profile / "MarionetteActivePort"
    command = [program, "--headless", "--marionette", "--no-remote", "--profile", str(profile)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "TMPDIR": str(directory)}
    with (directory / "firefox.log").open("wb") as log:
        process = psutil.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    family = [process]
    try:

        def listening() -> int | None:
            assert process.poll() is None, (directory / "firefox.log").read_text("utf-8", "replace")[-2000:]
            return int(where.read_text("ascii") or 0) if where.exists() else None

        with socket.create_connection(("127.0.0.1", until(listening, "Firefox listens")), PATIENCE) as line:
            window = Firefox(line)
            window.receive()  # it introduces itself
            window.command("WebDriver:NewSession")
            yield window
            family += process.children(recursive=True)
            window.command("Marionette:Quit", flags=["eForceQuit"])
        until(lambda: not any(map(_runs, family)), "no process of Firefox is left")
    finally:
        with suppress(psutil.NoSuchProcess):
            family += process.children(recursive=True)
        for one in filter(_runs, family):
            with suppress(psutil.NoSuchProcess):
                one.kill()
        process.wait()


def _runs(process: psutil.Process) -> bool:
    """Whether it has not ended."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
