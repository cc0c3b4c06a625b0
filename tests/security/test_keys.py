"""Keys, attacked: by who guesses, by who reads the log, and by who reads the settings."""

import socket
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from tests.support.daemon import LiveDaemon, clean_environment
from transcoded.config import Settings, SettingsError
from transcoded.config_sources import load
from transcoded.plan.http.access import parse_key

KEY = "the-key-of-the-television"
GUESS = "a-guess-at-the-television"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SECRET = "c2VjcmV0c2VjcmV0c2Vj"


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def test_a_stranger_behind_the_same_proxy_locks_nobody_out(tmp_path: Path) -> None:
    with LiveDaemon(tmp_path / "daemon", {"m": tmp_path}, "--api-key", f"tv:read={KEY}") as daemon:
        statuses = [daemon.get("/api/v1/streams", bearer(f"{GUESS}{number}")).status for number in range(40)]
        assert statuses == [401] * 10 + [429] * 30
        assert daemon.get("/api/v1/streams", bearer(KEY)).status == 200
        assert daemon.post("/login", f"key={KEY}", FORM).status == 204
        refused = daemon.post("/login", f"key={GUESS}", FORM)
        assert 0 < int(refused.headers["retry-after"]) <= 60
        refused.problem(429)
        lines = [line for line in daemon.log().splitlines() if "wrong keys" in line]
        assert len(lines) == 1, "one line, not one for each guess"
        assert "127.0.0.1" in lines[0]
        assert GUESS not in daemon.log()


def test_a_network_of_addresses_gives_no_more_guesses_and_fills_neither_log_nor_memory(tmp_path: Path) -> None:
    flags = ("--api-key", f"tv:read={KEY}", "--trusted-proxy", "127.0.0.1")
    with LiveDaemon(tmp_path / "daemon", {"m": tmp_path}, *flags) as daemon:

        def guess(address: str) -> bytes:
            head = f"GET /api/v1/streams HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {address}\r\n"
            return f"{head}Authorization: Bearer {GUESS}\r\n\r\n".encode()

        def statuses(addresses: list[str]) -> list[int]:
            """Of one guess from each address, one after the other on one connection."""
            found = []
            with daemon.connect() as connection, connection.makefile("rb") as answers:
                for address in addresses:
                    connection.sendall(guess(address))
                    found.append(int(answers.readline().split()[1]))
                    length = 0
                    while (line := answers.readline().strip()) != b"":
                        name, _, value = line.partition(b":")
                        length = int(value) if name.lower() == b"content-length" else length
                    answers.read(length)
                connection.shutdown(socket.SHUT_RDWR)
            return found

        assert statuses([f"2001:db8:1:2::{number:x}" for number in range(20)]) == [401] * 10 + [429] * 10
        assert statuses([f"2001:db8:2:{number:x}::1" for number in range(1000)]) == [401] * 990 + [429] * 10
        assert daemon.get("/api/v1/streams", bearer(KEY)).status == 200
        assert len([line for line in daemon.log().splitlines() if "wrong keys" in line]) == 2


@pytest.mark.parametrize("stored", ["sha256:" + "0" * 63, "sha256:", "sha256:" + "x" * 64, "SHA256:" + "0" * 64])
def test_who_reads_a_digest_with_a_mistake_in_the_settings_has_no_key(stored: str) -> None:
    for text in (stored, f"tv:read={stored}"):
        with pytest.raises(SettingsError) as caught:
            Settings(api_key=(text,))
        assert "0000" not in str(caught.value)


def test_a_key_that_can_be_guessed_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="at least 16 characters"):
        parse_key("tv:read=fifteen-letters")
    assert parse_key("tv:read=sixteen-letters!").name == "tv"


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        f"{SECRET} = 1",
        f"'{SECRET}' = 1",
        f"[{SECRET}]",
        f"[{SECRET}]\n[{SECRET}]",
        f"a.{SECRET} = 1\na.{SECRET}.b = 1",
        f"api_key{SECRET} = 1",
        f"api_key = {SECRET}",
        f"api_key = '{SECRET}",
        f"api_key = '''{SECRET}",
        f'api_key = "\\{SECRET}"',
        f"api_key = '{SECRET}' {SECRET}",
        f"api_key = {{ {SECRET} = 1, {SECRET} = 2 }}",
        f"api_key = {{ {SECRET} = 1 }}",
        f"api_key = ['tv:reed={SECRET}']",
        f"api_key = ['tv:read={SECRET[:15]}']",
        f"api_key = [['{SECRET}']]",
        f"signing_key = '{SECRET[:15]}'",
        f"signing_key = ['{SECRET}']",
        f"webhook_secret = '{SECRET[:15]}'",
        f"webhook = '{SECRET}'",
        f"webhook = 'https://{SECRET}@example.org/'",
        f"api_key = '{SECRET}\xff'",
        f"api_key = {'[' * 3000}'{SECRET}'",
    ],
)
def test_no_error_about_the_settings_file_shows_a_secret_to_who_reads_the_log(tmp_path: Path, text: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError) as caught:
        load({}, {}, str(file))
    assert SECRET[:6] not in str(caught.value)
    shown = "".join(traceback.format_exception(caught.value))
    assert SECRET[:6] not in shown, "nor does a traceback show what the parser said"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        (f"TRANSCODED_API_KEY_{SECRET}", "="),
        (f"TRANSCODED_{SECRET}", ""),
        (f"TRANSCODED_API_KEY\n{SECRET}", ""),
        ("TRANSCODED_API_KEY", f"tv:reed={SECRET}"),
        ("TRANSCODED_API_KEY", f"{SECRET} word"),
        ("TRANSCODED_SIGNING_KEY", SECRET[:15]),
        ("TRANSCODED_WEBHOOK_SECRET", SECRET[:15]),
        ("TRANSCODED_WEBHOOK", SECRET),
    ],
)
def test_no_error_about_the_environment_shows_a_secret(variable: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({}, {variable: value})
    assert SECRET[:6] not in str(caught.value)


def test_a_daemon_that_does_not_start_says_where_the_mistake_is_and_not_what_stands_there(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(f"media = ['/srv']\n{SECRET} = ''\n", encoding="ascii")
    command = [sys.executable, "-m", "twisted", "transcoded", "--config", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, env=clean_environment(tmp_path), check=False)
    assert done.returncode == 64
    assert f"{file}, line 2: there is no such setting" in done.stderr
    assert SECRET[:6] not in done.stdout + done.stderr


def test_a_traceback_with_all_values_shows_no_secret() -> None:
    secrets = dict.fromkeys(("api_key", "signing_key", "webhook_secret"), SECRET)
    settings = Settings(webhook=(f"https://example.org/{SECRET}",), **secrets)  # type: ignore[arg-type]  # by name
    assert SECRET not in repr(settings)
    assert SECRET not in repr(parse_key(SECRET))
