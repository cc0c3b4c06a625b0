"""Faults of the system, the clients and the daemon itself: what the client is told, what the Ending says, what stays (nothing)."""

import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from benchmarks.torture_stubs import Stage, build, write_script
from tests.support.daemon import LiveDaemon, Response, clean_environment, media_url, read_head, until
from tests.support.programs import BUNDLED

TRANSCODE = "/stream.mp4?mode=transcode"
COPY = "/stream.mp4"
NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """A library of clips for transcoders that misbehave, two folders of them, and the stand-ins for the programs."""
    return build(tmp_path_factory.mktemp("stage"), BUNDLED.ffmpeg, BUNDLED.ffprobe)


def daemon_of(stage: Stage, directory: Path, *arguments: str, media: Path | None = None, **more: Any) -> LiveDaemon:
    """A daemon on the stage. What else fills the machine's memory is not its business."""
    tools = ("--ffmpeg", str(stage.ffmpeg), "--ffprobe", str(stage.ffprobe))
    calm = () if "--memory-high" in arguments else ("--memory-high", "off")
    grace = () if "--grace" in arguments else ("--grace", "0.3")
    return LiveDaemon(directory, {"m": media or stage.media}, *tools, *calm, *grace, *arguments, **more)


@contextmanager
def watching(daemon: LiveDaemon, path: str, tail: str = COPY) -> Iterator[tuple[socket.socket, dict[str, Any]]]:
    """A viewer of a stream that has begun and takes no more than its beginning; the connection, and what the API says of it."""
    with closing(daemon.open(media_url(path, tail), receive_buffer=4096)) as connection:
        status, headers, _ = read_head(connection)
        assert status == 200
        yield connection, stream_of(daemon, headers["x-stream-id"])


def stream_of(daemon: LiveDaemon, stream_id: str) -> dict[str, Any]:
    stream: dict[str, Any] = daemon.json(f"/api/v1/streams/{stream_id}")
    return stream


def drain(connection: socket.socket) -> int:
    """Read to the end, however it comes; the number of bytes."""
    size = 0
    try:
        while block := connection.recv(1 << 20):
            size += len(block)
    except ConnectionError:
        pass
    return size


def queue(daemon: LiveDaemon) -> list[int]:
    return sorted(each["position"] for each in daemon.json("/api/v1/streams")["queue"])


def refused(response: Response) -> str:
    """The detail of a 503 that says when to come again."""
    detail: str = response.problem(503)["detail"]
    assert int(response.headers["retry-after"]) >= 1
    return detail


def alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def runs(process: psutil.Process, *command: str) -> bool:
    """Whether this process exists and runs this command."""
    try:
        return bool(process.cmdline() == list(command))
    except psutil.NoSuchProcess:
        return False


def holders(path: Path) -> list[str]:
    """Who has a file open, by /proc."""
    found = []
    for fd in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.path.samefile(fd, path):
                found.append(str(fd))
        except OSError:
            continue
    return found


class Asking(threading.Thread):
    """A request on its way while the test does something else."""

    def __init__(self, daemon: LiveDaemon, url: str, method: str = "GET") -> None:
        super().__init__()
        self._ask = lambda: daemon.request(method, url)
        self.response: Response | None = None
        self.start()

    def run(self) -> None:
        self.response = self._ask()

    def answer(self) -> Response:
        self.join()
        assert self.response is not None
        return self.response


# The kernel and the next start.


@pytest.mark.parametrize("stopped", [False, True])
def test_a_killed_daemon_takes_its_transcoders_with_it(stage: Stage, tmp_path: Path, stopped: bool) -> None:
    with daemon_of(stage, tmp_path) as daemon:
        daemon.expected_status = -signal.SIGKILL
        with (
            watching(daemon, "m/a/deaf.mp4") as a,
            watching(daemon, "m/a/endless.mp4") as b,
            watching(daemon, "m/a/real-long.wav", "/stream.wav") as c,
        ):
            pids = [stream["pid"] for _, stream in (a, b, c)]
            if stopped:
                for pid in pids:
                    os.kill(pid, signal.SIGSTOP)
            daemon.stop(signal.SIGKILL)
            until(lambda: not any(alive(pid) for pid in pids), "the transcoders are gone")


def test_the_next_start_ends_what_was_left_and_nothing_else(stage: Stage, tmp_path: Path) -> None:
    """A process that has left its group and its parent is still known by its token; other people's are not touched."""
    state = tmp_path / "state"
    ffmpeg = tmp_path / "ffmpeg"
    escape = "printf %09000d 0; (setsid sleep 119 &); exec sleep 118"
    write_script(ffmpeg, f'case "$*" in *file:*) ;; *) exec {BUNDLED.ffmpeg} "$@" ;; esac\n{escape}')
    here = ("--state-dir", str(state), "--ffmpeg", str(ffmpeg), "--ffprobe", str(stage.ffprobe), "--memory-high", "off")
    bystander = subprocess.Popen(["sleep", "117"])
    try:
        with (
            daemon_of(stage, tmp_path / "neighbour", "--state-dir", str(tmp_path / "elsewhere")) as neighbour,
            watching(neighbour, "m/a/forks-deaf.mp4"),
            LiveDaemon(tmp_path / "one", {"m": stage.media}, *here) as first,
            watching(first, "m/a/deaf.mp4"),
        ):
            first.expected_status = -signal.SIGKILL
            escaped = until(lambda: [p for p in first.census() if runs(p, "sleep", "119")], "a process escapes")
            first.stop(signal.SIGKILL)
            until(lambda: first.census() == escaped, "all but the escaped one are gone")
            (state / "running" / str(bystander.pid)).write_text("1", encoding="ascii")  # its number was another's once
            before = {p.pid for p in neighbour.census()}
            with LiveDaemon(tmp_path / "two", {"m": stage.media}, *here) as second:
                assert not any(alive(p.pid) for p in escaped)
                until(lambda: f"ended what an earlier daemon left: {escaped[0].pid}" in second.log(), "the warning")
                assert second.log().count("ended what an earlier daemon left") == 1
                assert os.listdir(state / "running") == []
                assert {p.pid for p in neighbour.census()} == before
                assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def usage_error(stage: Stage, directory: Path, *arguments: str) -> str:
    """The one line with which a daemon refuses to start."""
    directory.mkdir()
    face = (sys.executable, "-m", "twisted", "transcoded", "--listen", "tcp:0:interface=127.0.0.1")
    done = subprocess.run(
        [*face, "--media", f"m={stage.media}", *arguments],
        env=clean_environment(directory),
        cwd=directory,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 64
    (line,) = done.stderr.decode().splitlines()
    return line


def test_a_state_directory_is_one_daemons(stage: Stage, tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    with daemon_of(stage, tmp_path / "one", "--state-dir", state) as daemon:
        line = usage_error(stage, tmp_path / "two", "--state-dir", state)
        assert line == f"transcoded: state_dir: {state} is in use by another daemon (pid {daemon.process.pid})"
        with watching(daemon, "m/a/slow.mp4"):
            pass
        daemon.quiet()
        assert daemon.endings()


def test_a_state_directory_that_was_named_must_work(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="ascii")
    assert "state_dir" in usage_error(stage, tmp_path / "one", "--state-dir", str(tmp_path / "file"))
    assert "state_dir" in usage_error(stage, tmp_path / "two", "--state-dir", "/proc/nothing")


def test_without_a_default_state_directory_streams_go_on(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("", encoding="ascii")
    with daemon_of(stage, tmp_path) as daemon:
        until(lambda: "no state directory" in daemon.log(), "the warning")
        daemon.stream("m/a/real-film.mp4", "mp4")
        daemon.quiet()
        assert [ending["reason"] for ending in daemon.endings()] == ["finished"]


@contextmanager
def small_disk(directory: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    directory.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "none", str(directory)], check=False, capture_output=True
    )
    if done.returncode:
        pytest.skip(f"no tmpfs may be mounted here: {done.stderr.decode().strip()}")
    try:
        yield directory
    finally:
        subprocess.run(["umount", str(directory)], check=True)


@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_a_state_directory_that_breaks_costs_no_stream(stage: Stage, tmp_path: Path, fault: str) -> None:
    with small_disk(tmp_path / "disk") as disk, daemon_of(stage, tmp_path / "d", "--state-dir", str(disk)) as daemon:
        if fault == "full":
            with (disk / "ballast").open("wb", buffering=0) as ballast, pytest.raises(OSError, match="No space"):
                all(ballast.write(b"\0" * 4096) for _ in range(1000))
        else:
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=False, capture_output=True)
        for _ in range(2):
            daemon.stream("m/a/real-film.mp4", "mp4")
            with watching(daemon, "m/a/endless.mp4"):
                pass
        daemon.quiet()
        assert len(daemon.endings()) == 4
        assert daemon.log().count("cannot be written") <= 2
        if fault == "full":
            (disk / "ballast").unlink()
            daemon.stream("m/a/real-film.mp4", "mp4")
            daemon.quiet()
            lines = (disk / "endings.jsonl").read_bytes().splitlines()
            assert msgspec.json.decode(lines[-1]) == daemon.endings(1)[0]


# Locks.


def test_a_released_file_has_no_descriptor_left(stage: Stage, tmp_path: Path) -> None:
    """Streams, their probes and direct play: all let go, and the answer comes when they have."""
    path, film = "m/a/real-long.wav", stage.media / "a" / "real-long.wav"
    with daemon_of(stage, tmp_path) as daemon:
        with (
            watching(daemon, path, "/stream.wav"),
            watching(daemon, path, "/stream.flac"),
            watching(daemon, "m/b/real-long.wav", "/stream.wav") as (_, other),
            closing(daemon.open(media_url(path), receive_buffer=4096)) as direct,
        ):
            assert read_head(direct)[0] == 200
            assert len(holders(film)) >= 3
            response = daemon.request("DELETE", f"/api/v1/streams?path={path}")
            # The other folder's file is the same one on this disk, and was not asked for.
            mine = {pid for each in holders(film) if (pid := int(each.split("/")[2])) != other["pid"]}
            assert not mine - {os.getpid()}
            assert [ending["reason"] for ending in response.json()["endings"]] == ["file-released"] * 2
            assert drain(direct) < film.stat().st_size
            assert [stream["id"] for stream in daemon.live()] == [other["id"]]
        daemon.quiet()


def test_who_comes_while_a_folder_is_released_is_sent_away(stage: Stage, tmp_path: Path) -> None:
    with (
        daemon_of(stage, tmp_path, "--grace", "2") as daemon,
        watching(daemon, "m/a/deaf.mp4") as (_, deaf),
        watching(daemon, "m/a/endless.mp4"),
        watching(daemon, "m/b/endless.mp4") as (_, other),
    ):
        release = Asking(daemon, "/api/v1/streams?path=m/a", "DELETE")
        until(lambda: stream_of(daemon, deaf["id"])["state"] == "terminating", "the release begins")
        for tail in (COPY, ""):
            assert "released" in refused(daemon.get(media_url("m/a/real-film.mp4", tail)))
        daemon.stream("m/b/real-film.mp4", "mp4")
        endings = release.answer().json()["endings"]
        assert {ending["path"] for ending in endings} == {"m/a/deaf.mp4", "m/a/endless.mp4"}
        assert {ending["reason"] for ending in endings} == {"file-released"}
        assert not alive(deaf["pid"])
        assert [stream["id"] for stream in daemon.live()] == [other["id"]]
        daemon.stream("m/a/real-film.mp4", "mp4")


# Admission.


def test_permits_are_given_in_turn(stage: Stage, tmp_path: Path) -> None:
    with daemon_of(stage, tmp_path, "--max-streams", "1", "--preempt-after", "off") as daemon:
        assert daemon.json("/readyz")
        first = daemon.open(media_url("m/a/endless.mp4", TRANSCODE), receive_buffer=4096)
        assert read_head(first)[0] == 200
        assert "slots are taken" in daemon.get("/readyz").problem(503)["detail"]
        second = daemon.open(media_url("m/a/slow.mp4", TRANSCODE))
        until(lambda: queue(daemon) == [1], "the second waits")
        third = daemon.open(media_url("m/b/slow.mp4", TRANSCODE))
        until(lambda: queue(daemon) == [1, 2], "the third waits")
        second.close()
        until(lambda: queue(daemon) == [1], "who leaves is out of the queue")
        assert "1 waiting" in daemon.get("/readyz").problem(503)["detail"]
        first.close()
        status, headers, _ = read_head(third)
        assert status == 200
        assert stream_of(daemon, headers["x-stream-id"])["path"] == "m/b/slow.mp4"
        third.close()
        daemon.quiet()
        assert daemon.json("/readyz")
        assert {ending["path"] for ending in daemon.endings()} == {"m/a/endless.mp4", "m/b/slow.mp4"}


def test_waiting_has_a_deadline_and_the_queue_a_size(stage: Stage, tmp_path: Path) -> None:
    limits = ("--max-streams", "1", "--queue-size", "1", "--queue-timeout", "1", "--preempt-after", "off")
    with daemon_of(stage, tmp_path, *limits) as daemon:
        with watching(daemon, "m/a/endless.mp4", TRANSCODE):
            waiting = Asking(daemon, media_url("m/a/slow.mp4", TRANSCODE))
            until(lambda: queue(daemon) == [1], "one waits")
            assert "queue is full" in refused(daemon.get(media_url("m/a/slow.mp4", TRANSCODE)))
            assert "1 s" in refused(waiting.answer())
            assert queue(daemon) == []
        daemon.quiet()
        assert len(daemon.endings()) == 1


def test_one_client_may_not_have_it_all(stage: Stage, tmp_path: Path) -> None:
    with daemon_of(stage, tmp_path, "--max-streams-per-client", "2") as daemon:
        with watching(daemon, "m/a/endless.mp4"), watching(daemon, "m/b/endless.mp4"):
            assert "most for one client" in refused(daemon.get(media_url("m/a/slow.mp4", COPY)))
        daemon.quiet()
        daemon.stream("m/a/real-film.mp4", "mp4")


def test_copies_cost_half(stage: Stage, tmp_path: Path) -> None:
    with daemon_of(stage, tmp_path, "--max-streams", "1", "--queue-size", "0", "--preempt-after", "off") as daemon:
        with watching(daemon, "m/a/endless.mp4"), watching(daemon, "m/b/endless.mp4"):
            assert daemon.json("/api/v1/streams")["capacity"]["used"] == 2
            refused(daemon.get(media_url("m/a/slow.mp4", COPY)))
        daemon.quiet()
        with watching(daemon, "m/a/endless.mp4"):
            refused(daemon.get(media_url("m/a/slow.mp4", TRANSCODE)))


def test_the_longest_stalled_gives_way(stage: Stage, tmp_path: Path) -> None:
    with (
        daemon_of(stage, tmp_path, "--max-streams", "2", "--preempt-after", "1") as daemon,
        watching(daemon, "m/a/endless.mp4", TRANSCODE) as (_, oldest),
    ):
        until(lambda: stream_of(daemon, oldest["id"])["backpressured"], "the first stalls")
        time.sleep(1.5)  # it has stalled for longer than the second by then
        with watching(daemon, "m/b/endless.mp4", TRANSCODE) as (_, younger):
            until(lambda: stream_of(daemon, younger["id"])["backpressured"], "the second stalls")
            with watching(daemon, "m/a/slow.mp4", TRANSCODE):
                assert daemon.ending(oldest["id"])["reason"] == "preempted"
                assert younger["id"] in {stream["id"] for stream in daemon.live()}


def test_a_daemon_that_stops_is_not_ready(stage: Stage, tmp_path: Path) -> None:
    """And a second signal meanwhile changes nothing."""
    with daemon_of(stage, tmp_path, "--grace", "2") as daemon, watching(daemon, "m/a/deaf.mp4") as (connection, stream):
        daemon.process.send_signal(signal.SIGTERM)
        until(lambda: stream_of(daemon, stream["id"])["state"] == "terminating", "the stop begins")
        daemon.process.send_signal(signal.SIGTERM)
        assert "stopping" in daemon.get("/readyz").problem(503)["detail"]
        assert daemon.json("/healthz") == {"status": "ok"}
        assert "stopping" in refused(daemon.get(media_url("m/a/real-film.mp4", COPY)))
        drain(connection)
        assert daemon.stop() == 0
        assert not alive(stream["pid"])


# Health.


def test_a_transcoder_that_stands_still_is_hung(stage: Stage, tmp_path: Path) -> None:
    with daemon_of(stage, tmp_path, "--hang-timeout", "2") as daemon:
        names = ("stops-at-once", "deaf-silent")
        silent, deaf = (Asking(daemon, media_url(f"m/a/{name}.mp4", COPY)) for name in names)
        with closing(daemon.open(media_url("m/a/stops.mp4", COPY))) as connection:
            assert read_head(connection)[0] == 200
            drain(connection)  # broken off
        assert "no output in time" in silent.answer().problem(500)["detail"]
        assert deaf.answer().status == 500
        daemon.quiet()
        assert {ending["reason"] for ending in daemon.endings()} == {"hung"}


def test_a_real_transcoder_that_is_stopped_is_hung(stage: Stage, tmp_path: Path) -> None:
    with daemon_of(stage, tmp_path, "--hang-timeout", "2") as daemon:
        with watching(daemon, "m/a/real-long.wav", "/stream.wav") as (connection, stream):
            os.kill(stream["pid"], signal.SIGSTOP)
            drain(connection)  # takes all there is, so that it is not held up by its client
        assert daemon.ending(stream["id"])["reason"] == "hung"


def test_a_paused_viewer_is_not_cut(stage: Stage, tmp_path: Path) -> None:
    """Held up by its client for longer than everything that is timed, a stream goes on from where it was."""
    with daemon_of(stage, tmp_path, "--hang-timeout", "1", "--preempt-after", "1") as daemon:
        with watching(daemon, "m/a/real-long.wav", "/stream.wav") as (connection, stream):
            until(lambda: stream_of(daemon, stream["id"])["backpressured"], "the client holds it up")
            time.sleep(4)
            # The whole file, less what was taken before the pause.
            assert drain(connection) > 36 << 20
        ending = daemon.ending(stream["id"])
        assert ending["reason"] == "finished"
        assert ending["bytes_sent"] > 40 << 20


@pytest.mark.parametrize(
    ("arguments", "path", "reason"),
    [
        (("--stall-timeout", "1"), "endless.mp4", "client-stalled"),
        (("--max-duration", "1"), "trickles.mp4", "expired"),
        (("--stream-memory-max", "300K"), "trickles.mp4", "overload"),
    ],
)
def test_limits_are_kept(stage: Stage, tmp_path: Path, arguments: tuple[str, ...], path: str, reason: str) -> None:
    with daemon_of(stage, tmp_path, *arguments) as daemon:
        with watching(daemon, f"m/a/{path}") as (connection, stream):
            ending = daemon.ending(stream["id"])
            drain(connection)
        assert ending["reason"] == reason


def test_streams_end_while_memory_is_short(stage: Stage, tmp_path: Path) -> None:
    """Whoever asks after its first look is not let in. So it is asked before, and on a busy machine several times."""
    for attempt in range(10):
        with daemon_of(stage, tmp_path / str(attempt), "--memory-high", "0.0001") as daemon:
            with closing(daemon.open(media_url("m/a/trickles.mp4", COPY), receive_buffer=4096)) as connection:
                is_admitted = read_head(connection)[0] == 200
                drain(connection)
            assert "memory is short" in daemon.get("/readyz").problem(503)["detail"]
            if is_admitted:
                daemon.quiet()
                assert [one["reason"] for one in daemon.endings()] == ["overload"]
                return
    pytest.fail("nobody was let in before the first look, ten times")


def test_a_daemon_that_was_stopped_ends_nobody_for_it(stage: Stage, tmp_path: Path) -> None:
    """SIGSTOP for longer than the hang timeout, as a suspended laptop does: that nothing was seen proves nothing."""
    with (
        daemon_of(stage, tmp_path, "--hang-timeout", "4") as daemon,
        watching(daemon, "m/a/trickles.mp4") as (_, one),
        watching(daemon, "m/a/real-long.wav", "/stream.wav") as (_, two),
    ):
        daemon.process.send_signal(signal.SIGSTOP)
        time.sleep(5)
        daemon.process.send_signal(signal.SIGCONT)
        time.sleep(1.5)
        assert {stream["id"] for stream in daemon.live()} == {one["id"], two["id"]}


# The ending log.


def test_endings_survive_a_restart(stage: Stage, tmp_path: Path) -> None:
    state = ("--state-dir", str(tmp_path / "state"))
    with daemon_of(stage, tmp_path / "one", *state) as daemon:
        daemon.stream("m/a/real-film.mp4", "mp4")
        with watching(daemon, "m/a/deaf.mp4"):
            pass
        daemon.quiet()
        with watching(daemon, "m/a/forks.mp4") as (connection, last):
            told = daemon.endings()
            daemon.stop()
            drain(connection)
    with (tmp_path / "state" / "endings.jsonl").open("ab") as file:
        file.write(b'{"id": "cut by a power')
    with daemon_of(stage, tmp_path / "two", *state) as daemon:
        newest, *older = daemon.endings()
        assert older == told
        assert (newest["id"], newest["reason"]) == (last["id"], "shutdown")
        daemon.stream("m/a/real-film.mp4", "mp4")
        daemon.quiet()
        assert len(daemon.endings()) == len(told) + 2
        lines = (tmp_path / "state" / "endings.jsonl").read_bytes().splitlines()
        assert msgspec.json.decode(lines[-1]) == daemon.endings(1)[0]


def test_the_journal_has_a_bounded_size(stage: Stage, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    with daemon_of(stage, tmp_path / "one", "--state-dir", str(state)) as daemon:
        daemon.stream("m/a/real-film.mp4", "mp4")
        daemon.quiet()
    line = (state / "endings.jsonl").read_bytes()
    (state / "endings.jsonl").write_bytes(line * ((8 << 20) // len(line)))
    with daemon_of(stage, tmp_path / "two", "--state-dir", str(state)) as daemon:
        for _ in range(3):
            daemon.stream("m/a/real-film.mp4", "mp4")
        daemon.quiet()
        assert len(daemon.endings()) == 1000
    assert sum(file.stat().st_size for file in state.glob("endings*")) < 17 << 20
    assert {file.name for file in state.glob("endings*")} == {"endings.jsonl", "endings.jsonl.1"}


# The system runs out.


def test_no_process_can_be_started(tmp_path: Path) -> None:
    """RLIMIT_NPROC does not hold for root, so the daemon is another user here, one who may read everything."""
    read_all = ("--inh-caps", "+dac_override,+dac_read_search", "--ambient-caps", "+dac_override,+dac_read_search")
    if os.getuid() != 0 or subprocess.run([*NOBODY, *read_all, "true"], check=False, capture_output=True).returncode:
        pytest.skip("only root can be somebody else for this")
    face = (sys.executable, "-m", "twisted", "--log-format=text", "transcoded", "--listen", "tcp:0:interface=127.0.0.1")
    calm = ("--memory-high", "off", "--state-dir", "off")
    # access(2) looks at the user alone, so everything lies where everybody may go.
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        open_stage = build(Path(name) / "stage", BUNDLED.ffmpeg, BUNDLED.ffprobe)
        tools = ("--ffmpeg", str(open_stage.ffmpeg), "--ffprobe", str(open_stage.ffprobe))
        program = (*NOBODY, *read_all, *face, "--media", f"m={open_stage.media}", *tools, *calm)
        run_out_of_processes(LiveDaemon(tmp_path, {}, program=program))


def run_out_of_processes(somebody: LiveDaemon) -> None:
    with somebody as daemon:
        pid = daemon.process.pid
        daemon.stream("m/a/real-film.mp4", "mp4")
        daemon.quiet()
        before = daemon.descriptors()
        soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
        # Whoever may change another's limits is that other, or has more rights than root here may have.
        change = (*NOBODY, "prlimit", "--pid", str(pid))
        subprocess.run([*change, "--nproc=1:"], check=True)
        # Which of both is wanted first depends on whether the threads of the pool are free at that moment.
        none_left = re.compile("cannot start|no more threads")
        assert none_left.search(refused(daemon.get(media_url("m/a/real-film.mp4", COPY))))
        assert none_left.search(refused(daemon.get(media_url("m/b/real-film.mp4", COPY))))  # a probe
        subprocess.run([*change, f"--nproc={soft if soft >= 0 else 'unlimited'}:"], check=True)
        daemon.stream("m/a/real-film.mp4", "mp4")
        daemon.quiet()
        until(lambda: daemon.descriptors() <= before, "no descriptor is lost")
        first, *failed, last = [ending["reason"] for ending in daemon.endings()]
        assert (first, last) == ("finished", "finished")
        assert set(failed) <= {"failed"}


def test_no_descriptor_is_left(stage: Stage, tmp_path: Path) -> None:
    with daemon_of(stage, tmp_path) as daemon:
        pid = daemon.process.pid
        daemon.stream("m/a/real-film.mp4", "mp4")
        daemon.quiet()
        before = daemon.descriptors()
        limit = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        top = max(int(name) for name in os.listdir(f"/proc/{pid}/fd"))
        for room in range(1, 8):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (top + 1 + room, limit[1]))
            response = daemon.get(media_url("m/a/real-film.mp4", COPY))
            assert response.status in {200, 404, 503}, response.body
        assert "503" in daemon.log()
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)
        daemon.stream("m/a/real-film.mp4", "mp4")
        daemon.quiet()
        until(lambda: daemon.descriptors() <= before, "no descriptor is lost")


def test_ffmpeg_is_removed_and_comes_back(stage: Stage, tmp_path: Path) -> None:
    ffmpeg = tmp_path / "ffmpeg"
    shutil.copy(stage.ffmpeg, ffmpeg)
    with LiveDaemon(tmp_path / "d", {"m": stage.media}, "--ffmpeg", str(ffmpeg), "--memory-high", "off") as daemon:
        daemon.stream("m/a/real-film.mp4", "mp4")
        daemon.quiet()
        before = daemon.descriptors()
        ffmpeg.rename(tmp_path / "away")
        for _ in range(3):
            daemon.get(media_url("m/a/real-film.mp4", COPY)).problem(500)
        (tmp_path / "away").rename(ffmpeg)
        daemon.stream("m/a/real-film.mp4", "mp4")
        daemon.quiet()
        until(lambda: daemon.descriptors() <= before, "no descriptor is lost")
        assert [ending["reason"] for ending in daemon.endings()] == ["finished", *["failed"] * 3, "finished"]


# Files that are not what they were.


def test_a_fifo_holds_nobody_up(stage: Stage, tmp_path: Path) -> None:
    media = tmp_path / "media"
    media.mkdir()
    os.mkfifo(media / "pipe.mp4")
    shutil.copy(stage.media / "a" / "real-film.mp4", media / "real-film.mp4")
    with daemon_of(stage, tmp_path / "d", media=media) as daemon:
        for tail in ("", COPY, "/probe.json"):
            assert daemon.get(media_url("m/pipe.mp4", tail)).status in {404, 415}
        daemon.stream("m/real-film.mp4", "mp4")
        daemon.quiet()


def replace(path: Path, by: Path) -> None:
    shutil.copy(by, path.with_suffix(".new"))
    path.with_suffix(".new").rename(path)


@pytest.mark.parametrize("what", ["deleted", "truncated", "replaced"])
def test_a_file_changes_under_its_stream(stage: Stage, tmp_path: Path, what: str) -> None:
    media = tmp_path / "media"
    media.mkdir()
    film = media / "real-film.wav"
    shutil.copy(stage.media / "a" / "real-long.wav", film)
    with daemon_of(stage, tmp_path / "d", media=media) as daemon:
        with watching(daemon, "m/real-film.wav", "/stream.wav") as (connection, stream):
            until(lambda: stream_of(daemon, stream["id"])["backpressured"], "it is in the middle of the file")
            actions: Mapping[str, Any] = {
                "deleted": film.unlink,
                "truncated": lambda: os.truncate(film, 1 << 20),
                "replaced": lambda: replace(film, stage.media / "a" / "real-film.mp4"),
            }
            actions[what]()
            size = drain(connection)
        ending = daemon.ending(stream["id"])
        if what == "truncated":
            assert ending["reason"] in {"finished", "failed"}
            assert size < 36 << 20
        else:
            # Who has begun sees the old file to its end.
            assert ending["reason"] == "finished"
            assert ending["bytes_sent"] > 40 << 20
            # What the watcher read before is not counted here.
            assert size > 36 << 20
        if what == "deleted":
            daemon.get(media_url("m/real-film.wav", "/stream.wav")).problem(404)
        if what == "replaced":
            assert len(daemon.stream("m/real-film.wav", "wav")) < 1 << 20
        daemon.quiet()
