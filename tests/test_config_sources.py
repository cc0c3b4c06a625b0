"""The sources of settings: one that is read wrongly, or not at all, serves the wrong directory."""

from pathlib import Path

import pytest
from twisted.logger import LogLevel, capturedLogs

from transcoded.config import Settings, SettingsError, about, names
from transcoded.config_sources import load


def test_the_command_line_wins_over_the_environment_over_the_file_over_the_default(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("grace = 1\nthreads = 1\nffmpeg = '/1'\n")
    environment = {"TRANSCODED_THREADS": "2", "TRANSCODED_FFMPEG": "/2"}
    settings = load({"ffmpeg": "/3"}, environment, str(file))
    assert (settings.ffprobe, settings.grace, settings.threads, settings.ffmpeg) == (None, 1, 2, "/3")


def test_the_environment_may_name_the_file_and_the_command_line_another(tmp_path: Path) -> None:
    first, second = tmp_path / "1.toml", tmp_path / "2.toml"
    first.write_text("grace = 1")
    second.write_text("grace = 2")
    environment = {"TRANSCODED_CONFIG": str(first), "PATH": "/bin", "TRANSCODEDX": "no setting of ours"}
    assert load({}, environment).grace == 1
    assert load({}, environment, str(second)).grace == 2


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"ffmpeg = '\xe9'")
    for name in ("missing.toml", "latin.toml", "."):
        with pytest.raises(SettingsError, match="config: ") as caught:
            load({}, {}, str(tmp_path / name))
        assert str(tmp_path) in str(caught.value)


def test_a_file_with_an_impossible_name_is_an_error_of_the_settings() -> None:
    with pytest.raises(SettingsError, match="config"):
        load({}, {}, "/nowhere/\0.toml")


def test_a_misspelt_variable_is_not_ignored() -> None:
    with pytest.raises(SettingsError, match="TRANSCODED_GRAEC: there is no such setting; did you mean grace"):
        load({}, {"TRANSCODED_GRAEC": "5"})
    with pytest.raises(SettingsError, match="TRANSCODED_X: there is no such setting; there are media, listen"):
        load({}, {"TRANSCODED_X": "5"})


# Secrets in files.


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.touch(mode=0o600)
    path.write_text("a-key-of-16-letters\n\nboss:read=another-key-of-16\n", encoding="utf-8")
    return path


KEYS = ("a-key-of-16-letters", "boss:read=another-key-of-16")


def test_every_source_may_name_a_file_with_secrets(tmp_path: Path, keys: Path) -> None:
    toml = tmp_path / "settings.toml"
    for text in (f'api_key = "file:{keys}"', f'api_key = ["file:{keys}"]'):
        toml.write_text(text, encoding="utf-8")
        assert load({}, {}, str(toml)).api_key == KEYS
    assert load({"api_key": [f"file:{keys}"]}, {}).api_key == KEYS
    assert load({}, {"TRANSCODED_API_KEY": f"third-key-of-16-letters file:{keys}"}).api_key == (
        "third-key-of-16-letters",
        *KEYS,
    )
    signing = tmp_path / "signing"
    signing.write_text(" spaces belong to it \n", encoding="utf-8")
    assert load({"signing_key": f"file:{signing}"}, {}).signing_key == " spaces belong to it "


def test_a_file_below_home_may_be_written_with_a_tilde(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(keys.parent))
    assert load({}, {"TRANSCODED_API_KEY": "file:~/keys"}).api_key == KEYS


@pytest.mark.parametrize("name", [name for name in names() if about(name).secret])
@pytest.mark.parametrize("file", ["nothing", "directory", "empty", "blank", "nul\0", "nested"])
def test_a_file_that_gives_no_secret_is_an_error_of_the_setting(tmp_path: Path, name: str, file: str) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "empty").touch()
    (tmp_path / "blank").write_text("\n\r\n\n", encoding="utf-8")
    (tmp_path / "nested").write_text(f"file:{tmp_path}/empty", encoding="utf-8")
    with pytest.raises(SettingsError, match=f"^{name}: "):
        load({}, {f"TRANSCODED_{name.upper()}": f"file:{tmp_path}/{file}"})


def test_a_setting_that_is_no_secret_is_not_read_from_a_file(keys: Path) -> None:
    assert load({}, {"TRANSCODED_FFMPEG": f"file:{keys}"}).ffmpeg == f"file:{keys}"


def test_an_application_is_told_that_it_must_read_the_file_itself(keys: Path) -> None:
    with pytest.raises(SettingsError, match="api_key: a secret cannot begin with file:"):
        Settings(api_key=(f"file:{keys}",))


def test_a_secret_is_warned_about_where_others_can_read_it(tmp_path: Path, keys: Path) -> None:
    toml = tmp_path / "settings.toml"
    toml.write_text("grace = 1\n", encoding="utf-8")
    toml.chmod(0o644)
    keys.chmod(0o644)
    arguments = {"api_key": [f"file:{keys}", "sha256:" + "0" * 64], "signing_key": "a-key-of-16-letters"}
    with capturedLogs() as logged:
        load(arguments, {}, str(toml))
    assert [(event["log_level"], event.get("path") or event["flag"]) for event in logged] == [
        (LogLevel.warn, str(toml)),
        (LogLevel.warn, str(keys)),
        (LogLevel.warn, "signing-key"),
    ]
