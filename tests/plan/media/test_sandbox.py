"""The options of the sandbox: what a test of the real one cannot see, because it depends on the machine."""

import pytest

from transcoded.plan.media.sandbox import Sandbox, names_hardware

FFMPEG = "/opt/ffmpeg"


def test_it_is_as_strict_as_this_bwrap_can_be() -> None:
    strict = Sandbox("/bin/bwrap").options(FFMPEG)
    assert strict[0] == "/bin/bwrap"
    assert "--disable-userns" in strict
    assert "--unshare-user" in strict, "bwrap forbids namespaces only in a user namespace of its own"
    assert "--disable-userns" not in Sandbox("/bin/bwrap", strict=False).options(FFMPEG)
    assert strict[-3:] == ["--ro-bind", FFMPEG, FFMPEG]


def test_variables_and_devices_are_those_that_were_given() -> None:
    options = Sandbox("/bin/bwrap", devices=("/dev/dri",), variables=(("LC_ALL", "C"),)).options(FFMPEG)
    text = " ".join(options)
    assert "--clearenv --setenv LC_ALL C" in text
    assert "--dev-bind-try /dev/dri /dev/dri" in text
    assert "/sys" not in text


def test_the_filter_is_read_from_a_descriptor() -> None:
    assert "--seccomp" not in Sandbox("/bin/bwrap").options(FFMPEG)
    assert "--seccomp 9" in " ".join(Sandbox("/bin/bwrap").options(FFMPEG, 9))


@pytest.mark.parametrize(
    ("arguments", "hardware"),
    [
        (["-hwaccel", "auto"], True),
        (["-init_hw_device", "vulkan=v"], True),
        (["-vaapi_device", "/dev/dri/renderD128"], True),
        (["-c:v", "h264_nvenc"], True),
        (["-c:v", "hevc_v4l2m2m"], True),
        ([], False),
        (["-threads", "4", "-preset", "fast"], False),
        (["-metadata", "title=device"], False),
    ],
)
def test_hardware_is_told_by_the_arguments(arguments: list[str], hardware: bool) -> None:
    """Its drivers read /sys and their own files in /usr/share, which the sandbox does not have."""
    assert names_hardware(arguments) == hardware
