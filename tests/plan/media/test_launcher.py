"""The launcher: without it, a transcoder survives a daemon that was killed, and its own children survive it."""

import attrs
import pytest

from transcoded.plan.media.argv import INPUT_PATH
from transcoded.plan.media.launcher import Launcher
from transcoded.plan.media.sandbox import SEALED, Sandbox

SETSID, SETPRIV, FFMPEG = "/usr/bin/setsid", "/usr/bin/setpriv", "/opt/ffmpeg"
PRIVILEGES = [SETPRIV, "--pdeathsig", "KILL", "--no-new-privs", "--"]


@pytest.mark.parametrize(
    ("launcher", "before", "gaps"),
    [
        (Launcher(SETSID, SETPRIV), [*PRIVILEGES, SETSID], 0),
        (Launcher(SETSID, None), [SETSID], 1),
        (Launcher(None, SETPRIV), PRIVILEGES, 1),
        (Launcher(), [], 2),
    ],
    ids=["both", "setsid alone", "setpriv alone", "neither"],
)
def test_the_launcher_uses_the_programs_of_the_machine_and_reports_missing_ones(
    launcher: Launcher, before: list[str], gaps: int
) -> None:
    arguments = ["-i", "file:a b", "--", ""]
    assert launcher.command(FFMPEG, arguments) == [*before, FFMPEG, *arguments]
    assert len(launcher.gaps) == gaps


def test_settings_are_applied_and_reported_if_their_program_is_missing() -> None:
    wanted = Launcher(niceness=10, io_class=3, address_space=2**31, helper_address_space=2**30)
    assert wanted.command(FFMPEG, ["-x"]) == [FFMPEG, "-x"]
    messages = "; ".join(wanted.gaps)
    assert all(
        words in messages
        for words in ("setting nice has", "setting ionice has", "stream_address_space_max and helper_")
    )
    able = attrs.evolve(wanted, nice="/bin/nice", ionice="/bin/ionice", prlimit="/bin/prlimit")
    expected = ["/bin/nice", "-n", "10", "--", "/bin/ionice", "-c", "3", "/bin/prlimit", "--as=2147483648", "--"]
    assert able.command(FFMPEG, ["-x"]) == [*expected, FFMPEG, "-x"]
    assert "--as=1073741824" in able.command(FFMPEG, ["-x"], helper=True)
    assert len(able.gaps) == 2
    assert attrs.evolve(able, niceness=None, io_class=None, address_space=None).command(FFMPEG, []) == [FFMPEG]


def test_the_sandbox_shows_the_program_and_its_input_and_is_sealed_behind_them() -> None:
    sandbox = Sandbox("/bin/bwrap")
    command = Launcher(sandbox=sandbox).command(FFMPEG, ["-i", f"file:{INPUT_PATH}"], seccomp_fd=9)
    options = sandbox.options(FFMPEG, 9)
    assert command == [*options, "--ro-bind-fd", "4", "/input", *SEALED, "--", FFMPEG, "-i", "file:/input"]
    assert "--ro-bind-fd" not in Launcher(sandbox=sandbox).command(FFMPEG, [], has_input=False)
