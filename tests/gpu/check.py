"""What only a machine with an NVIDIA GPU can show: see `run.sh`. Needs the packages of the daemon, and nothing of those of the tests.

Each check is a function; all run, whatever becomes of the others, and each writes its figures.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import traceback
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WORK, RESULTS = Path(sys.argv[1]), Path(sys.argv[2])
FFMPEG, FFPROBE = WORK / "ffmpeg", WORK / "ffprobe"
MEDIA = WORK / "media"
SECONDS = 20
FIGURES: dict[str, Any] = {}

FAKE = """#!{python}
# Tells the trials of the daemon that NVENC encodes. Files are left to the real one, which has to refuse here.
import os, subprocess, sys
arguments = sys.argv[1:]
if not any(one.startswith("file:") for one in arguments) and "h264_nvenc" in arguments:
    kept, skip = [], False
    for one in arguments:
        if skip:
            skip = False
        elif one in {{"-rc", "-cq", "-forced-idr", "-no-scenecut", "-delay", "-preset"}}:
            skip = True
        else:
            kept.append("libx264" if one == "h264_nvenc" else one)
    arguments = kept
os.execv({real!r}, [{real!r}, *arguments])
"""


def run(*command: object, check: bool = True, limit: float = 120) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([str(one) for one in command], capture_output=True, text=True, timeout=limit, check=False)
    if check and done.returncode:
        raise AssertionError(f"{command[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done


def ffmpeg(*arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    return run(FFMPEG, "-hide_banner", "-nostdin", "-y", *arguments, check=check)


def nvidia(query: str, what: str = "gpu") -> list[str]:
    return run("nvidia-smi", f"--query-{what}={query}", "--format=csv,noheader,nounits").stdout.split("\n")[:-1]


@contextmanager
def daemon(name: str, *arguments: object, program: Path = FFMPEG) -> Iterator[str]:
    """A daemon, as the base of its URLs."""
    log = RESULTS / f"daemon-{name}.log"
    command = [
        sys.executable,
        "-m",
        "twisted",
        "--log-format=text",
        "transcoded",
        "--listen",
        "tcp:8765:interface=127.0.0.1",
    ]
    command += ["--media", f"m={MEDIA}", "--ffmpeg", str(program), "--ffprobe", str(FFPROBE), "--state-dir", "off"]
    with log.open("w") as output:
        process = subprocess.Popen([*command, *map(str, arguments)], stdout=output, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + 90
            while True:
                try:
                    urllib.request.urlopen("http://127.0.0.1:8765/healthz", timeout=5).read()
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise AssertionError(f"the daemon does not start: {log.read_text()[-2000:]}") from None
                    time.sleep(0.1)
            yield "http://127.0.0.1:8765"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=90) as answer:
        found: bytes = answer.read()
        return found


def told(url: str) -> Any:
    return json.loads(get(url))


def frames(data: bytes) -> int:
    path = WORK / "got"
    path.write_bytes(data)
    shown = run(
        FFPROBE,
        "-v",
        "error",
        "-count_frames",
        "-select_streams",
        "v",
        "-show_entries",
        "stream=nb_read_frames",
        "-of",
        "csv=p=0",
        path,
    )
    return int(re.findall(r"\d+", shown.stdout)[0])


def ended(base: str) -> list[tuple[str, str]]:
    """What has encoded, and how it has ended, when all has."""
    deadline = time.monotonic() + 60
    while told(f"{base}/api/v1/streams")["streams"]:
        assert time.monotonic() < deadline, "streams run on"
        time.sleep(0.1)
    return [
        (one["engine"], one["reason"]) for one in reversed(told(f"{base}/api/v1/endings")["endings"]) if one["engine"]
    ]


# The checks.


def machine() -> None:
    FIGURES["gpu"] = nvidia("name,driver_version,memory.total")
    FIGURES["ffmpeg"] = run(FFMPEG, "-version").stdout.splitlines()[0]
    FIGURES["cpus"] = os.cpu_count()


def films() -> None:
    MEDIA.mkdir(exist_ok=True)
    picture = (
        "-f",
        "lavfi",
        "-i",
        f"testsrc2=s=1920x1080:r=24:d={SECONDS},noise=alls=6:allf=t",
        "-f",
        "lavfi",
        "-i",
        f"sine=d={SECONDS}",
    )
    encodes = {
        "h264.mkv": ("-c:v", "libx264", "-preset", "superfast", "-pix_fmt", "yuv420p"),
        "hevc.mkv": ("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p"),
        "hevc10.mkv": ("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le"),
        "vp9.mkv": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-row-mt", "1"),
        "av1.mkv": ("-c:v", "libsvtav1", "-preset", "12"),
    }
    for name, encode in encodes.items():
        ffmpeg("-v", "error", *picture, *encode, "-g", "48", "-c:a", "aac", MEDIA / name)


def nvdec_and_scale_cuda() -> None:
    """Decoded and scaled by the device, encoded by the CPU: the same picture, and how fast."""
    device = (
        "-init_hw_device",
        "cuda=hw",
        "-filter_hw_device",
        "hw",
        "-hwaccel",
        "cuda",
        "-hwaccel_device",
        "hw",
        "-hwaccel_output_format",
        "cuda",
    )
    x264 = ("-an", "-c:v", "libx264", "-preset", "veryfast", "-crf", "18")
    for path in sorted(MEDIA.glob("*.mkv")):
        begin = time.monotonic()
        ffmpeg(
            "-v",
            "error",
            *device,
            "-i",
            path,
            "-vf",
            "scale_cuda=w=1280:h=720:format=yuv420p,hwdownload,format=yuv420p",
            *x264,
            WORK / "gpu.mkv",
        )
        with_gpu = time.monotonic() - begin
        begin = time.monotonic()
        ffmpeg("-v", "error", "-i", path, "-vf", "scale=1280:720,format=yuv420p", *x264, WORK / "cpu.mkv")
        with_cpu = time.monotonic() - begin
        compared = ffmpeg("-i", WORK / "gpu.mkv", "-i", WORK / "cpu.mkv", "-lavfi", "psnr", "-f", "null", "-").stderr
        psnr = float(re.findall(r"average:([\d.inf]+)", compared)[-1])
        FIGURES[f"nvdec {path.name}"] = {
            "film s/s, GPU": SECONDS / with_gpu,
            "film s/s, CPU": SECONDS / with_cpu,
            "PSNR": psnr,
        }
        assert psnr > 33, f"{path.name}: {psnr}"


def nvenc() -> None:
    """Cards for data centres have none: what the driver says."""
    done = ffmpeg(
        "-v", "error", "-f", "lavfi", "-i", "testsrc2=d=1", "-c:v", "h264_nvenc", "-f", "null", "-", check=False
    )
    FIGURES["nvenc"] = {"status": done.returncode, "said": done.stderr[-600:]}


def daemon_uses_what_works() -> None:
    with daemon("auto") as base:
        (engine,) = [one for one in told(f"{base}/api/v1/capabilities")["engines"] if one["name"] == "nvenc"]
        FIGURES["engine"] = engine
        assert "hevc" in engine["decodes"], engine
        times = {}
        for name in ("h264.mkv", "hevc.mkv", "hevc10.mkv", "av1.mkv"):
            begin = time.monotonic()
            assert frames(get(f"{base}/media/m/{name}/stream.mp4?height=720&mode=transcode")) == SECONDS * 24
            times[name] = SECONDS / (time.monotonic() - begin)
        FIGURES["daemon, film s/s"] = times
        FIGURES["daemon, endings"] = ended(base)
        master = get(f"{base}/media/m/hevc.mkv/master.m3u8").decode()
        rendition = re.findall(r"^(cmaf/v[^/\s]+/index\.m3u8\S*)$", master, re.MULTILINE)[0]
        playlist = get(f"{base}/media/m/hevc.mkv/{rendition}").decode()
        folder = f"{base}/media/m/hevc.mkv/{rendition.rpartition('/')[0]}"
        init = re.findall(r'#EXT-X-MAP:URI="([^"]+)"', playlist)[0]
        urls = [init, *(line for line in playlist.splitlines() if line and not line.startswith("#"))]
        assert frames(b"".join(get(f"{folder}/{url}") for url in urls)) == SECONDS * 24
        ended(base)
        apps = nvidia("pid,used_memory", "compute-apps")
        FIGURES["left on the device"] = apps
        assert not apps, apps


def killed_children_leave_nothing_on_the_device() -> None:
    with daemon("kills", "--max-streams", "8") as base:
        before = nvidia("memory.used")
        for _ in range(8):
            answer = urllib.request.urlopen(f"{base}/media/m/hevc.mkv/stream.mp4?height=720&mode=transcode", timeout=60)
            answer.read(4096)
            answer.close()
        reasons = ended(base)
        FIGURES["killed"] = {"endings": reasons, "memory before": before, "memory after": nvidia("memory.used")}
        assert not nvidia("pid", "compute-apps")
        assert all(one["proof"] == "proven" for one in told(f"{base}/api/v1/endings")["endings"])


def a_refusal_falls_back() -> None:
    """The trials were told that NVENC works. The real one refuses each file, and the viewer gets his 200."""
    fake = WORK / "fake"
    fake.write_text(FAKE.format(python=sys.executable, real=str(FFMPEG)))
    fake.chmod(0o755)
    with daemon("refusal", "--sandbox", "off", program=fake) as base:
        begin = time.monotonic()
        assert frames(get(f"{base}/media/m/h264.mkv/stream.mp4?height=720&mode=transcode")) == SECONDS * 24
        took = time.monotonic() - begin
        counted = [
            line
            for line in get(f"{base}/metrics").decode().splitlines()
            if line.startswith("transcoded_fallbacks_total{")
        ]
        FIGURES["fallback"] = {"seconds": took, "endings": ended(base), "metric": counted}
        assert ("nvenc", "failed") in ended(base)
        assert ended(base)[-1][1] == "finished"


def no_such_card() -> None:
    with daemon("none", "--engines", "nvenc=9") as base:
        (engine,) = [one for one in told(f"{base}/api/v1/capabilities")["engines"] if one["name"] == "nvenc"]
        FIGURES["no such card"] = engine
        assert not engine["works"]
        assert frames(get(f"{base}/media/m/h264.mkv/stream.mp4?height=720&mode=transcode")) == SECONDS * 24


CHECKS: tuple[Callable[[], None], ...] = (
    machine,
    films,
    nvdec_and_scale_cuda,
    nvenc,
    daemon_uses_what_works,
    killed_children_leave_nothing_on_the_device,
    a_refusal_falls_back,
    no_such_card,
)


def main() -> int:
    failed = []
    for check in CHECKS:
        begin = time.monotonic()
        try:
            check()
            outcome = "ok"
        except (
            AssertionError,
            OSError,
            urllib.error.URLError,
            subprocess.SubprocessError,
            KeyError,
            IndexError,
            ValueError,
        ):
            outcome = traceback.format_exc()
            failed.append(check.__name__)
        FIGURES.setdefault("checks", {})[check.__name__] = {
            "outcome": outcome,
            "seconds": round(time.monotonic() - begin, 1),
        }
        print(f"{check.__name__}: {outcome}")
        (RESULTS / "figures.json").write_text(json.dumps(FIGURES, indent=1))
    print(f"failed: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
