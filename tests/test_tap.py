"""The command line: a flag that is lost, or read as another value, starts a daemon that serves something else."""

import pytest

from transcoded.config import Settings, names
from transcoded.tap import Options, application


def parse(*arguments: str) -> Settings:
    options = Options()
    options.parseOptions(list(arguments))
    return options.settings


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONFIG", *map(str.upper, names())):
        monkeypatch.delenv(f"TRANSCODED_{name}", raising=False)


def test_flags_are_settings() -> None:
    settings = parse("--media", "a=/srv/a", "--media", "/srv/b c", "--grace=0", "--demo", "--state-dir", "off")
    assert settings.media == ("a=/srv/a", "/srv/b c"), "repeated, and with a space in it"
    assert (settings.grace, settings.demo) == (0.0, True), "0 is a value and not a missing one"
    assert parse() == Settings()


@pytest.mark.parametrize("name", names())
def test_every_setting_has_a_flag(name: str) -> None:
    assert f"--{name.replace('_', '-')}" in Options().getUsage(width=200)


def test_a_wrong_value_ends_the_program_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse("--grace", "soon")
    assert caught.value.code == 64
    assert capsys.readouterr().err.startswith("transcoded: grace: ")


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse("--version")
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("transcoded ")


def test_the_application_ends_the_program_if_the_environment_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRANSCODED_GRACE", "soon")
    with pytest.raises(SystemExit) as caught:
        application()
    assert caught.value.code == 64
    assert "grace" in capsys.readouterr().err
