"""Windows of subtitles: one pass through the film for all of its text, and the whole text where a pass would not do."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import attrs
import pytest
from twisted.internet.defer import CancelledError, Deferred

from tests.plan.examples import MEDIA
from tests.plan.subtitles.test_packets import block, cluster, element, entry
from tests.run.fakes import Machine, NoDisk, result_after_turn, result_of
from transcoded.plan.errors import NotMedia, TimedOut
from transcoded.plan.media.probe import EXTERNAL, SubtitleStream
from transcoded.plan.subtitles.names import SubtitleName
from transcoded.run.files.library import Library, MediaFile
from transcoded.run.files.sidecars import Sidecar
from transcoded.run.media.extracts import Extracts
from transcoded.run.media.subtitles import Subtitles, SubtitleSource
from transcoded.run.media.windows import SubtitleWindows
from transcoded.run.process.commands import Reader
from transcoded.run.reactor import as_reactor

FIRST, SECOND = SubtitleStream(2, 0, "subrip", text=True), SubtitleStream(3, 1, "subrip", text=True, language="ru")
WHOLE = "WEBVTT\n\n00:01.000 --> 01:01.000\nwhole\n"
HEAD = "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n"


def film(*texts: bytes) -> bytes:
    """Matroska with a line at 61 s in each track, and a clock that has passed."""
    tracks = element(0x1654AE6B, entry(b"S_TEXT/UTF8") * len(texts) + entry(b"A_AAC"))
    lines = [block(number, 1000, text, 500) for number, text in enumerate(texts, 1)]
    clock = cluster(9_000_000, block(len(texts) + 1, 0, b"sound"))
    return element(0x18538067, tracks + cluster(60_000, *lines) + clock, b"\x01" + b"\xff" * 7)


@attrs.define
class FakeExtracts:
    """ffmpeg's output. It comes by `go`, or at once."""

    data: bytes = film(b"one", b"two")
    go: "Deferred[None] | None" = None
    made: list[Sequence[str]] = attrs.Factory(list)
    cancelled: int = 0

    async def read(
        self, file: MediaFile, arguments: Sequence[str], reader: Reader, *, deadline: float, client: str
    ) -> str:
        self.made.append(arguments)
        if self.go is not None:
            try:
                await self.go
            except CancelledError:
                self.cancelled += 1
                raise
        assert reader.feed(self.data)
        return ""


@attrs.define
class FakeSubtitles:
    """The whole text."""

    problem: Exception | None = None
    made: int = 0

    async def webvtt(self, source: SubtitleSource, client: str) -> bytes:
        self.made += 1
        if self.problem is not None:
            raise self.problem
        return WHOLE.encode()


@attrs.frozen
class World:
    root: Path
    machine: Machine
    extracts: FakeExtracts
    subtitles: FakeSubtitles
    windows: SubtitleWindows

    def source(self, stream: SubtitleStream = FIRST, container: str = "matroska,webm") -> SubtitleSource:
        file = Library({"films": str(self.root)}).locate("films/a.mkv")
        media = attrs.evolve(MEDIA, container=container, subtitles=(FIRST, SECOND))
        return SubtitleSource(file, media, stream, None, f"key {stream.position}")

    def beside(self) -> SubtitleSource:
        source = self.source(SubtitleStream(EXTERNAL, 2, "subrip", text=True))
        file = source.file
        return attrs.evolve(source, sidecar=Sidecar(SubtitleName(), "subrip", file.path, file.real_path, file.version))

    def ask(self, source: SubtitleSource, number: int) -> "Deferred[bytes]":
        return Deferred.fromCoroutine(self.windows.window(source, number, "a"))

    def text(self, source: SubtitleSource, number: int) -> str:
        result = result_after_turn(self.machine, self.ask(source, number))
        if isinstance(result, Exception):
            raise result
        assert isinstance(result, bytes)
        return result.decode()


@pytest.fixture
def world(tmp_path: Path) -> World:
    (tmp_path / "a.mkv").write_bytes(b"a film")
    machine, extracts, subtitles = Machine(), FakeExtracts(), FakeSubtitles()
    windows = SubtitleWindows(as_reactor(machine), cast(Extracts, extracts), cast(Subtitles, subtitles), NoDisk(), None)
    return World(tmp_path.resolve(), machine, extracts, subtitles, windows)


def test_one_pass_serves_all_text_and_the_next_window(world: World) -> None:
    assert world.text(world.source(), 1) == f"{HEAD}\n01:01.000 --> 01:01.500\none\n"
    assert world.text(world.source(), 0) == HEAD
    assert world.text(world.source(SECOND), 1) == f"{HEAD}\n01:01.000 --> 01:01.500\ntwo\n"
    assert len(world.extracts.made) == 1
    assert not world.subtitles.made
    world.text(world.source(), 2)
    assert len(world.extracts.made) == 2


def test_all_that_ask_at_the_same_time_wait_for_the_same_pass(world: World) -> None:
    world.extracts.go = Deferred()
    asked = [world.ask(world.source(stream), number) for stream in (FIRST, SECOND) for number in (0, 1)]
    assert len(world.extracts.made) == 1
    world.extracts.go.callback(None)
    for _ in range(3):
        world.machine.advance(0)
    assert [b"-->" in result_of(one) for one in asked] == [False, True, False, True]


def test_a_pass_that_nobody_waits_for_any_more_is_ended(world: World) -> None:
    world.extracts.go = Deferred()
    asked = [world.ask(world.source(), 0), world.ask(world.source(SECOND), 1)]
    for one in asked:
        one.addErrback(lambda failure: failure.trap(CancelledError))
    asked[0].cancel()
    world.machine.advance(0)
    assert not world.extracts.cancelled
    asked[1].cancel()
    world.machine.advance(0)
    assert world.extracts.cancelled == 1


def test_what_no_pass_is_for_is_cut_from_the_whole_text(world: World) -> None:
    for source in (world.beside(), world.source(container="ogg")):
        assert [world.text(source, number).count("whole") for number in (0, 1, 2)] == [1, 1, 0]
    assert not world.extracts.made


def test_a_charset_is_guessed_from_the_whole_text(world: World) -> None:
    """Else one window would be in one charset, and the next in another."""
    world.extracts.data = film("Привет".encode("cp1251"), b"two")
    assert "whole" in world.text(world.source(), 1)
    assert "two" in world.text(world.source(SECOND), 1)
    assert world.subtitles.made == 1


def test_if_that_takes_too_long_it_is_guessed_from_what_there_is(world: World) -> None:
    world.subtitles.problem = TimedOut("slow")
    world.extracts.data = film(b"one", "Привет, как дела?".encode("cp1251"))
    assert "Привет" in world.text(world.source(SECOND), 1)
    assert "Привет" not in world.text(world.source(SECOND), 0)
    assert world.subtitles.made == 1, "nobody waits for that again"


def test_text_that_could_not_be_decompressed_is_refused_as_the_whole_is(world: World) -> None:
    world.extracts.data = film(b"x\x9cK\x0f\x01", b"two")
    world.subtitles.problem = NotMedia("compressed")
    with pytest.raises(NotMedia, match="compressed"):
        world.text(world.source(), 1)
