"""The demo's clips: the first thing that a stranger sees of this project."""

import os
from pathlib import Path

import pytest

from tests.support.tools import made_tools
from transcoded.run.host.demo import CLIPS, make_clips
from transcoded.run.host.environment import child_environment
from transcoded.run.host.tools import ToolError
from transcoded.run.process.ledger import open_ledger
from transcoded.run.process.trials import Trials

WRITES_ITS_LAST_ARGUMENT = """#!/bin/sh
for last; do :; done
echo "$@" > "${last#file:}"
"""


def make(ffmpeg: object, directory: Path) -> str:
    trials = Trials(child_environment(os.environ), open_ledger(None)[0])
    return make_clips(made_tools(str(ffmpeg)), str(directory), trials)


@pytest.fixture
def ffmpeg(tmp_path: Path) -> Path:
    """A program that writes its arguments into the file that the last one names."""
    path = tmp_path / "ffmpeg"
    path.write_text(WRITES_ITS_LAST_ARGUMENT, encoding="utf-8")
    path.chmod(0o755)
    return path


def test_every_clip_is_made_and_nothing_else(tmp_path: Path, ffmpeg: Path) -> None:
    directory = tmp_path / "cache" / "demo"
    assert make(ffmpeg, directory) == str(directory)
    assert sorted(path.name for path in directory.iterdir()) == sorted(CLIPS)


def test_a_clip_that_is_there_is_not_made_again(tmp_path: Path, ffmpeg: Path) -> None:
    """The second `make run` starts at once."""
    directory = tmp_path / "demo"
    directory.mkdir()
    (directory / "sound only.flac").write_text("mine", encoding="utf-8")
    make(ffmpeg, directory)
    make("/nonexistent/ffmpeg", directory)
    assert (directory / "sound only.flac").read_text(encoding="utf-8") == "mine"


def test_a_clip_that_could_not_be_made_is_not_served(tmp_path: Path, ffmpeg: Path) -> None:
    """Half a clip would be taken for a whole one at the next start."""
    ffmpeg.write_text(WRITES_ITS_LAST_ARGUMENT + "exit 1\n", encoding="utf-8")
    directory = tmp_path / "demo"
    with pytest.raises(ToolError, match=r"demo: the clips cannot be made: .* ends with status 1"):
        make(ffmpeg, directory)
    assert [path for path in directory.iterdir() if not path.name.startswith(".")] == []


def test_a_directory_that_cannot_be_made_is_an_error(tmp_path: Path, ffmpeg: Path) -> None:
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        make(ffmpeg, ffmpeg)
