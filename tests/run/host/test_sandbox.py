"""The sandbox of the machine: tried at the start with the programs that will run in it."""

import os
from collections.abc import Mapping
from pathlib import Path

import attrs
import pytest

from tests.run.host.test_tools import new_trials, program
from transcoded.plan.media.launcher import Launcher
from transcoded.plan.media.sandbox import Sandbox
from transcoded.run.host.sandbox import find_sandbox
from transcoded.run.host.tools import ToolError

HELP = "[ $1 = --help ] && echo --ro-bind-fd && exit\n"
WORKS = f"#!/bin/sh\n{HELP}while [ $1 != -- ]; do shift; done\nshift\nexec $@\n"
OLD = '#!/bin/sh\ncase "$*" in *--disable-userns*) echo bwrap: Unknown option >&2; exit 1;; esac\n' + WORKS[10:]


@attrs.frozen
class Machine:
    """Programs that all run, and a place for a bwrap that is first on PATH."""

    directory: Path

    def bwrap(self, text: str) -> str:
        return program(self.directory / "bwrap", text)

    def find(self, environment: Mapping[str, str] | None = None, *, hardware: bool = False) -> Sandbox:
        """The sandbox for two candidates of each kind."""
        ffmpegs, ffprobes = (
            [str(self.directory / f"{name}{number}") for number in (1, 2)] for name in ("ffmpeg", "ffprobe")
        )
        return find_sandbox(Launcher(), ffmpegs, ffprobes, new_trials(), environment or {}, hardware=hardware)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    for name in ("ffmpeg1", "ffmpeg2", "ffprobe1", "ffprobe2"):
        program(tmp_path / name, "#!/bin/sh\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return Machine(tmp_path)


def test_it_is_tried_with_these_programs(machine: Machine) -> None:
    """Where name spaces are forbidden bwrap is there and does not work: the start must say so, not the first stream."""
    bwrap = machine.bwrap(WORKS)
    found = machine.find({"LC_ALL": "C", "SECRET": "x"})
    assert (found.bwrap, found.strict, found.devices) == (bwrap, True, ())
    assert found.variables == (("LC_ALL", "C"),)
    machine.bwrap("#!/bin/sh\necho bwrap: No permissions >&2\nexit 1\n")
    with pytest.raises(ToolError, match="ffmpeg in it ends with status 1: bwrap: No permissions") as problem:
        machine.find()
    assert problem.value.name == "sandbox"


def test_a_bwrap_that_cannot_forbid_namespaces_is_used_without(machine: Machine) -> None:
    """Debian 11 and Ubuntu 22.04 have such a one; the rest of the sandbox is worth having."""
    machine.bwrap(OLD)
    assert not machine.find().strict


@pytest.mark.parametrize("broken", ["ffmpeg1", "ffprobe1"])
def test_it_is_enough_that_one_program_of_each_kind_works_in_it(machine: Machine, broken: str) -> None:
    """An ffmpeg with a library from /opt does not, and is no reason to do without the sandbox."""
    machine.bwrap(f'#!/bin/sh\ncase "$*" in *{broken}?-version) exit 3;; esac\n' + WORKS[10:])
    assert machine.find().strict


@pytest.mark.parametrize("broken", ["ffmpeg", "ffprobe"])
def test_a_kind_of_program_of_which_none_works_in_it_counts(machine: Machine, broken: str) -> None:
    """Else no file could be probed, or none transcoded, and every request would fail."""
    machine.bwrap(f'#!/bin/sh\ncase "$*" in *{broken}??-version) exit 3;; esac\n' + WORKS[10:])
    with pytest.raises(ToolError, match=f"{broken} in it ends with status 3"):
        machine.find()


def test_devices_are_passed_on_for_hardware_alone(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver of a graphics card is a large part of the kernel that a hostile file need not reach."""
    machine.bwrap(WORKS)
    monkeypatch.setattr("transcoded.run.host.sandbox._DEVICES", ("/dev/nul[l]", "/dev/nothing"))
    assert machine.find().devices == ()
    assert machine.find(hardware=True).devices == ("/dev/null",)


def test_without_bwrap_there_is_none(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transcoded.run.host.sandbox.shutil.which", lambda name: None)
    with pytest.raises(ToolError, match="no bwrap on PATH"):
        machine.find()


def test_one_that_cannot_mount_an_open_file_is_not_used(machine: Machine) -> None:
    """Else every file would fail, though the trials have not: they have no input."""
    machine.bwrap(WORKS.replace("echo --ro-bind-fd", "echo --ro-bind"))
    with pytest.raises(ToolError, match="too old"):
        machine.find()
