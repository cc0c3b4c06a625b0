"""The daemon's secrets: what another user of the machine, or a transcoder that was broken into, would read of them."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
import pytest

from tests.deploy.test_systemd import values
from tests.support import REPOSITORY
from tests.support.clips import Clips
from tests.support.daemon import LiveDaemon, clean_environment, until
from tests.support.programs import BUNDLED, idle_programs
from tests.support.stubs import stub, teach
from transcoded.config import about, names

KEY, READER, SIGNING = "a-key-of-sixteen-letters", "another-key-of-sixteen", "a-signing-key-of-sixteen"
TOKEN_OF_HOOK = "hush-hush-hush-hush"
SECRETS = (KEY, READER, SIGNING, TOKEN_OF_HOOK)
VARIABLES = {
    "TRANSCODED_API_KEY": f"boss={KEY} tv:read={READER}",
    "TRANSCODED_SIGNING_KEY": SIGNING,
    "TRANSCODED_WEBHOOK": f"http://127.0.0.1:9/{TOKEN_OF_HOOK}",
}
FACE = (sys.executable, "-m", "twisted", "--log-format=text", "transcoded", "--listen", "tcp:0:interface=127.0.0.1")
# A capability to read files, so that this user can read the checkout; it does not open another process.
NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
READS = ("--inh-caps", "+dac_override,+dac_read_search", "--ambient-caps", "+dac_override,+dac_read_search")
BREAKS_IN = """
found = []
for name in ("environ", "mem", "fd/1", "cwd", "exe", "root", "auxv"):
    try:
        os.close(os.open(f"/proc/{os.getppid()}/{name}", os.O_RDONLY))
    except OSError:
        continue
    found.append(name)
open(RESULT, "w").write(repr((found, [name for name in os.environ if name.startswith("TRANSCODED_")])))
say()
"""


def daemon(directory: Path, clips: Clips, *arguments: str, environment: Mapping[str, str] | None = None) -> LiveDaemon:
    """A daemon that is executed, and not forked from the launcher of the tests: its /proc files are its own."""
    directory.mkdir()
    programs = idle_programs(directory)
    program = (*FACE, "--media", f"m={clips.directory}", *programs.flags(), "--state-dir", "off", *arguments)
    return LiveDaemon(directory, {}, program=["env", *program], environment=environment)


def test_proc_shows_no_secret_that_came_by_the_environment(clips: Clips, tmp_path: Path) -> None:
    with daemon(tmp_path / "d", clips, environment=VARIABLES) as running:
        shown = Path(f"/proc/{running.process.pid}/environ").read_bytes()
        assert b"TMPDIR=" in shown, "it is the daemon's"
        assert [secret for secret in SECRETS if secret.encode() in shown] == []
        assert running.get("/api/v1/streams", {"Authorization": f"Bearer {KEY}"}).status == 200


def test_a_transcoder_that_was_broken_into_reads_nothing_of_the_daemon(tmp_path: Path, clips: Clips) -> None:
    """It runs as the same user. Before, it could read the environment and the memory, with all keys."""
    if os.geteuid() != 0 or subprocess.run([*NOBODY, *READS, "true"], check=False, capture_output=True).returncode:
        pytest.skip("only root can be somebody else for this; and root may read everything")
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o777)
        (place / "m").mkdir()
        shutil.copy(clips.film.path, place / "m" / "film.mp4")
        ffmpeg = stub(place, "ffmpeg")
        teach(ffmpeg, f"RESULT = {str(place / 'result')!r}\n{BREAKS_IN}")
        program = (*NOBODY, *READS, *FACE, "--media", f"m={place}/m", "--state-dir", "off")
        tools = ("--ffmpeg", str(ffmpeg), "--ffprobe", BUNDLED.ffprobe)
        with LiveDaemon(tmp_path / "d", {}, program=[*program, *tools], environment=VARIABLES) as running:
            assert psutil.Process(running.process.pid).uids().real == 65534
            running.get("/media/m/film.mp4/stream.wav", {"Authorization": f"Bearer {KEY}"})
            until((place / "result").exists, "it has tried")
            assert until(lambda: (place / "result").read_text("utf-8")) == "([], ['TRANSCODED_TOKEN'])"


@pytest.mark.parametrize("source", ["flag", "environment", "toml"])
def test_every_secret_can_be_kept_off_the_command_line_and_the_environment(
    clips: Clips, tmp_path: Path, source: str
) -> None:
    """Files as systemd and Kubernetes provide them: for the daemon alone, several values on several lines."""
    contents = {
        "api_key": f"boss={KEY}\ntv:read={READER}\n",
        "signing_key": SIGNING + "\n",
        "webhook": f"http://127.0.0.1:9/{TOKEN_OF_HOOK}\n",
    }
    flags: list[str] = []
    environment: dict[str, str] = {}
    toml = tmp_path / "settings.toml"
    for name, text in contents.items():
        file = tmp_path / name
        file.write_text(text, encoding="utf-8")
        file.chmod(0o400)
        if source == "flag":
            flags += [f"--{name.replace('_', '-')}", f"file:{file}"]
        elif source == "environment":
            environment[f"TRANSCODED_{name.upper()}"] = f"file:{file}"
        else:
            with toml.open("a", encoding="utf-8") as settings:
                settings.write(f'{name} = "file:{file}"\n')
    if source == "toml":
        toml.chmod(0o600)
        flags = ["--config", str(toml)]
    with daemon(tmp_path / "d", clips, *flags, environment=environment) as running:
        assert running.get("/api/v1/streams", {"Authorization": f"Bearer {READER}"}).status == 200
        assert running.post("/api/v1/drain", "", {"Authorization": f"Bearer {READER}"}).status == 403
        assert running.get("/api/v1/streams").status == 401
        process = Path(f"/proc/{running.process.pid}")
        shown = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
        assert [secret for secret in SECRETS if secret.encode() in shown] == []
        assert "every user of this machine" not in running.log()


def warnings(arguments: Sequence[str], directory: Path, clips: Clips, **environment: str) -> str:
    with daemon(directory, clips, *arguments, environment=environment) as running:
        log = running.log()
    assert [secret for secret in SECRETS if secret in log] == []
    return "\n".join(line for line in log.splitlines() if "#warn]" in line)


def test_a_secret_on_the_command_line_is_warned_about_in_one_line(clips: Clips, tmp_path: Path) -> None:
    said = warnings(["--api-key", f"boss={KEY}", "--api-key", READER], tmp_path / "d", clips)
    assert said.count("every user of this machine can read --api-key on the command line") == 1
    digest = "0" * 64
    said = warnings(["--api-key", f"boss=sha256:{digest}"], tmp_path / "e", clips)
    assert "command line" not in said, "a hash is no secret"


def test_what_others_can_read_or_change_is_warned_about_at_the_start(clips: Clips, tmp_path: Path) -> None:
    settings, secret = tmp_path / "settings.toml", tmp_path / "key"
    settings.write_text("grace = 1\n", encoding="utf-8")
    settings.chmod(0o666)
    secret.write_text(SIGNING, encoding="utf-8")
    secret.chmod(0o644)
    arguments = ["--config", str(settings), "--signing-key", f"file:{secret}"]
    said = warnings(arguments, tmp_path / "d", clips)
    assert f"{settings} can be changed by other users" in said
    assert f"{secret} can be read by every user of this machine" in said
    settings.chmod(0o640)
    secret.chmod(0o440)
    said = warnings(arguments, tmp_path / "e", clips)
    assert "other users" not in said
    assert "every user of this machine" not in said


def test_a_daemon_of_root_says_so(clips: Clips, tmp_path: Path) -> None:
    assert (os.geteuid() == 0) == ("running as root" in warnings([], tmp_path / "d", clips))


def test_no_message_about_a_bad_secret_contains_it(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    texts = (b"short-sec", b"two-lines-secret\x01\nand-another-line\n\n", b"\xff-not-utf-8-secret", b"x" * 70_000)
    secret = [name for name in names() if about(name).secret]
    # Each text in turn, so that each is given for one setting at least.
    for number in range(max(len(secret), len(texts))):
        name = secret[number % len(secret)]
        file.write_bytes(texts[number % len(texts)])
        done = subprocess.run(
            [*FACE, f"--{name.replace('_', '-')}", f"file:{file}"],
            env=clean_environment(tmp_path),
            cwd=tmp_path,
            capture_output=True,
            check=False,
            timeout=60,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 64
        assert b"short-sec" not in said
        assert b"secret\x01" not in said
        assert b"-utf-8-secret" not in said


def test_the_unit_can_give_secrets_as_credentials() -> None:
    """The commented lines of the unit are what docs/deploying.md tells, so they are tried as they stand."""
    unit = (REPOSITORY / "deploy" / "systemd" / "transcoded.service").read_text("utf-8")
    assert "\n#LoadCredential=signing-key:/etc/transcoded/signing-key\n" in unit
    assert "\n#Environment=TRANSCODED_SIGNING_KEY=file:%d/signing-key\n" in unit
    assert values("UMask") == ["0077"]
