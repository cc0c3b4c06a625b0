"""What a hostile media file would gain from ffmpeg and ffprobe: memory, other files, code that nobody tests."""

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.security.hostile_files import mp4_with_samples, vp8_with_size
from tests.support.clips import Clips, ffmpeg
from tests.support.daemon import LiveDaemon, until
from tests.support.programs import Programs
from tests.support.stubs import stub, teach
from transcoded.config import Settings
from transcoded.plan.media.argv import MAX_BLOCK, probe_argv
from transcoded.plan.media.launcher import Launcher

_MEASURE = """
import os, sys
null = os.open(os.devnull, os.O_RDWR)
actions = [(os.POSIX_SPAWN_DUP2, null, number) for number in (0, 1, 2)]
_, status, usage = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=actions), 0)
print(status, usage.ru_maxrss)
"""


def peak_memory(command: list[str]) -> tuple[int, int]:
    """The exit status of a command, and the most resident memory of it, in bytes.

    It is started by a small program: the kernel counts the memory of whoever forks for the child, too (getrusage(2)).
    """
    started = subprocess.run([sys.executable, "-IS", "-c", _MEASURE, *command], capture_output=True, check=True)
    status, peak = map(int, started.stdout.split())
    return os.waitstatus_to_exitcode(status), peak * 1024


def test_a_sample_table_does_not_take_the_memory_of_the_server(programs: Programs, tmp_path: Path) -> None:
    """A file of 4.6 KB took 3 GB."""
    path = tmp_path / "claims.mp4"
    path.write_bytes(mp4_with_samples(85_000_000))
    settings = Settings()
    launcher = Launcher(prlimit=shutil.which("prlimit"), helper_address_space=settings.helper_address_space_max)
    _, peak = peak_memory(launcher.command(programs.ffprobe, probe_argv(str(path)), helper=True))
    assert peak < MAX_BLOCK


def test_a_claimed_picture_size_does_not_take_the_memory_of_the_server(programs: Programs, tmp_path: Path) -> None:
    """A file of 12 KB took 1.1 GB, and more with every thread."""
    path = tmp_path / "claims.ivf"
    path.write_bytes(vp8_with_size(16_000, 16_000))
    root = {"m": tmp_path}
    with LiveDaemon(tmp_path / "daemon", root, programs=programs) as daemon:
        for tail in ("probe.json", "thumbnail.jpg", "stream.mp4"):
            daemon.get(f"/media/m/claims.ivf/{tail}").problem(415)
    _, peak = peak_memory([programs.ffprobe, *probe_argv(str(path))])
    assert peak < 200 << 20


def test_a_helper_that_needs_more_than_its_limit_is_a_fault_of_the_file(
    clips: Clips, programs: Programs, tmp_path: Path
) -> None:
    """Not 500: the client need not come again, and nothing is wrong with the server."""
    root = tmp_path / "media"
    root.mkdir()
    ffmpeg("-f", "lavfi", "-i", "color=red:size=8192x8192:rate=1", "-frames:v", "1", f"file:{root / 'large.mkv'}")
    # Enough for the start of the program and for probing, too little for a frame of 100 MB.
    enough = {"bundled": "120M", "newest": "320M", "debian": "340M"}[programs.name]
    flags = ("--helper-address-space-max", enough)
    with LiveDaemon(tmp_path / "daemon", {"m": root}, *flags, programs=programs) as daemon:
        response = daemon.get("/media/m/large.mkv/thumbnail.jpg?time=0")
        assert "helper_address_space_max" in response.problem(415)["detail"]
    with LiveDaemon(tmp_path / "daemon", {"m": root}, programs=programs) as daemon:
        assert daemon.get("/media/m/large.mkv/thumbnail.jpg?time=0").status == 200, "by default there is enough"


def test_every_child_has_a_limit_of_address_space(clips: Clips, tmp_path: Path) -> None:
    """Where a decoder has an error in its arithmetic, the kernel stops it, and not the end of all memory."""
    with LiveDaemon(tmp_path / "daemon", {"m": clips.directory}, "--sandbox", "off") as daemon:
        with daemon.open("/media/m/long.mkv/stream.wav", receive_buffer=8192):
            pid = int(until(daemon.live, "a stream")[0]["pid"])
            limit = (16 << 30, 16 << 30)
            until(lambda: psutil.Process(pid).rlimit(resource.RLIMIT_AS) == limit, "its limit, set by the launcher")
        daemon.quiet()


def test_a_helper_that_grows_is_ended_and_the_health_check_answers_meanwhile(clips: Clips, tmp_path: Path) -> None:
    """The monitor sees helpers as it sees streams."""
    ffprobe = stub(tmp_path, "ffprobe")
    teach(ffprobe, "memory = b'x' * 300_000_000\nfor_ever()")
    flags = ("--ffprobe", str(ffprobe), "--stream-memory-max", "200M")
    with LiveDaemon(tmp_path / "daemon", {"m": clips.directory}, *flags) as daemon:
        with daemon.open("/media/m/film.mp4/probe.json") as attack:
            until(daemon.census, "a helper")
            assert daemon.get("/healthz").status == 200, "it is answered while the helper runs"
            assert b" 415 " in attack.recv(4096).partition(b"\r\n")[0]
        daemon.quiet()


@pytest.mark.parametrize(("signal_name", "status"), [("SIGSEGV", 415), ("SIGABRT", 415), ("SIGKILL", 503)])
def test_a_helper_that_crashes_is_no_error_of_the_server(
    clips: Clips, tmp_path: Path, signal_name: str, status: int
) -> None:
    """What the file did is 415; what came from outside, as from a kernel without memory, is 503."""
    ffprobe = stub(tmp_path, "ffprobe")
    teach(
        ffprobe,
        f"import resource\nresource.setrlimit(resource.RLIMIT_CORE, (0, 0))\nos.kill(os.getpid(), signal.{signal_name})",
    )
    with LiveDaemon(tmp_path / "daemon", {"m": clips.directory}, "--ffprobe", str(ffprobe)) as daemon:
        assert signal_name in daemon.get("/media/m/film.mp4/probe.json").problem(status)["detail"]


def test_a_file_does_not_have_its_siblings_read(programs: Programs, tmp_path: Path) -> None:
    """The demuxer mlv opens film.M00, film.M01 and so on beside film.mlv: a FIFO of that name would notice, and hold it up."""
    root = tmp_path / "media"
    root.mkdir()
    header = b"MLVI" + (52).to_bytes(4, "little") + b"v2.0\0\0\0\0" + bytes(8) + bytes(8)
    (root / "film.mlv").write_bytes(header.ljust(52, b"\0") + b"VIDF" + bytes(200))
    os.mkfifo(root / "film.M00")
    with LiveDaemon(tmp_path / "daemon", {"m": root}, programs=programs) as daemon:
        daemon.get("/media/m/film.mlv/probe.json").problem(415)
    with pytest.raises(OSError, match="No such device or address"):
        os.close(os.open(root / "film.M00", os.O_WRONLY | os.O_NONBLOCK))


@pytest.mark.parametrize("name", ["letter.ans", "letter.nfo", "letter.idf", "letter.asc"])
def test_text_is_not_drawn_as_a_picture(programs: Programs, tmp_path: Path, name: str) -> None:
    """The demuxer tty makes a film of any text file, password files too."""
    root = tmp_path / "media"
    root.mkdir()
    (root / name).write_bytes(b"\x041.4\0\0\0\0\x4f\0\x18\0" + b"\x1b[31mroot:x:0:0\r\n" * 500)
    with LiveDaemon(tmp_path / "daemon", {"m": root}, programs=programs) as daemon:
        daemon.get(f"/media/m/{name}/stream.mp4").problem(415)


def test_a_decoder_that_nobody_needs_is_not_reached(programs: Programs, tmp_path: Path) -> None:
    """ffmpeg has 500 decoders, most of them for one old program; the answer names the one that was refused."""
    root = tmp_path / "media"
    root.mkdir()
    source = ("-f", "lavfi", "-i", "testsrc=size=64x64:rate=5:duration=1")
    ffmpeg(*source, "-c:v", "snow", "-strict", "-2", f"file:{root / 'odd.mkv'}")
    ffmpeg(*source, "-c:v", "ffv1", f"file:{root / 'common.mkv'}")
    with LiveDaemon(tmp_path / "daemon", {"m": root}, programs=programs) as daemon:
        assert "decoder snow," in daemon.get("/media/m/odd.mkv/probe.json").problem(415)["detail"]
        daemon.get("/media/m/odd.mkv/stream.mp4").problem(415)
        assert daemon.json("/media/m/common.mkv/probe.json")
