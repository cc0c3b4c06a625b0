"""The sandbox of the machine: tried at the start with the programs that will run in it."""

import os
from pathlib import Path

import pytest

from tests.run.host.test_tools import FFMPEG, new_trials, program
from transcoded.run.host.sandbox import find_sandbox
from transcoded.run.host.tools import ToolError, Tools, find_tools
from transcoded.run.process.trials import Trials

HELP = "[ $1 = --help ] && echo --ro-bind-fd && exit\n"
WORKS = f"#!/bin/sh\n{HELP}while [ $1 != -- ]; do shift; done\nshift\nexec $@\n"
OLD = '#!/bin/sh\ncase "$*" in *--disable-userns*) echo bwrap: Unknown option >&2; exit 1;; esac\n' + WORKS[10:]


@pytest.fixture
def trials() -> Trials:
    return new_trials()


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trials: Trials) -> Tools:
    ffprobe = program(tmp_path / "ffprobe", "#!/bin/sh\necho ffprobe version 7.1-test\n")
    found = find_tools(program(tmp_path / "ffmpeg", FFMPEG), ffprobe, trials)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return found


def test_it_is_tried_with_these_programs(tools: Tools, trials: Trials, tmp_path: Path) -> None:
    """Where name spaces are forbidden bwrap is there and does not work: the start must say so, not the first stream."""
    bwrap = program(tmp_path / "bwrap", WORKS)
    found = find_sandbox(tools, trials, {"LC_ALL": "C", "SECRET": "x"})
    assert (found.bwrap, found.strict, found.devices) == (bwrap, True, ())
    assert found.variables == (("LC_ALL", "C"),)
    program(tmp_path / "bwrap", "#!/bin/sh\necho bwrap: No permissions >&2\nexit 1\n")
    with pytest.raises(ToolError, match="ffmpeg in it ends with status 1: bwrap: No permissions") as problem:
        find_sandbox(tools, trials, {})
    assert problem.value.name == "sandbox"


def test_a_bwrap_that_cannot_forbid_namespaces_is_used_without(tools: Tools, trials: Trials, tmp_path: Path) -> None:
    """Debian 11 and Ubuntu 22.04 have such a one; the rest of the sandbox is worth having."""
    program(tmp_path / "bwrap", OLD)
    assert not find_sandbox(tools, trials, {}).strict


def test_an_ffprobe_that_does_not_work_in_it_counts(tools: Tools, trials: Trials, tmp_path: Path) -> None:
    """Else no file could be probed, and every request would fail."""
    program(tmp_path / "bwrap", '#!/bin/sh\ncase "$*" in *ffprobe?-version) exit 3;; esac\n' + WORKS[10:])
    with pytest.raises(ToolError, match="ffprobe in it ends with status 3"):
        find_sandbox(tools, trials, {})


def test_devices_are_passed_on_for_hardware_alone(
    tools: Tools, trials: Trials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver of a graphics card is a large part of the kernel that a hostile file need not reach."""
    program(tmp_path / "bwrap", WORKS)
    monkeypatch.setattr("transcoded.run.host.sandbox._DEVICES", ("/dev/nul[l]", "/dev/nothing"))
    assert find_sandbox(tools, trials, {}).devices == ()
    assert find_sandbox(tools, trials, {}, hardware=True).devices == ("/dev/null",)


def test_without_bwrap_there_is_none(tools: Tools, trials: Trials, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transcoded.run.host.sandbox.shutil.which", lambda name: None)
    with pytest.raises(ToolError, match="no bwrap on PATH"):
        find_sandbox(tools, trials, {})


def test_one_that_cannot_mount_an_open_file_is_not_used(tools: Tools, trials: Trials, tmp_path: Path) -> None:
    """Else every file would fail, though the trials have not: they have no input."""
    program(tmp_path / "bwrap", WORKS.replace("echo --ro-bind-fd", "echo --ro-bind"))
    with pytest.raises(ToolError, match="too old"):
        find_sandbox(tools, trials, {})
