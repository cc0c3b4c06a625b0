"""The filters of the Vulkan chain, drawn by Mesa's lavapipe: a device made of software does what a card does, only slowly.

It has no video, so frames come from the CPU and go back to it. What the device makes is compared with what the CPU makes.
"""

import re
import subprocess
from pathlib import Path

import pytest

from tests.live.test_picture_ffmpeg import LOSSLESS, inputs, levels
from tests.support.clips import ffmpeg
from tests.support.pictures import pq, probed, run
from tests.support.programs import DEBIAN, NEWEST, Programs, programs, skip_without, with_programs
from transcoded.plan.media.codec_trials import Claims
from transcoded.plan.media.colors import tone_mapping_filters
from transcoded.plan.media.engine_trials import engine_attempts
from transcoded.plan.media.hardware import Chain, device_filters
from transcoded.plan.media.probe import VideoStream

__all__ = ("inputs", "programs")

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
    (found,) = probed(programs, path).video
    return found


@pytest.mark.parametrize("name", ["pq1000.mkv", "hlg.mkv"])
@with_programs(NEWEST, DEBIAN)
def test_tones_are_mapped_as_zscale_does(programs: Programs, name: str, inputs: Path, tmp_path: Path) -> None:
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


@pytest.mark.parametrize("kind", ["8 bits", "10 bits"])
def test_it_scales_as_the_cpu_does(kind: str, tmp_path: Path) -> None:
    """With the filters of time in front, which repeat frames on the device."""
    programs = NEWEST
    pixels, uploaded = ("yuv420p", "nv12") if kind == "8 bits" else ("yuv420p10le", "p010")
    path = tmp_path / "in.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x192:r=5:d=1", "-pix_fmt", pixels, *LOSSLESS, f"file:{path}")
    filters = ",".join(device_filters(VULKAN, video(programs, path), 160, 96))
    time = "fps=5:eof_action=pass,tpad=stop=2:stop_mode=clone"
    graph = f"format={uploaded},hwupload,{time},{filters},hwdownload,format=nv12"
    shown = on_the_device(programs, path, graph, tmp_path / "device.mkv")
    cpu = f"[1]{time},scale=160:96,format=yuv420p[cpu];[0]format=yuv420p[device];[device][cpu]psnr=stats_file=-"
    compared = subprocess.run(
        [programs.ffmpeg, "-nostdin", "-i", str(shown), "-i", str(path), "-lavfi", cpu, "-f", "null", "-"],
        capture_output=True,
        check=True,
        timeout=60,
    )
    found = [float(one) for one in re.findall(rb"psnr_avg:([\d.]+|inf)", compared.stdout)]
    assert len(found) == 7, compared.stderr.decode()
    assert min(found) > 25, found


@with_programs(NEWEST, DEBIAN)
def test_a_filter_that_gives_a_wrong_picture_is_found(programs: Programs) -> None:
    """FFmpeg 9.0 and Mesa 22.3 turn pictures black, and say nothing. FFmpeg 5.1 repeats no frames of a device."""
    claims = Claims({}, frozenset(), frozenset({"libplacebo", "transpose_vulkan", "bwdif_vulkan"}))
    proven: set[str] = set()
    for one in engine_attempts(claims, [], {"vulkan": ["/dev/dri/renderD128"]}):
        done = subprocess.run([programs.ffmpeg, *one.arguments], capture_output=True, check=False, timeout=60)
        proven |= one.proven(done.stdout, None if done.returncode == 0 else "it failed")
    assert ("device_filters/vulkan/libplacebo" in proven) is (programs is NEWEST)
    white = ("-f", "lavfi", "-i", "color=white:s=64x64", "-frames:v", "1")
    graph = "format=nv12,hwupload,transpose_vulkan=dir=clock,hwdownload,format=nv12,scale=1:1,format=gray"
    turned = subprocess.run(
        [programs.ffmpeg, "-v", "error", *DEVICE, *white, "-vf", graph, "-f", "rawvideo", "-"],
        capture_output=True,
        check=False,
        timeout=60,
    )
    is_white = turned.returncode == 0 and turned.stdout[0] > 200
    assert ("device_filters/vulkan/transpose_vulkan" in proven) is is_white
