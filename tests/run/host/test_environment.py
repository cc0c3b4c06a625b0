"""What children see: with the daemon's whole environment its keys would be in /proc for every program that ffmpeg loads."""

from transcoded.run.host.environment import child_environment


def test_programs_and_drivers_are_found_and_secrets_are_not() -> None:
    ours = {
        "PATH": "/bin",
        "LIBVA_DRIVER_NAME": "iHD",
        "TRANSCODED_API_KEY": "secret",
        "AWS_SECRET": "s",
        "LC_ALL": "de",
    }
    assert child_environment(ours) == {"PATH": "/bin", "LIBVA_DRIVER_NAME": "iHD", "LC_ALL": "C"}
