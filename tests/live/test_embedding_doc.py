"""The examples of docs/embedding.md, run as they stand there: what a user copies from it must work."""

import os
import re
import signal
import sys
import wave
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from tests.support import REPOSITORY
from tests.support.daemon import LiveDaemon, embedded, read_head
from transcoded.config import Settings

DOCUMENTS = sorted([REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")])


def blocks(document: Path) -> Sequence[str]:
    """The Python in a document."""
    return re.findall(r"^```python\n(.*?)^```", document.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """A media root with a few minutes of silence: long enough to be interrupted."""
    directory = tmp_path / "films"
    directory.mkdir()
    with wave.open(str(directory / "a.mkv"), "wb") as file:
        file.setparams((2, 2, 48000, 0, "NONE", ""))
        file.writeframes(bytes(48000 * 4 * 180))
    return directory


def test_the_program_serves_below_its_prefix_and_leaves_nothing(films: Path, tmp_path: Path) -> None:
    (code, *_) = blocks(REPOSITORY / "docs" / "embedding.md")
    program = tmp_path / "application.py"
    program.write_text(code, encoding="utf-8")
    environment = {"FILMS": f"films={films}", "LISTEN": "tcp:0:interface=127.0.0.1"}
    run = (sys.executable, str(program))
    with LiveDaemon(tmp_path / "daemon", {}, program=run, environment=environment) as application:
        entries = application.json("/video/api/v1/library/films")["entries"]
        assert [entry["path"] for entry in entries] == ["films/a.mkv"]
        assert application.get("/video/media/films/a.mkv/stream.flac?duration=1").body.startswith(b"fLaC")
        assert application.get("/media/films/a.mkv").status == 404
        with closing(application.open("/video/media/films/a.mkv/stream.wav", receive_buffer=4096)) as viewer:
            assert read_head(viewer)[0] == 200
            # How a program ends that runs a reactor without more ado is Twisted's business.
            assert application.stop(signal.SIGTERM) in {0, -signal.SIGTERM}
            application.expected_status = application.process.returncode
            assert not application.census()


@pytest_twisted.ensureDeferred
async def test_a_file_is_moved_while_nobody_can_open_it(films: Path) -> None:
    code = next(block for block in blocks(REPOSITORY / "docs" / "embedding.md") if "transcoded.hold(" in block)
    async with embedded(Settings(media=(f"films={films}",), state_dir="off")) as (service, _):
        names: dict[str, Any] = {"transcoded": service, "os": os}
        exec(code, names)
        move: Callable[[str, str], Awaitable[None]] = names["move"]
        await move(str(films / "a.mkv"), str(films / "b.mkv"))
        assert os.listdir(films) == ["b.mkv"]
        # Newcomers are let in again.
        assert await service.release("films/b.mkv") == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_what_is_shown_as_python_is_python(document: Path) -> None:
    for code in blocks(document):
        compile(code, str(document), "exec")
