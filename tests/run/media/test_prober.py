"""What a file holds: asked once for all who want to know. Else a page with a hundred viewers starts a hundred processes."""

import errno
import os
import signal
from array import array
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest
from twisted.internet.defer import CancelledError, Deferred

from tests.plan.examples import MEDIA as MP4
from tests.plan.media.timeline.index.test_reader import GROUPS, MKV, TWO, matroska
from tests.run.fakes import (
    GRACE,
    Child,
    Machine,
    PromptThreads,
    StillThreads,
    new_commands,
    new_file,
    new_leases,
    new_prober,
    result_after_turn,
    results,
)
from transcoded.plan.errors import NotMedia, TimedOut, TranscodeFailed, Unavailable
from transcoded.plan.lru import ENTRY
from transcoded.plan.media.probe import STREAM, Media
from transcoded.plan.media.timeline.length import MAX_BYTES_COUNTED
from transcoded.plan.media.timeline.packets import PacketScan, scan_from_probe
from transcoded.run.files.library import Library, MediaFile, Version
from transcoded.run.files.opener import FileOpener
from transcoded.run.files.private_directory import PrivateDirectory
from transcoded.run.media import packet_scans as probe
from transcoded.run.media.file_memory import FileMemory
from transcoded.run.media.prober import MAX_OUTPUT, Prober
from transcoded.run.process.commands import Commands
from transcoded.run.reactor import as_reactor

DEADLINE = 30.0
MEDIA = attrs.evolve(MP4, container="mpegts")
"""A file without an index."""

WEIGHT = ENTRY + 2 * STREAM
"""Bytes that count for what `AUDIO_STREAM` says."""

AUDIO_STREAM = msgspec.json.encode(
    {
        "format": {"format_name": "flac", "duration": "60.0"},
        "streams": [
            {"index": 0, "codec_type": "audio", "codec_name": "flac", "channels": 1, "sample_rate": "48000"},
        ],
    }
)


@pytest.fixture
def commands(machine: Machine) -> Commands:
    return new_commands(machine)


@pytest.fixture
def prober(machine: Machine, commands: Commands) -> Prober:
    return new_prober(machine, commands, DEADLINE)


def ask(prober: Prober, file: MediaFile | None = None) -> "Deferred[Media]":
    return Deferred.fromCoroutine(prober.probe(file or new_file()))


def answer(machine: Machine, child: Child | None = None, data: bytes = AUDIO_STREAM, code: int = 0) -> None:
    child = child or machine.last
    if data:
        child.write(data)
    child.exit(code)
    machine.turn()


def test_the_file_is_asked_for_by_its_descriptor(machine: Machine, prober: Prober) -> None:
    """Its name is no option then, and no link that is put in its place is followed."""
    result = ask(prober, new_file("-leading.mkv"))
    assert machine.last.argv[0] == "/nowhere/ffprobe"
    assert machine.last.argv[-2:] == ["-i", "file:/proc/self/fd/4"]
    answer(machine)
    media = result_after_turn(machine, result)
    assert isinstance(media, Media)
    assert (media.container, media.duration, media.size) == ("flac", 60.0, 1000)


def test_all_who_ask_at_the_same_time_share_one_process(machine: Machine, prober: Prober) -> None:
    waiting = [ask(prober) for _ in range(5)]
    assert len(machine.children) == 1
    assert not any(result.called for result in waiting)
    answer(machine)
    found = [result_after_turn(machine, result) for result in waiting]
    assert isinstance(found[0], Media)
    assert all(media is found[0] for media in found)


def test_what_is_known_costs_no_process(machine: Machine, prober: Prober) -> None:
    first = ask(prober)
    answer(machine)
    assert result_after_turn(machine, ask(prober)) is result_after_turn(machine, first)
    assert len(machine.children) == 1


@pytest.mark.parametrize("other", [new_file(inode=2), new_file(size=1001), new_file("b.mkv")])
def test_another_file_or_version_is_asked_for_anew(machine: Machine, prober: Prober, other: MediaFile) -> None:
    """A film that was replaced must not be played with the old one's plan."""
    first = ask(prober)
    answer(machine)
    second = ask(prober, other)
    answer(machine)
    assert len(machine.children) == 2
    assert result_after_turn(machine, first) is not result_after_turn(machine, second)


def test_different_files_do_not_wait_for_each_other(machine: Machine, prober: Prober) -> None:
    first, second = ask(prober), ask(prober, new_file("b.mkv"))
    answer(machine, machine.children[1])
    assert second.called
    assert not first.called
    answer(machine, machine.children[0])
    assert isinstance(result_after_turn(machine, first), Media)


def test_the_least_recently_used_is_forgotten(machine: Machine, commands: Commands) -> None:
    prober = new_prober(machine, commands, DEADLINE, remembered=2 * WEIGHT)
    files = [new_file(f"{number}.mkv") for number in range(3)]
    for file in files[:2]:
        ask(prober, file)
        answer(machine)
    assert isinstance(result_after_turn(machine, ask(prober, files[0])), Media)
    ask(prober, files[2])
    answer(machine)
    assert all(isinstance(result_after_turn(machine, ask(prober, file)), Media) for file in (files[0], files[2]))
    assert len(machine.children) == 3
    again = ask(prober, files[1])
    assert len(machine.children) == 4
    answer(machine)
    assert isinstance(result_after_turn(machine, again), Media)


# Answers that are none.


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(b"", 1, id="ffprobe says no"),
        pytest.param(b"{}", 1, id="ffprobe says something and no"),
        pytest.param(b"", 0, id="ffprobe says nothing"),
        pytest.param(b"not JSON", 0, id="nonsense"),
        pytest.param(b"{}", 0, id="nothing in it"),
        pytest.param(b"\xff\xfe", 0, id="no text"),
    ],
)
def test_what_is_no_media_is_remembered(machine: Machine, prober: Prober, data: bytes, code: int) -> None:
    """A hostile file must not cost a process for each request."""
    waiting = [ask(prober), ask(prober)]
    answer(machine, None, data, code)
    problems = [result_after_turn(machine, result) for result in [*waiting, ask(prober)]]
    assert all(isinstance(problem, NotMedia) for problem in problems)
    assert len({id(problem) for problem in problems}) == 3, (
        "an exception that is raised twice drags its traceback along"
    )
    assert len({problem.detail for problem in problems}) == 1
    assert len(machine.children) == 1


@pytest.mark.parametrize("ending", ["signal", "126", "127"])
def test_what_ended_ffprobe_from_outside_says_nothing_about_the_file(
    machine: Machine, prober: Prober, ending: str
) -> None:
    """Out of memory for a moment, and a film is 'damaged' until the daemon is restarted?"""
    first = ask(prober)
    if ending == "signal":
        machine.last.die(signal.SIGKILL)
    else:
        machine.last.exit(int(ending))
    problem = result_after_turn(machine, first)
    assert isinstance(problem, Unavailable if ending == "signal" else TranscodeFailed)
    second = ask(prober)
    answer(machine)
    assert isinstance(result_after_turn(machine, second), Media)


def fail_by_deadline(machine: Machine) -> None:
    machine.advance(DEADLINE)


def fail_by_flood(machine: Machine) -> None:
    for _ in range(2):
        flood(machine)
        machine.turn()


def flood(machine: Machine) -> None:
    """Let it write more than is taken. Without titles it is tried once more."""
    child = machine.last
    for _ in range(MAX_OUTPUT // (256 * 1024) + 1):
        if child.output_is_open:
            child.fill()
            machine.turn()
    child.exit(255)


def fail_by_memory(machine: Machine) -> None:
    machine.last.write(b"[mov] Cannot allocate memory", 2)
    machine.last.exit(1)


def fail_by_crash(machine: Machine) -> None:
    machine.last.die(signal.SIGSEGV)


@pytest.mark.parametrize("fail", [fail_by_flood, fail_by_memory, fail_by_crash])
def test_a_file_that_ffprobe_cannot_bear_is_remembered(
    machine: Machine, prober: Prober, fail: Callable[[Machine], None]
) -> None:
    """It would cost as much each time."""
    waiting = [ask(prober), ask(prober)]
    fail(machine)
    children = len(machine.children)
    assert all(isinstance(result_after_turn(machine, result), NotMedia) for result in [*waiting, ask(prober)])
    assert len(machine.children) == children


def test_titles_that_are_too_long_are_left_out(machine: Machine, prober: Prober) -> None:
    """A song must not become unplayable because its lyrics, or the private data of a shop, are in its tags."""
    waiting = ask(prober)
    flood(machine)
    machine.turn()
    answer(machine)
    assert isinstance(result_after_turn(machine, waiting), Media)
    assert not any("tags" in argument for argument in machine.last.argv)


def test_a_failure_is_told_to_all_and_not_remembered(machine: Machine, prober: Prober) -> None:
    waiting = [ask(prober), ask(prober)]
    fail_by_deadline(machine)
    assert all(isinstance(result_after_turn(machine, result), TimedOut) for result in waiting)
    again = ask(prober)
    answer(machine)
    assert isinstance(result_after_turn(machine, again), Media)
    if not machine.children[0].gone:
        machine.children[0].exit(255)


def test_a_process_that_cannot_be_started_is_not_remembered(machine: Machine, prober: Prober) -> None:
    machine.refuse = BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
    assert isinstance(result_after_turn(machine, ask(prober)), Unavailable)
    machine.refuse = None
    again = ask(prober)
    answer(machine)
    assert isinstance(result_after_turn(machine, again), Media)


def test_a_stop_is_no_judgement_of_the_file(machine: Machine, commands: Commands, prober: Prober) -> None:
    result = ask(prober)
    stopped = commands.stop()
    machine.last.die(signal.SIGTERM)
    assert stopped.called
    assert isinstance(result_after_turn(machine, result), Unavailable)


# Those who leave.


def test_one_who_leaves_does_not_disturb_the_others(machine: Machine, prober: Prober) -> None:
    first, second = ask(prober), ask(prober)
    first.cancel()
    assert isinstance(result_after_turn(machine, first), CancelledError)
    assert machine.groups.sent == []
    answer(machine)
    assert isinstance(result_after_turn(machine, second), Media)


def test_when_the_last_one_leaves_the_process_ends(machine: Machine, prober: Prober) -> None:
    """A client that asks and hangs up, again and again, must not leave a row of processes."""
    waiting = [ask(prober), ask(prober)]
    for result in waiting:
        result.cancel()
        assert isinstance(result_after_turn(machine, result), CancelledError)
    assert machine.groups.names() == ["SIGTERM", "SIGCONT"]
    machine.advance(GRACE)
    assert machine.groups.names()[-1] == "SIGKILL"
    machine.last.die(signal.SIGKILL)
    assert machine.timers == []


def test_one_who_comes_after_the_last_has_left_gets_an_answer(machine: Machine, prober: Prober) -> None:
    """The process that is being ended is not his."""
    first = ask(prober)
    first.cancel()
    assert isinstance(result_after_turn(machine, first), CancelledError)
    second = ask(prober)
    assert len(machine.children) == 2
    machine.children[0].exit(255)
    assert list(results(second)) == []
    answer(machine)
    assert isinstance(result_after_turn(machine, second), Media)


def test_one_that_answers_before_it_was_started(machine: Machine, prober: Prober) -> None:
    def quick(child: Child) -> None:
        child.exit(1)

    machine.on_spawn = quick
    assert isinstance(result_after_turn(machine, ask(prober)), NotMedia)


# Where the keyframes are.

PACKETS = b"0,0.000000,0.000000,0.040000,100,K__\n0,2.000000,2.000000,0.040000,100,K__\n"
KEYFRAMES = array("q", (0, 2_000_000))


@pytest.fixture
def threads() -> StillThreads:
    return StillThreads()


@pytest.fixture
def scanner(machine: Machine, commands: Commands, threads: StillThreads) -> Prober:
    return new_prober(machine, commands, DEADLINE, threads)


def look(prober: Prober, media: Media = MEDIA) -> "Deferred[PacketScan]":
    return Deferred.fromCoroutine(prober.scan(new_file(), media))


def test_all_who_want_the_keyframes_share_one_look_and_later_ones_need_none(
    machine: Machine, scanner: Prober, threads: StillThreads
) -> None:
    waiting = [look(scanner) for _ in range(3)]
    assert len(machine.children) == 1
    answer(machine, data=PACKETS)
    threads.step()
    assert [result_after_turn(machine, one).keyframes for one in [*waiting, look(scanner)]] == [KEYFRAMES] * 4
    assert len(machine.children) == 1


def test_a_player_does_not_wait_for_a_slow_look_and_the_next_has_it(
    machine: Machine, scanner: Prober, threads: StillThreads
) -> None:
    first = look(scanner)
    machine.advance(probe.SCAN_PATIENCE)
    assert result_after_turn(machine, first) == scan_from_probe(MEDIA)
    answer(machine, data=PACKETS)
    threads.step()
    assert result_after_turn(machine, look(scanner)).keyframes == KEYFRAMES
    assert len(machine.children) == 1


@pytest.mark.parametrize("code", [1, 127])
def test_a_look_that_failed_is_done_without_and_not_remembered(machine: Machine, scanner: Prober, code: int) -> None:
    waiting = look(scanner)
    answer(machine, data=b"", code=code)
    assert result_after_turn(machine, waiting) == scan_from_probe(MEDIA)
    again = look(scanner)
    assert len(machine.children) == 2
    answer(machine, data=b"", code=code)
    assert result_after_turn(machine, again) == scan_from_probe(MEDIA)


def test_what_is_kept_of_keyframes_is_bounded_in_bytes(machine: Machine, commands: Commands) -> None:
    """All-intra video has thousands of them."""
    scanner = new_prober(machine, commands, DEADLINE, remembered=2 * (ENTRY + 16))
    for name in ("a.mkv", "b.mkv", "c.mkv", "c.mkv", "a.mkv"):
        Deferred.fromCoroutine(scanner.scan(new_file(name), MEDIA))
        if len(machine.children) < 4 and not machine.last.gone:
            answer(machine, data=PACKETS)
    assert len(machine.children) == 4, "the first was forgotten for the third"
    answer(machine, data=PACKETS)


def test_scans_run_a_few_at_a_time_in_turns_and_few_wait(
    machine: Machine, threads: StillThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each may need 32 MB. A page of a hostile library asks for hundreds of files."""
    monkeypatch.setattr(probe, "MAX_SCANS_WAITING", 2)
    scanner = new_prober(machine, new_commands(machine), threads=threads)

    def scan(name: str, client: str, patience: float | None = 1.0) -> "Deferred[PacketScan]":
        return Deferred.fromCoroutine(scanner.scan(new_file(name), MEDIA, patience, client))

    waiting = [scan("a.mkv", "greedy"), scan("b.mkv", "greedy"), scan("c.mkv", "other"), scan("d.mkv", "third")]
    assert len(machine.children) == probe.MAX_SCANS, "one of each client"
    assert result_after_turn(machine, scan("e.mkv", "greedy")) == scan_from_probe(MEDIA), "one too many: done without"
    assert isinstance(result_after_turn(machine, scan("f.mkv", "greedy", None)), Unavailable)
    for started in (3, 4, 4, 4):
        answer(machine, next(child for child in machine.children if not child.gone), PACKETS)
        threads.step()
        machine.turn()
        assert len(machine.children) == started
    assert [result_after_turn(machine, one).keyframes for one in waiting] == [KEYFRAMES] * 4


def test_one_who_leaves_does_not_call_the_look_off(machine: Machine, scanner: Prober, threads: StillThreads) -> None:
    first, second = look(scanner), look(scanner)
    first.cancel()
    assert isinstance(result_after_turn(machine, first), CancelledError)
    answer(machine, data=PACKETS)
    threads.step()
    assert result_after_turn(machine, second).keyframes == KEYFRAMES


def test_where_keyframes_are_of_no_use_nothing_is_read(machine: Machine, scanner: Prober) -> None:
    silent = attrs.evolve(MEDIA, video=())
    assert result_after_turn(machine, look(scanner, silent)) == scan_from_probe(silent)
    assert machine.children == []


def test_who_waits_to_the_end_gets_the_keyframes_however_late_or_what_went_wrong(
    machine: Machine, scanner: Prober, threads: StillThreads
) -> None:
    """A URL of the copied rendition means the keyframes, and nothing else."""
    failing = Deferred.fromCoroutine(scanner.scan(new_file(), MEDIA, patience=None))
    answer(machine, data=b"", code=1)
    assert isinstance(result_after_turn(machine, failing), TranscodeFailed)
    waiting = Deferred.fromCoroutine(scanner.scan(new_file(), MEDIA, patience=None))
    machine.advance(5 * probe.SCAN_PATIENCE)
    assert not waiting.called
    answer(machine, data=PACKETS)
    threads.step()
    assert result_after_turn(machine, waiting).keyframes == KEYFRAMES


VIDEO_OF_PQ = {"index": 0, "codec_type": "video", "codec_name": "hevc", "width": 64, "height": 64} | {
    "color_transfer": "smpte2084"
}
BRIGHT = {"side_data_type": "Content light level metadata", "max_content": 1000}


def pq(**also: object) -> bytes:
    return msgspec.json.encode(
        {"format": {"format_name": "mpegts", "duration": "60.0"}, "streams": [VIDEO_OF_PQ | also]}
    )


@pytest.mark.parametrize(
    ("frames", "peak"), [([{}, {"side_data_list": [{}, BRIGHT]}], 1000.0), ([{}], None), ([], None)]
)
def test_how_bright_it_is_may_be_told_by_its_frames_alone(
    machine: Machine, prober: Prober, frames: list[object], peak: float | None
) -> None:
    """A transport stream has no other place for it, and filters of FFmpeg 9 lose it on their way."""
    result = ask(prober)
    answer(machine, data=pq())
    assert not result.called
    assert "-skip_frame" in machine.last.argv
    answer(machine, data=msgspec.json.encode({"frames": frames}))
    media = result_after_turn(machine, result)
    assert isinstance(media, Media)
    assert [one.peak for one in media.video] == [peak]


def test_frames_that_tell_nothing_in_time_do_not_make_it_unplayable(machine: Machine, prober: Prober) -> None:
    result = ask(prober)
    answer(machine, data=pq())
    machine.advance(DEADLINE)
    machine.last.exit(255)
    machine.turn()
    media = result_after_turn(machine, result)
    assert isinstance(media, Media)
    assert [one.peak for one in media.video] == [None]


def test_frames_are_not_looked_at_where_the_file_tells_it(machine: Machine, prober: Prober) -> None:
    ask(prober)
    answer(machine, data=pq(side_data_list=[BRIGHT]))
    ask(prober, new_file("sdr.mkv"))
    answer(machine, data=pq(color_transfer="bt709"))
    assert len(machine.children) == 2


# What needs no process.


@pytest.fixture
def film(tmp_path: Path) -> MediaFile:
    """A file whose index tells a keyframe every two seconds."""
    path = tmp_path / "films" / "film.mkv"
    path.parent.mkdir()
    path.write_bytes(matroska(*GROUPS))
    return MediaFile("films/film.mkv", str(path), Version.of(path.stat()))


INDEXED = attrs.evolve(MKV, video=(attrs.evolve(MKV.video[0], pix_fmt="yuv420p"),))


class PromptDisk(PromptThreads):
    """Opens files at once, too."""

    def acquire(
        self, discard: Callable[..., Any], call: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> "Deferred[Any]":
        return self.run(call, *args, **kwargs)


def reading(machine: Machine, film: MediaFile, memory: FileMemory | None = None) -> Prober:
    roots = {"films": os.path.dirname(film.real_path)}
    opener = FileOpener(Library(roots), PromptDisk(), new_leases(machine))
    return Prober(as_reactor(machine), new_commands(machine), opener, "/nowhere/ffprobe", memory=memory)


def test_the_index_is_read_instead_of_the_packets(machine: Machine, film: MediaFile) -> None:
    """ffprobe reads the whole file."""
    scanner = reading(machine, film)
    waiting = [Deferred.fromCoroutine(scanner.scan(film, attrs.evolve(INDEXED, size=film.size))) for _ in range(2)]
    assert [list(result_after_turn(machine, one).keyframes) for one in waiting] == [TWO] * 2
    assert machine.children == []


def test_a_large_file_is_scanned_by_its_index_or_not_at_all(machine: Machine, film: MediaFile) -> None:
    large = attrs.evolve(INDEXED, size=MAX_BYTES_COUNTED + 1)
    found = Deferred.fromCoroutine(reading(machine, film).scan(film, large))
    assert list(result_after_turn(machine, found).keyframes) == TWO
    none = attrs.evolve(large, container="mpegts")
    found = Deferred.fromCoroutine(reading(machine, film).scan(film, none, patience=None))
    assert result_after_turn(machine, found) == scan_from_probe(none)
    assert machine.children == []


def test_packets_are_listed_if_the_index_is_wrong(machine: Machine, film: MediaFile) -> None:
    scanner = reading(machine, film)
    waiting = Deferred.fromCoroutine(scanner.scan(film, attrs.evolve(INDEXED, duration=1.0)))
    answer(machine, data=PACKETS)
    assert result_after_turn(machine, waiting).keyframes == KEYFRAMES


def test_after_a_restart_nothing_is_asked_again(machine: Machine, film: MediaFile, tmp_path: Path) -> None:
    with closing(PrivateDirectory.open(str(tmp_path / "state"))) as state:

        def started() -> Prober:
            return reading(machine, film, FileMemory(as_reactor(machine), state, PromptThreads()))

        first, indexed = started(), attrs.evolve(INDEXED, size=film.size)
        asked = ask(first, film)
        answer(machine)
        media = result_after_turn(machine, asked)
        scan = result_after_turn(machine, Deferred.fromCoroutine(first.scan(film, indexed)))
        os.truncate(film.real_path, 0)
        second = started()
        assert result_after_turn(machine, ask(second, film)) == media
        assert result_after_turn(machine, Deferred.fromCoroutine(second.scan(film, indexed))) == scan
    assert len(machine.children) == 1
