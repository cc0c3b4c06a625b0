"""Settings: one that is read wrongly serves the wrong directory, or fails at night and not at the start."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

from transcoded.config import Settings, SettingsError, about, names
from transcoded.config_sources import load
from transcoded.plan.policy.relay_strategy import Strategy
from transcoded.plan.setting_parsers import OFF


def from_toml(path: Path, text: str) -> Settings:
    file = path / "settings.toml"
    file.write_text(text, encoding="utf-8")
    return load({}, {}, str(file))


def test_the_defaults_are_safe() -> None:
    settings = load({}, {})
    assert settings == Settings()
    assert settings.listen == ("tcp:8080:interface=127.0.0.1",)
    assert settings.media == ()
    assert settings.grace == 5


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("grace", "0.5", 0.5),
        ("grace", "0", 0.0),
        ("threads", "256", 256),
        ("demo", "Yes", True),
        ("demo", "off", False),
        ("ffmpeg", "/opt/ff mpeg", "/opt/ff mpeg"),
        ("input_args", "-hwaccel auto -x 'a b'", ("-hwaccel", "auto", "-x", "a b")),
        ("output_args", "", ()),
        ("max_streams", "1", 1),
        ("max_streams_per_client", "OFF", None),
        ("max_streams_per_client", "3", 3),
        ("queue_size", "0", 0),
        ("stall_timeout", "never", None),
        ("hang_timeout", "45.5", 45.5),
        ("memory_high", "1", 1.0),
        ("memory_high", "off", None),
        ("stream_memory_max", "512M", 512 << 20),
        ("stream_memory_max", "2gib", 2 << 30),
        ("stream_memory_max", "1000000", 1_000_000),
        ("ionice", "idle", 3),
        ("nice", "19", 19),
        ("listen", "tcp:80 unix:/run/t", ("tcp:80", "unix:/run/t")),
        ("media", f"/a{os.pathsep}films=/b c", ("/a", "films=/b c")),
    ],
)
def test_a_value_is_read_from_text(name: str, text: str, value: object) -> None:
    assert getattr(load({}, {f"TRANSCODED_{name.upper()}": text}), name) == value
    assert getattr(load({name: text}, {}), name) == value


def test_a_file_has_values_of_its_own_kinds(tmp_path: Path) -> None:
    settings = from_toml(
        tmp_path,
        'media = ["films=/srv/films", "/srv/music"]\nlisten = ["tcp:80"]\ndemo = true\ngrace = 2.5\nthreads = 4\n'
        'input_args = ["-hwaccel", "a b"]\nffprobe = "/opt/é"\n',
    )
    assert settings == Settings(
        media=("films=/srv/films", "/srv/music"),
        listen=("tcp:80",),
        demo=True,
        grace=2.5,
        threads=4,
        input_args=("-hwaccel", "a b"),
        ffprobe="/opt/é",
    )


BAD: Mapping[str, str] = {
    "grace": "-1|3601|nan|inf|1s||five",
    "threads": "0|257|-1|1.5|٣||auto|99999999999999",
    "demo": "maybe||2",
    "max_streams": "0|-1|off|10001",
    "max_streams_per_client": "0|some",
    "queue_size": "-1||1.5",
    "queue_timeout": "-1|nan|off",
    "preempt_after": "0|soon",
    "stall_timeout": "0|inf|",
    "hang_timeout": "0.5|-30",
    "max_duration": "0|1d",
    "memory_high": "0|1.1|nan|-1|90%",
    "stream_memory_max": "0|-1M|2.5G|1P|M|B|9999999999999T|5\u212a|٢M",
    "stream_address_space_max": "0|lots",
    "nice": "-1|20|off",
    "ionice": "Idle|3|none",
    "state_dir": "",
    "ffmpeg": "",
    "ffprobe": "",
    "cache_dir": "",
    "cache_disk_max": "-1||lots|1.5G",
    "host": "|http://tv.example|tv example/|*.|*a|a..b",
    "max_connections": "0|off",
    "max_connections_per_client": "0|-1|some",
    "media": "",
    "listen": "| ",
    "input_args": "'open",
    "output_args": '"',
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_value_names_its_setting_in_one_line(name: str) -> None:
    for text in BAD[name].split("|"):
        with pytest.raises(SettingsError) as caught:
            load({}, {f"TRANSCODED_{name.upper()}": text})
        assert caught.value.name == name, text
        assert str(caught.value).startswith(f"{name}: "), text
        assert "\n" not in str(caught.value), text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        pytest.param("graec = 5", "config", id="no such setting"),
        pytest.param("grace = [5]", "grace", id="a list for one value"),
        pytest.param('threads = "two"', "threads", id="no number"),
        pytest.param("threads = 2.5", "threads", id="no whole number"),
        pytest.param("threads = true", "threads", id="no number at all"),
        pytest.param("state_dir = false", "state_dir", id="a word that is no path"),
        pytest.param("cache_dir = true", "cache_dir", id="another"),
        pytest.param("listen = []", "listen", id="listening nowhere"),
        pytest.param("media = ['']", "media", id="an empty path"),
        pytest.param("api_key = { secret = 'hidden-secret' }", "api_key", id="a table"),
        pytest.param("grace = ", "config", id="no TOML"),
        pytest.param("a = 1\na = 2", "config", id="twice"),
    ],
)
def test_a_bad_file_names_the_setting_in_one_line(text: str, name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        from_toml(tmp_path, text)
    assert caught.value.name == name
    assert "\n" not in str(caught.value)


WRONG: Mapping[str, Sequence[object]] = {
    "media": ["a\0b", ("",), (5,), 5, None, {"films": "/srv"}],
    "listen": [(), ("",), b"tcp:80", None],
    "demo": [2, None, "maybe"],
    "ffmpeg": ["", 5, b"/bin/ffmpeg", "a\0b"],
    "grace": ["soon", -5, 3601, float("nan"), float("inf"), True, None, "off", 10**400, b"5", (5,)],
    "max_streams": [0, -1, 10_001, 1.5, 2.0, True, None, "off", ()],
    "max_streams_per_client": [0, "some", 1.5, False],
    "queue_timeout": [-1, None],
    "stall_timeout": [0, float("inf"), "soon"],
    "cache_max": [0, -1, 1 << 60, 1e9, True, None],
    "cache_disk_max": [-1, 1 << 60, 1.5, True, False, "lots", (1,), {}],
    "memory_high": [7, 0, -0.1, float("nan"), True, "90%"],
    "stream_memory_max": [0, 2.5, "2.5G"],
    "api_key": [
        "fifteen-letters",
        ("fine-enough-by-far", "bad:role=hidden-secret-hidden-secret"),
        5,
        b"hidden-secret",
        "caf\udce9-hidden-secret",
    ],
    "signing_key": ["hidden-secret", b"hidden-secret-hidden-secret", "hidden-secret-hidden-secret\udce9"],
    "webhook_secret": ["hidden-secret", b"hidden-secret-hidden-secret"],
    "plain_http_login": [None, 2, "maybe"],
    "webhook": [
        "hidden-secret",
        "https://hidden-secret@example.org/",
        ("ftp://hidden-secret/",),
        b"http://hidden-secret/",
        {"http://hidden-secret/"},
    ],
    "cors_origin": ["example.org", 5],
    "host": ["https://example.org", 5, ("*", "a/b")],
    "trusted_proxy": ["nowhere", 5],
    "sandbox": ["docker", True, ["auto"]],
    "relay": ["pigeon", 1],
    "nice": [-1, 20, True],
    "ionice": [0, 4, True, "Idle"],
    "threads": [0, 257],
    "input_args": ["'open", ("-x", 5), 5, None, ("a\0b",)],
    "state_dir": ["", "a\0b", 5, False],
    "cache_dir": ["", None],
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_impossible_however_the_settings_are_made(name: str) -> None:
    """An embedding application that gets one wrong is told at once, not by a stream that behaves oddly at night."""
    make: Callable[..., Settings] = Settings
    evolve: Callable[..., Settings] = attrs.evolve
    for given in WRONG[name]:
        for attempt in (lambda value: make(**{name: value}), lambda value: evolve(Settings(), **{name: value})):
            with pytest.raises(SettingsError) as caught:
                attempt(given)
            assert caught.value.name == name, given
            assert str(caught.value).startswith(f"{name}: "), given
            assert "\n" not in str(caught.value), given
            assert "hidden-secret" not in str(caught.value), given


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("media", "/tmp", ("/tmp",)),
        ("media", f"/a{os.pathsep}b", (f"/a{os.pathsep}b",)),
        ("media", ["/a", "b=/c"], ("/a", "b=/c")),
        ("media", (), ()),
        ("input_args", "-hwaccel 'a b'", ("-hwaccel", "a b")),
        ("input_args", ["-hwaccel", "a b"], ("-hwaccel", "a b")),
        ("grace", 5, 5.0),
        ("grace", "5", 5.0),
        ("stall_timeout", None, None),
        ("stall_timeout", "Never", None),
        ("cache_max", "1K", 1024),
        ("cache_disk_max", "20G", 20 << 30),
        ("cache_disk_max", "0", None),
        ("cache_disk_max", 0, None),
        ("cache_disk_max", "Off", None),
        ("memory_high", 1, 1.0),
        ("relay", "splice", Strategy.SPLICE),
        ("relay", Strategy.COPY, Strategy.COPY),
        ("ionice", "idle", 3),
        ("ionice", 3, 3),
        ("sandbox", "OFF", None),
        ("sandbox", "auto", "auto"),
        ("stream_address_space_max", "off", None),
        ("helper_address_space_max", "1G", 1 << 30),
        ("state_dir", None, None),
        ("state_dir", "off", OFF),
        ("state_dir", "OFF", OFF),
        ("state_dir", "never", OFF),
        ("state_dir", "None", OFF),
        ("state_dir", "./off", "./off"),
    ],
)
def test_text_and_typed_values_give_the_same_settings(name: str, given: object, value: object) -> None:
    make: Callable[..., Settings] = Settings
    settings = make(**{name: given})
    assert getattr(settings, name) == value
    assert type(getattr(settings, name)) is type(value)
    assert attrs.evolve(settings) == settings


def test_settings_are_frozen_and_by_name() -> None:
    settings: Any = Settings()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        settings.grace = -1.0
    with pytest.raises(TypeError):
        Settings(("/tmp",))  # type: ignore[call-arg]  # what is tested


def test_secrets_are_not_in_the_text_of_the_settings() -> None:
    """It is what a debugger, a log or a traceback shows."""
    secrets = dict.fromkeys(("api_key", "signing_key", "webhook_secret"), "hidden-secret-0123456789")
    shown = repr(Settings(webhook=("https://example.org/hidden-secret",), **secrets))  # type: ignore[arg-type]  # by name
    assert "hidden-secret" not in shown
    assert "grace=5.0" in shown


def test_every_setting_is_explained_and_settable_in_each_layer() -> None:
    assert names() == [field.name for field in attrs.fields(Settings)]
    for name in names():
        assert about(name).help
        assert "\n" not in about(name).help
