"""The machine at the start. What fails there must be one line that names a setting, and leave nothing open behind it."""

import os
import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import attrs
import pytest
from twisted.logger import capturedLogs, formatEvent

from transcoded.config import Settings, SettingsError
from transcoded.host import Host, default_state_dir, find_roots
from transcoded.run.host.demo import CLIPS

PROGRAM = """#!/bin/sh
case "$*" in
*file:*) for last; do :; done; echo clip > "${last#file:}";;
*) echo "NAME version 7.1-test"; env > DIR/NAME.env;;
esac
"""

BWRAP = "[ $1 = --help ] && echo --ro-bind-fd && exit; while [ $1 != -- ]; do shift; done; shift; exec $@"


def program(directory: Path, name: str, text: str = PROGRAM) -> str:
    path = directory / name
    path.write_text(text.replace("NAME", name).replace("DIR", str(directory)), encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings that work here, with a state directory."""
    # For what a test puts before the machine's own programs.
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    (tmp_path / "films").mkdir()
    return Settings(
        media=(str(tmp_path / "films"),),
        state_dir=str(tmp_path / "state"),
        cache_dir=str(tmp_path / "cache"),
        ffmpeg=program(tmp_path, "ffmpeg"),
        ffprobe=program(tmp_path, "ffprobe"),
        sandbox="off",
    )


def changed(settings: Settings, changes: dict[str, object]) -> Settings:
    evolve: Callable[..., Settings] = attrs.evolve
    return evolve(settings, **changes)


def descriptors() -> list[str]:
    """What this process has open, the directory that is being read aside."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:
            continue
    return sorted(found)


def test_what_the_settings_come_to(settings: Settings, tmp_path: Path) -> None:
    host = Host.open(attrs.evolve(settings, nice=5, ionice=3, stream_address_space_max=1 << 32))
    assert host.roots == {"films": str(tmp_path / "films")}
    assert host.tools.version == "7.1-test"
    assert (host.launcher.niceness, host.launcher.io_class, host.launcher.address_space) == (5, 3, 1 << 32)
    assert host.launcher.helper_address_space == 2 << 30
    assert (host.launcher.sandbox, host.leftovers) == (None, [])
    assert host.ledger.directory is not None
    assert host.ledger.directory.path == str(tmp_path / "state")
    host.close()
    host.close()


def test_programs_are_tried_with_the_token_and_without_secrets(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the next start finds one that this start, killed in the middle, has left."""
    monkeypatch.setenv("TRANSCODED_API_KEY", "a-secret")
    host = Host.open(settings)
    for name in ("ffmpeg", "ffprobe"):
        environment = (tmp_path / f"{name}.env").read_text("utf-8")
        assert f"TRANSCODED_TOKEN={host.ledger.token}" in environment
        assert "a-secret" not in environment
    host.close()


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        pytest.param({"media": ()}, "media", id="nothing to serve"),
        pytest.param({"media": ("/nowhere",)}, "media", id="no directory"),
        pytest.param({"ffmpeg": "/nowhere/ffmpeg"}, "ffmpeg", id="no ffmpeg"),
        pytest.param({"ffmpeg": "/bin/false"}, "ffmpeg", id="a broken ffmpeg"),
        pytest.param({"ffprobe": "/bin/true"}, "ffprobe", id="no ffprobe"),
        pytest.param({"sandbox": "bwrap"}, "sandbox", id="a sandbox that does not work"),
        pytest.param({"demo": True, "cache_dir": "/proc/nothing"}, "demo", id="no room for the clips"),
        pytest.param({"state_dir": "/proc/nothing"}, "state_dir", id="no state directory"),
    ],
)
def test_a_start_that_fails_names_the_setting_and_leaves_nothing_open(
    settings: Settings, tmp_path: Path, changes: dict[str, object], name: str
) -> None:
    """An application that shows its user the error and tries again must not be told that it is in its own way."""
    program(tmp_path / "bin", "bwrap", "#!/bin/sh\necho No permissions >&2\nexit 1\n")
    before = descriptors()
    for _ in range(2):
        with pytest.raises(SettingsError) as caught:
            Host.open(changed(settings, changes))
        assert caught.value.name == name
        assert "\n" not in str(caught.value)
    assert descriptors() == before
    Host.open(settings).close()


@pytest.mark.parametrize(
    ("bwrap", "more", "why"),
    [
        pytest.param("echo No permissions >&2; exit 1", {}, "bwrap does not work here", id="not allowed here"),
        pytest.param(BWRAP, {"input_args": ("-hwaccel", "cuda")}, "use hardware", id="hardware"),
        pytest.param(BWRAP, {"output_args": "-c:v h264_vaapi"}, "use hardware", id="a hardware encoder"),
        pytest.param(BWRAP, {"input_args": "-threads 2"}, None, id="it works"),
    ],
)
def test_the_sandbox_is_on_wherever_it_works_and_else_one_line_says_why_not(
    settings: Settings, tmp_path: Path, bwrap: str, more: dict[str, object], why: str | None
) -> None:
    """In a container without user namespaces the daemon must start all the same, and its operator must know."""
    program(tmp_path / "bin", "bwrap", f"#!/bin/sh\n{bwrap}\n")
    with capturedLogs() as events:
        host = Host.open(changed(settings, {"sandbox": "auto", **more}))
    lines = [text for event in events if (text := formatEvent(event)).startswith("no sandbox")]
    assert (host.launcher.sandbox is None) == (why is not None)
    assert len(lines) == (why is not None)
    assert why is None or why in lines[0]
    host.close()


@pytest.mark.parametrize(
    ("more", "limit"),
    [
        pytest.param({}, 16 << 30, id="the default"),
        pytest.param({"input_args": ("-hwaccel", "cuda")}, None, id="not for hardware"),
        pytest.param(
            {"input_args": ("-hwaccel", "cuda"), "stream_address_space_max": "64G"}, 64 << 30, id="unless it is set"
        ),
        pytest.param({"stream_address_space_max": "off"}, None, id="off"),
    ],
)
def test_encoders_have_a_limit_for_their_address_space(
    settings: Settings, more: dict[str, object], limit: int | None
) -> None:
    """With hardware the default would let none start: a CUDA context alone reserves 13 GiB."""
    host = Host.open(changed(settings, more))
    assert host.launcher.address_space == limit
    host.close()


def test_a_sandbox_that_is_required_has_the_devices_of_hardware(settings: Settings, tmp_path: Path) -> None:
    bwrap = program(tmp_path / "bin", "bwrap", f"#!/bin/sh\n{BWRAP}\n")
    host = Host.open(attrs.evolve(settings, sandbox="bwrap", input_args=("-hwaccel", "vaapi")))
    assert host.launcher.sandbox is not None
    assert host.launcher.sandbox.bwrap == bwrap
    host.close()


def test_a_state_directory_is_one_hosts_until_it_is_closed(settings: Settings) -> None:
    host = Host.open(settings)
    with pytest.raises(SettingsError, match=re.escape(f"is in use by another daemon (pid {os.getpid()})")):
        Host.open(settings)
    host.close()
    Host.open(settings).close()


def test_the_clips_of_the_demo_are_a_root_beside_the_others(settings: Settings, tmp_path: Path) -> None:
    host = Host.open(attrs.evolve(settings, demo=True))
    assert host.roots == {"films": str(tmp_path / "films"), "demo": str(tmp_path / "cache" / "demo")}
    assert sorted(os.listdir(host.roots["demo"])) == sorted(CLIPS)
    host.close()


def test_without_a_state_directory_nothing_is_written(settings: Settings, tmp_path: Path) -> None:
    host = Host.open(attrs.evolve(settings, state_dir="OFF"))
    assert host.ledger.directory is None
    assert not (tmp_path / "state").exists()
    host.close()


def test_the_default_state_directory_is_done_without_if_it_cannot_be_had(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    host = Host.open(attrs.evolve(settings, state_dir=None))
    assert host.ledger.directory is None
    host.close()


@pytest.mark.parametrize(
    ("listen", "directory"),
    [
        ("tcp:8080:interface=127.0.0.1", "tcp-8080-interface-127.0.0.1"),
        ("unix:/run/t/../http", "unix-run-t-..-http"),
        (":::", "default"),
    ],
)
def test_each_port_has_a_default_state_directory(
    listen: str, directory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two daemons of one user must not meet in one."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_state_dir(Settings(listen=(listen, "tcp:1"))) == str(tmp_path / "transcoded" / directory)


def test_a_root_is_named_by_hand_or_after_its_directory(tmp_path: Path) -> None:
    films = tmp_path / "films"
    films.mkdir()
    (tmp_path / "a=b").mkdir()
    (tmp_path / "link").symlink_to(films)
    assert find_roots([str(films)]) == {"films": str(films)}
    assert find_roots([f"{films}/"]) == {"films": str(films)}
    assert find_roots([f"mine={films}", str(films)]) == {"mine": str(films), "films": str(films)}
    assert find_roots([str(tmp_path / "link")]) == {"link": str(films)}
    assert find_roots([str(tmp_path / "a=b")]) == {"a=b": str(tmp_path / "a=b")}
    assert find_roots(["/"]) == {"media": "/"}
    assert find_roots([]) == {}


def test_a_root_below_home_may_be_written_with_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "films").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_roots(["~/films", "more=~/films"]) == dict.fromkeys(["films", "more"], str(tmp_path / "films"))


@pytest.mark.parametrize(
    "media",
    [
        pytest.param(["{dir}/missing"], id="missing"),
        pytest.param(["{dir}/file"], id="a file"),
        pytest.param(["{dir}/.hidden"], id="hidden"),
        pytest.param(["..={dir}"], id="a name that leads elsewhere"),
        pytest.param(["x={dir}", "x={dir}/.hidden"], id="two of a name"),
        pytest.param(["films="], id="a variable that was not set: not the working directory"),
        pytest.param(["{dir}/two\nlines"], id="a name of two lines"),
    ],
)
def test_a_root_that_cannot_be_served_names_the_setting(media: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / ".hidden").mkdir()
    with pytest.raises(SettingsError) as caught:
        find_roots([text.replace("{dir}", str(tmp_path)) for text in media])
    assert caught.value.name == "media"
    assert "\n" not in str(caught.value)


def test_a_root_whose_name_has_no_url_must_be_named(tmp_path: Path) -> None:
    os.mkdir(os.fsencode(tmp_path) + b"/films-\xff")
    path = str(tmp_path / "films-\udcff")
    with pytest.raises(SettingsError, match=r"media: the name .* is not UTF-8"):
        find_roots([path])
    assert list(find_roots([f"films={path}"])) == ["films"]


# Segments on disk.


def test_segments_are_kept_on_disk_only_if_the_settings_say_so(settings: Settings, tmp_path: Path) -> None:
    host = Host.open(settings)
    assert host.segments is None
    host.close()
    assert not (tmp_path / "cache").exists()
    host = Host.open(attrs.evolve(settings, cache_disk_max=1 << 30))
    assert host.segments is not None
    assert host.segments.path == str(tmp_path / "cache" / "segments")
    host.close()


def test_a_directory_for_segments_that_is_not_ours_alone_is_refused(settings: Settings, tmp_path: Path) -> None:
    """Two daemons would each fill the quota, and others could put into it what viewers then get."""
    settings = attrs.evolve(settings, cache_disk_max=1 << 30)
    other = attrs.evolve(settings, state_dir=str(tmp_path / "state of another"))
    with closing(Host.open(settings)):
        before = descriptors()
        with pytest.raises(
            SettingsError, match=r"cache_dir: .* is in use by another daemon .*; give each daemon its own"
        ):
            Host.open(other)
        assert descriptors() == before
    (tmp_path / "cache" / "segments").chmod(0o777)
    with pytest.raises(SettingsError, match="cache_dir: other users may write"):
        Host.open(settings)


def test_a_disk_for_segments_that_fails_does_not_prevent_the_start(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file", encoding="utf-8")
    with capturedLogs() as events:
        host = Host.open(attrs.evolve(settings, cache_disk_max=1 << 30))
    assert host.segments is None
    assert any("no segments are kept on disk" in str(formatEvent(event)) for event in events)
    host.close()
