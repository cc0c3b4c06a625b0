"""Subtitles as text: made once for all that ask, whole or not at all, and of the version that was asked for."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import attrs
import pytest
from twisted.internet.defer import CancelledError, Deferred

from tests.plan.examples import MEDIA
from tests.run.fakes import Machine, NoDisk, new_leases, result_after_turn, result_of
from transcoded.plan.errors import NotFound, NotMedia, TranscodeFailed, Unavailable
from transcoded.plan.media.probe import EXTERNAL, Attachment, SubtitleStream
from transcoded.plan.subtitles.names import SubtitleName
from transcoded.run.files.library import Library, MediaFile
from transcoded.run.files.opener import FileOpener
from transcoded.run.files.sidecars import MAX_TEXT, Sidecar
from transcoded.run.media.extracts import Extracts
from transcoded.run.media.subtitles import DEADLINE, MAX_IMAGES, Subtitles, SubtitleSource
from transcoded.run.reactor import as_reactor

SRT = b"1\n00:00:01,000 --> 00:00:02,000\na < b\n"
INSIDE = SubtitleStream(2, 0, "subrip", text=True)
IMAGES = SubtitleStream(3, 0, "hdmv_pgs_subtitle", text=False)


@attrs.define
class FakeExtracts:
    """Extracts without ffmpeg. They are finished by `go`, or at once."""

    data: bytes = SRT
    stderr: str = ""
    problem: Exception | None = None
    go: "Deferred[None] | None" = None
    made: list[tuple[str, Sequence[str], int, float]] = attrs.Factory(list)
    finished: dict[str, bytes] = attrs.Factory(dict)
    cancelled: int = 0

    def kept(self, file: MediaFile, name: str) -> bytes | None:
        return self.finished.get(name)

    async def make(
        self,
        file: MediaFile,
        name: str,
        arguments: Sequence[str],
        max_bytes: int,
        *,
        deadline: float,
        check: Callable[[bytes, str], None],
        client: str,
    ) -> bytes:
        self.made.append((name, arguments, max_bytes, deadline))
        if self.go is not None:
            try:
                await self.go
            except CancelledError:
                self.cancelled += 1
                raise
        if self.problem is not None:
            raise self.problem
        check(self.data, self.stderr)
        self.finished[name] = self.data
        return self.data


@attrs.frozen
class World:
    """Subtitles over a library of one film."""

    root: Path
    machine: Machine
    extracts: FakeExtracts
    subtitles: Subtitles

    def film(self, stream: SubtitleStream = INSIDE, key: str = "key") -> SubtitleSource:
        """A stream of the film."""
        file = Library({"films": str(self.root)}).locate("films/a.mkv")
        return SubtitleSource(file, attrs.evolve(MEDIA, subtitles=(stream,)), stream, None, key)

    def beside(
        self, data: bytes, codec: str = "subrip", key: str = "key", language: str | None = None
    ) -> SubtitleSource:
        """A file beside it."""
        (self.root / "a.srt").write_bytes(data)
        found = Library({"films": str(self.root)}).locate("films/a.srt")
        sidecar = Sidecar(SubtitleName(language), codec, found.path, found.real_path, found.version)
        stream = SubtitleStream(EXTERNAL, 0, codec, text=codec != IMAGES.codec, language=language)
        return attrs.evolve(self.film(stream, key), sidecar=sidecar)

    def webvtt(self, source: SubtitleSource, client: str = "a") -> "Deferred[bytes]":
        """The request for it."""
        return Deferred.fromCoroutine(self.subtitles.webvtt(source, client))

    def text(self, source: SubtitleSource) -> str:
        """What comes of it in a later turn."""
        return self._result(self.webvtt(source)).decode()

    def as_it_is(self, source: SubtitleSource) -> bytes:
        """What comes of it in a later turn."""
        return self._result(Deferred.fromCoroutine(self.subtitles.as_it_is(source, "a")))

    def _result(self, asked: "Deferred[bytes]") -> bytes:
        result = result_after_turn(self.machine, asked)
        if isinstance(result, Exception):
            raise result
        assert isinstance(result, bytes)
        return result


@pytest.fixture
def world(tmp_path: Path) -> World:
    return new(tmp_path)


def new(root: Path, charset: str | None = None) -> World:
    (root / "a.mkv").write_bytes(b"a film")
    machine, extracts = Machine(), FakeExtracts()
    opener = FileOpener(Library({"films": str(root.resolve())}), NoDisk(), new_leases(machine))
    subtitles = Subtitles(as_reactor(machine), cast(Extracts, extracts), opener, charset)
    return World(root.resolve(), machine, extracts, subtitles)


def test_a_stream_is_taken_out_of_the_film_and_written_anew(world: World) -> None:
    assert world.text(world.film()).endswith("a &lt; b\n")
    ((name, arguments, limit, deadline),) = world.extracts.made
    assert "0:2" in arguments
    assert (limit, deadline) == (MAX_TEXT, DEADLINE)
    assert name == "subtitles 2"


def test_all_that_ask_at_the_same_time_get_the_same_run(world: World) -> None:
    world.extracts.go = Deferred()
    asked = [world.webvtt(world.film(), client) for client in "aab"]
    assert len(world.extracts.made) == 1
    world.extracts.go.callback(None)
    world.machine.advance(0)
    assert len({result_of(one) for one in asked}) == 1
    world.text(world.film())
    assert len(world.extracts.made) == 1


def test_a_film_that_nobody_waits_for_any_more_is_not_read_to_its_end(world: World) -> None:
    world.extracts.go = Deferred()
    asked = [world.webvtt(world.film()) for _ in range(2)]
    for one in asked:
        one.addErrback(lambda failure: failure.trap(CancelledError))
    asked[0].cancel()
    world.machine.advance(0)
    assert not world.extracts.cancelled
    asked[1].cancel()
    world.machine.advance(0)
    assert world.extracts.cancelled == 1


def test_a_file_beside_it_needs_no_program(world: World) -> None:
    assert world.text(world.beside("1\n00:00:01,000 --> 00:00:02,000\nПривет\n".encode("cp1251"))).endswith("Привет\n")
    assert not world.extracts.made


def test_what_is_kept_is_found_by_its_key_alone(world: World) -> None:
    assert world.text(world.beside(SRT, key="one")).endswith("a &lt; b\n")
    assert world.text(world.beside(SRT.replace(b"a", b"c"), key="two")).endswith("c &lt; b\n")
    assert world.text(world.beside(b"", key="one")).endswith("a &lt; b\n")


@pytest.mark.parametrize(("charset", "shown"), [(None, "È così"), ("cp1250", "Č cosě")])
def test_the_setting_and_the_language_say_in_which_charset_it_is(
    tmp_path: Path, charset: str | None, shown: str
) -> None:
    world = new(tmp_path, charset)
    data = "1\n00:00:01,000 --> 00:00:02,000\nÈ così\n".encode("cp1252")
    assert world.text(world.beside(data, language="it")).endswith(f"{shown}\n")


def test_one_that_is_being_written_is_not_taken_for_whole(world: World) -> None:
    """It would be kept for a year, under the version of before."""
    source = world.beside(SRT)
    with (world.root / "a.srt").open("ab") as file:
        file.write(b"more")
    with pytest.raises(Unavailable):
        world.text(source)
    os.unlink(world.root / "a.srt")
    with pytest.raises(NotFound):
        world.text(source)


@pytest.mark.parametrize(
    ("data", "stderr", "whole"),
    [
        (SRT, "", True),
        (SRT, "Unsupported encoding type", True),
        (b"1\n00:00:01,000 --> 00:00:02,000\nx\x9cK\x0f\x01\n", "[in#0] Unsupported encoding type", False),
    ],
)
def test_text_that_ffmpeg_could_not_decompress_is_refused(world: World, data: bytes, stderr: str, whole: bool) -> None:
    """It says so, and succeeds."""
    world.extracts.data, world.extracts.stderr = data, stderr
    if whole:
        assert world.text(world.film())
    else:
        with pytest.raises(NotMedia, match="compressed"):
            world.text(world.film())


def test_a_failure_is_told_and_not_kept(world: World) -> None:
    world.extracts.problem = TranscodeFailed("no", "Unsupported encoding type")
    with pytest.raises(NotMedia, match="compressed"):
        world.text(world.film())
    world.extracts.problem = TranscodeFailed("no", "something else")
    with pytest.raises(TranscodeFailed):
        world.text(world.film())
    world.extracts.problem = None
    assert world.text(world.film())


def test_as_they_are(world: World) -> None:
    data = b"\xef\xbb\xbf" + SRT
    assert world.as_it_is(world.beside(data)) == data
    assert world.as_it_is(world.beside("Привет".encode("cp1251"), key="other")) == "Привет".encode()
    assert world.as_it_is(world.film(key="film")) == SRT


def test_images_are_not_text(world: World) -> None:
    world.extracts.data, world.extracts.stderr = b"PG\x00\xff", "Unsupported encoding type"
    assert world.as_it_is(world.film(IMAGES)) == b"PG\x00\xff"
    assert world.extracts.made[0][2] == MAX_IMAGES


def test_an_attached_file(world: World) -> None:
    world.extracts.data, world.extracts.stderr = b"\x00\x01font", "Unsupported encoding type"
    for _ in range(2):
        asked = Deferred.fromCoroutine(world.subtitles.attachment(world.film().file, Attachment(7, 0, "a.ttf"), "a"))
        assert result_of(asked) == b"\x00\x01font"
    assert len(world.extracts.made) == 1
    assert "-dump_attachment:7" in world.extracts.made[0][1]
