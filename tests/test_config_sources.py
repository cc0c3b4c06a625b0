"""The sources of settings: one that is read wrongly, or not at all, serves the wrong directory."""

from pathlib import Path

import pytest

from transcoded.config import SettingsError
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
