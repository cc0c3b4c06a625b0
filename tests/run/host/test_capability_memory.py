"""What is remembered of the last start. A file that somebody has damaged must cost a second, and not a codec."""

import os
from collections.abc import Iterator
from pathlib import Path

import attrs
import msgspec
import pytest

from transcoded.plan.media.capabilities import Capabilities, CodecEngine
from transcoded.plan.media.launcher import Launcher
from transcoded.plan.media.sandbox import Sandbox
from transcoded.run.files.private_directory import PrivateDirectory
from transcoded.run.host import capability_memory
from transcoded.run.host.capability_memory import MAX_BYTES, MAX_PROGRAMS, NAME, CapabilityMemory, key_of

KEY = "0123456789abcdef" * 2
FOUND = attrs.evolve(
    Capabilities.everything("zscale"),
    engines=(CodecEngine("nvenc", works=True, why="tried", decodes=frozenset({"h264"}), encodes=frozenset({"av1"})),),
)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[PrivateDirectory]:
    opened = PrivateDirectory.open(str(tmp_path / "state"))
    yield opened
    opened.close()


@pytest.fixture
def file(directory: PrivateDirectory) -> Path:
    return Path(directory.path) / NAME


def test_what_was_saved_is_found_again(directory: PrivateDirectory, file: Path) -> None:
    CapabilityMemory(directory).save({KEY: FOUND}, ("/bin/ffmpeg", "/bin/ffprobe"))
    again = CapabilityMemory(directory)
    assert again.get(KEY) == FOUND
    assert again.get("f" * 32) is None
    assert again.used == {"/bin/ffmpeg", "/bin/ffprobe"}
    assert file.stat().st_mode & 0o777 == 0o600


def test_without_a_state_directory_nothing_is_remembered() -> None:
    memory = CapabilityMemory(None)
    memory.save({KEY: FOUND}, ("/bin/ffmpeg",))
    assert (memory.get(KEY), memory.used) == (None, frozenset())


def test_nothing_is_written_if_nothing_is_new(directory: PrivateDirectory, file: Path) -> None:
    """Each start would write to the disk."""
    CapabilityMemory(directory).save({KEY: FOUND}, ("/bin/ffmpeg",))
    before = file.stat().st_ino
    CapabilityMemory(directory).save({}, ("/bin/ffmpeg",))
    assert file.stat().st_ino == before


def test_the_latest_programs_are_kept(directory: PrivateDirectory, file: Path) -> None:
    """Else each new version of ffmpeg would make the file longer, for ever."""
    for number in range(MAX_PROGRAMS + 3):
        CapabilityMemory(directory).save({f"{number:032x}": FOUND}, ("/bin/ffmpeg",))
    memory = CapabilityMemory(directory)
    kept = [number for number in range(MAX_PROGRAMS + 3) if memory.get(f"{number:032x}") is not None]
    assert kept == list(range(3, MAX_PROGRAMS + 3))
    assert file.stat().st_size < MAX_BYTES


def entry(**changes: object) -> bytes:
    """A file with one entry, changed."""
    values = {
        "version": "9.0",
        "decoders": ["av1"],
        "encoders": [],
        "filters": [],
        "engines": [],
        "tone_mapping": None,
        "burns_in_text": True,
        "burns_in_bitmap": True,
        "input_options": ["apply_cropping"],
        **changes,
    }
    return msgspec.json.encode({"programs": {KEY: values}, "used": []})


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut"),
        pytest.param(b"[]", id="another kind"),
        pytest.param(b"\xff\xfe\x00", id="no text"),
        pytest.param(entry(decoders=["av1", "a b; rm"]), id="a name that is none"),
        pytest.param(entry(decoders=["a" * 65]), id="a long name"),
        pytest.param(entry(decoders=["av1"] * 1001), id="many names"),
        pytest.param(entry(decoders="av1"), id="a text for a list"),
        pytest.param(entry(tone_mapping="magic"), id="a way that does not exist"),
        pytest.param(entry(version="9" * 501), id="a long version"),
        pytest.param(entry(more=1), id="a field of another version"),
        pytest.param(
            entry(engines=[{"name": "tpu", "works": True, "why": "", "decodes": [], "encodes": []}]), id="engine"
        ),
        pytest.param(b" " * MAX_BYTES + entry(), id="too long"),
        pytest.param(b'{"programs": {"../../x": {}}}', id="a key that is none"),
    ],
)
def test_a_file_that_is_damaged_or_foreign_is_ignored_and_written_anew(
    directory: PrivateDirectory, file: Path, content: bytes
) -> None:
    file.write_bytes(content)
    memory = CapabilityMemory(directory)
    assert (memory.get(KEY), memory.used) == (None, frozenset())
    memory.save({KEY: FOUND}, ("/bin/ffmpeg",))
    assert CapabilityMemory(directory).get(KEY) == FOUND


def test_an_entry_that_is_right_is_read(directory: PrivateDirectory, file: Path) -> None:
    """So the other ones are refused for what is wrong with them."""
    file.write_bytes(entry())
    found = CapabilityMemory(directory).get(KEY)
    assert found is not None
    assert found.decoders == {"av1"}


def test_a_file_that_is_a_link_is_not_followed(directory: PrivateDirectory, file: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(entry())
    file.symlink_to(tmp_path / "elsewhere")
    assert CapabilityMemory(directory).get(KEY) is None


# When it is found again.


@pytest.fixture
def ffmpeg(tmp_path: Path) -> str:
    path = tmp_path / "ffmpeg"
    path.write_text("one", encoding="ascii")
    return str(path)


def test_the_same_program_has_the_same_key(ffmpeg: str) -> None:
    assert key_of(ffmpeg, "version 9", Launcher()) == key_of(ffmpeg, "version 9", Launcher())


def test_whatever_may_change_what_it_can_do_changes_the_key(
    ffmpeg: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver that was installed is used after the next start, and not when somebody thinks of a file in a state directory."""
    (tmp_path / "icd.d").mkdir()
    monkeypatch.setattr(capability_memory, "DRIVERS", (str(tmp_path / "icd.d" / "*"),))
    keys = [key_of(ffmpeg, "version 9", Launcher())]
    keys.append(key_of(ffmpeg, "version 9.1", Launcher()))
    keys.append(key_of(ffmpeg, "version 9", Launcher(sandbox=Sandbox("/bin/bwrap"))))
    keys.append(key_of(ffmpeg, "version 9", Launcher(sandbox=Sandbox("/bin/bwrap", seccomp=b"x"))))
    keys.append(key_of(ffmpeg, "version 9", Launcher(helper_address_space=1 << 30)))
    monkeypatch.setattr(capability_memory, "TRIALS", -1)
    keys.append(key_of(ffmpeg, "version 9", Launcher()))
    monkeypatch.undo()
    monkeypatch.setattr(capability_memory, "DRIVERS", (str(tmp_path / "icd.d" / "*"),))
    (tmp_path / "icd.d" / "lvp_icd.json").write_text("{}", encoding="ascii")
    keys.append(key_of(ffmpeg, "version 9", Launcher()))
    os.utime(tmp_path / "icd.d" / "lvp_icd.json", ns=(1, 1))
    keys.append(key_of(ffmpeg, "version 9", Launcher()))
    os.utime(ffmpeg, ns=(1, 1))
    keys.append(key_of(ffmpeg, "version 9", Launcher()))
    Path(ffmpeg).write_text("longer", encoding="ascii")
    os.utime(ffmpeg, ns=(1, 1))
    keys.append(key_of(ffmpeg, "version 9", Launcher()))
    assert len(set(keys)) == len(keys)


def test_a_device_is_the_same_after_a_restart_of_the_machine(
    ffmpeg: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file is made anew then, and has a new time."""
    monkeypatch.setattr(capability_memory, "DRIVERS", ("/dev/null",))
    before = key_of(ffmpeg, "version 9", Launcher())
    real = os.stat

    def later(path: str, **more: object) -> os.stat_result:
        found = real(path)
        if path != "/dev/null":
            return found
        values = list(found)
        values[8] += 1000
        return os.stat_result(values, {"st_rdev": found.st_rdev, "st_mtime_ns": found.st_mtime_ns + 10**12})

    monkeypatch.setattr("transcoded.run.host.capability_memory.os.stat", later)
    assert key_of(ffmpeg, "version 9", Launcher()) == before
