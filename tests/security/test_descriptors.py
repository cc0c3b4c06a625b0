"""What a child of the daemon inherits: an open port, another viewer's connection or film would outlive the daemon in it, and be read by it."""

import os
import re
import socket
from pathlib import Path

from tests.support.clips import Clips
from tests.support.daemon import LiveDaemon, read_head, until
from tests.support.stubs import stub, teach

LOOKS = """
def look():
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            pass  # the one with which the directory is read
    return found

with open(RESULT + ".new", "w") as file:
    file.write(repr(look()))
    file.flush()
os.umask(mask := os.umask(0))
with open(RESULT + ".umask", "w") as file:
    file.write(oct(mask))
os.rename(RESULT + ".new", RESULT)
say()
for_ever()
"""


def test_a_transcoder_inherits_its_pipes_and_its_film_and_nothing_else(clips: Clips, tmp_path: Path) -> None:
    """With other clients connected, other films sent, and the state directory, the ports and a UNIX socket open."""
    ffmpeg = stub(tmp_path, "ffmpeg")
    result = tmp_path / "result"
    teach(ffmpeg, f"RESULT = {str(result)!r}\n{LOOKS}")
    more = ("--ffmpeg", str(ffmpeg), "--state-dir", str(tmp_path / "state"), "--listen", f"unix:{tmp_path / 'socket'}")
    with LiveDaemon(tmp_path / "d", {"m": clips.directory}, *more) as daemon:
        with (
            daemon.open("/media/m/long.mkv", receive_buffer=4096) as film,
            daemon.open("/api/v1/events") as events,
            socket.socket(socket.AF_UNIX) as local,
            daemon.open("/media/m/film.mp4/stream.wav") as stream,
        ):
            local.connect(str(tmp_path / "socket"))
            assert [read_head(one)[0] for one in (film, events, stream)] == [200] * 3
            until(result.exists, "it has looked")
            found: dict[int, str] = eval(result.read_text("utf-8"))
            # The file in which it writes its answer.
            del found[next(fd for fd, target in found.items() if target == f"{result}.new")]
            assert found.pop(0) == "/dev/null"
            pipes = {fd: target for fd, target in found.items() if re.fullmatch(r"pipe:\[\d+\]", target)}
            assert sorted(pipes) == [1, 2, 3]
            assert len(set(pipes.values())) == 3
            films = {target for fd, target in found.items() if fd not in pipes}
            assert films <= {str(clips.film.path)}, (
                "the film may be there as a descriptor; no other file, and no socket"
            )
            # And nothing of the daemon's own survives an exec.
            kept = [
                fd for fd in descriptors(daemon.process.pid) if fd > 2 and not closes_on_exec(daemon.process.pid, fd)
            ]
            assert kept == []
        daemon.quiet()
    assert (tmp_path / "result.umask").read_text("ascii") == "0o77"


def descriptors(pid: int) -> list[int]:
    return sorted(map(int, os.listdir(f"/proc/{pid}/fd")))


def closes_on_exec(pid: int, fd: int) -> bool:
    flags = re.search(r"^flags:\s+([0-7]+)$", Path(f"/proc/{pid}/fdinfo/{fd}").read_text("ascii"), re.MULTILINE)
    assert flags is not None
    return bool(int(flags[1], 8) & os.O_CLOEXEC)
