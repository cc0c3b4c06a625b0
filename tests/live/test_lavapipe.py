"""The filters of the Vulkan chain, drawn by Mesa's lavapipe: a device made of software does what a card does, only slowly.

It has no video, so frames come from the CPU and go back to it. What the device makes is compared with what the CPU makes.
"""

import re
import subprocess
from pathlib import Path

import attrs
import pytest

from tests.live.test_picture_ffmpeg import LOSSLESS, inputs, levels
from tests.support.clips import ffmpeg
from tests.support.pictures import pq, probed, run
from tests.support.programs import NEWEST, Programs, by_turns, skip_without
from transcoded.plan.media.colors import tone_mapping_filters
from transcoded.plan.media.hardware import Chain, device_filters
from transcoded.plan.media.probe import VideoStream

__all__ = ("inputs",)

VULKAN = Chain("vulkan", "vulkan")
DEVICE = ("-init_hw_device", "vulkan=hw", "-filter_hw_device", "hw")
TOLERANCE = 16
"""Of 255. The curves of libplacebo and of tonemap are not the same."""


def on_the_device(programs: Programs, path: Path, graph: str, output: Path) -> Path:
    command = [
        programs.ffmpeg,
        "-v",
        "error",
        "-nostdin",
        "-y",
        *DEVICE,
        "-noautorotate",
        "-i",
        str(path),
        "-vf",
        graph,
        *LOSSLESS,
    ]
    done = subprocess.run([*command, str(output)], capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    return output


@pytest.fixture(autouse=True)
def device() -> None:
    """A Vulkan device, of any kind."""
    looked = subprocess.run(
        [NEWEST.ffmpeg, "-v", "error", *DEVICE, "-f", "lavfi", "-i", "color", "-frames:v", "1", "-f", "null", "-"],
        capture_output=True,
        check=False,
        timeout=60,
    )
    if looked.returncode:
        skip_without("there is no Vulkan device (Debian's mesa-vulkan-drivers has one)")


def video(programs: Programs, path: Path) -> VideoStream:
    found = probed(programs, path).video
    assert found is not None
    return found


@pytest.mark.parametrize(("programs", "name"), by_turns(["pq1000.mkv", "hlg.mkv"]))
def test_tones_are_mapped_as_zscale_does(programs: Programs, name: str, inputs: Path, tmp_path: Path) -> None:
    listed = subprocess.run([programs.ffmpeg, "-hide_banner", "-filters"], capture_output=True, check=True).stdout
    if not all(f" {one} ".encode() in listed for one in ("libplacebo", "scale_vulkan", "zscale")):
        pytest.skip(f"the ffmpeg {programs.name} has not all filters")
    stream = video(programs, inputs / name)
    filters = ",".join(device_filters(VULKAN, stream, 512, 64))
    shown = on_the_device(
        programs, inputs / name, f"format=p010,hwupload,{filters},hwdownload,format=nv12", tmp_path / "device.mkv"
    )
    hlg = name == "hlg.mkv"
    zscale = ",".join(tone_mapping_filters("zscale", 512, 64, None if hlg else 1000.0, hlg=hlg))
    wanted = tmp_path / "cpu.mkv"
    run(programs.ffmpeg, ("-v", "error", "-i", str(inputs / name), "-vf", zscale, *LOSSLESS, str(wanted)))
    brightest = pq(1000)
    ours, theirs = levels(shown, brightest), levels(wanted, brightest)
    assert all(abs(ours[nits] - theirs[nits]) <= TOLERANCE for nits in theirs), (ours, theirs)


@pytest.mark.parametrize(("rotation", "mirrored"), [(0, False), (90, False), (180, False), (270, False), (90, True)])
def test_it_turns_and_scales_as_the_cpu_does(rotation: int, mirrored: bool, tmp_path: Path) -> None:
    path = tmp_path / "in.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x192:r=5:d=1", "-pix_fmt", "yuv420p", *LOSSLESS, f"file:{path}")
    stream = attrs.evolve(video(NEWEST, path), rotation=rotation, mirrored=mirrored)
    size = (96, 160) if rotation in {90, 270} else (160, 96)
    filters = ",".join(device_filters(VULKAN, stream, *size))
    shown = on_the_device(
        NEWEST, path, f"format=nv12,hwupload,{filters},hwdownload,format=nv12", tmp_path / "device.mkv"
    )
    turns = {0: "null", 90: "transpose=clock", 180: "hflip,vflip", 270: "transpose=cclock"}
    cpu = f"{'hflip,' if mirrored else ''}{turns[rotation]},scale={size[0]}:{size[1]},format=yuv420p"
    compared = subprocess.run(
        [
            NEWEST.ffmpeg,
            "-nostdin",
            "-i",
            str(shown),
            "-i",
            str(path),
            "-lavfi",
            f"[1]{cpu}[cpu];[0]format=yuv420p[device];[device][cpu]psnr",
            "-f",
            "null",
            "-",
        ],
        capture_output=True,
        check=True,
        timeout=60,
    )
    (psnr,) = re.findall(rb"average:([\d.]+|inf)", compared.stderr)
    assert float(psnr) > 25, compared.stderr.decode()
