"""What is drawn: made once, with the fonts of the film, and given at a descriptor that is closed again."""

import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import cast

import attrs
import pytest
from twisted.internet.defer import Deferred

from tests.plan.examples import MEDIA
from tests.run.fakes import Machine, NoDisk, open_descriptors, result_after_turn
from transcoded.plan.errors import NotMedia, TranscodeFailed
from transcoded.plan.media.probe import Attachment, SubtitleStream
from transcoded.run.files.library import Library, MediaFile
from transcoded.run.media import burn_in
from transcoded.run.media.burn_in import BurnIns
from transcoded.run.media.subtitles import Subtitles, SubtitleSource
from transcoded.run.reactor import as_reactor

ASS = SubtitleStream(2, 0, "ass", text=True)
SRT = SubtitleStream(2, 0, "subrip", text=True)
PGS = SubtitleStream(3, 0, "hdmv_pgs_subtitle", text=False)
EVENT = "[Events]\nFormat: Start, End, Text\nDialogue: 0:00:10.00,0:00:20.00,a\n"
FONTS = (
    Attachment(5, 0, "a.ttf", "application/x-truetype-font", "ttf", 4),
    Attachment(6, 1, "cover.jpg", "image/jpeg", "mjpeg", 4),
    Attachment(7, 2, "b.OTF", "application/octet-stream", None, 4),
    Attachment(8, 3, "broken.ttf", "font/ttf", "ttf", 4),
)


@attrs.define
class FakeSubtitles:
    """Subtitles without ffmpeg."""

    text: str = EVENT
    pictures: bytes = b"PG pictures"
    problem: Exception | None = None
    made: list[str] = attrs.Factory(list)

    async def script(self, source: SubtitleSource, client: str) -> str:
        self.made.append("script")
        if self.problem is not None:
            raise self.problem
        return self.text

    async def images(self, source: SubtitleSource, client: str) -> bytes:
        self.made.append("images")
        return self.pictures

    async def attachment(self, file: MediaFile, attachment: Attachment, client: str) -> bytes:
        self.made.append(attachment.filename or "")
        if attachment.filename == "broken.ttf":
            raise TranscodeFailed("This could not be made of the file.")
        return b"font"


@attrs.frozen
class World:
    """Burn-ins over a library of one film."""

    root: Path
    machine: Machine
    subtitles: FakeSubtitles
    burn_ins: BurnIns

    def open(self, stream: SubtitleStream, offset: float = 0.0) -> bytes | None:
        """What ffmpeg would read; None if it gets nothing."""
        file = Library({"films": str(self.root)}).locate("films/a.mkv")
        source = SubtitleSource(file, attrs.evolve(MEDIA, attachments=FONTS), stream, None, f"{stream.codec}")

        async def open_made() -> AbstractContextManager[int | None]:
            return await self.burn_ins.open(await self.burn_ins.make(source, "a"), offset)

        opened = result_after_turn(self.machine, Deferred.fromCoroutine(open_made()))
        if isinstance(opened, Exception):
            raise opened
        with cast("AbstractContextManager[int | None]", opened) as fd:
            return None if fd is None else os.pread(fd, 1 << 20, 0)


@pytest.fixture
def world(tmp_path: Path) -> World:
    (tmp_path / "a.mkv").write_bytes(b"a film")
    machine, subtitles = Machine(), FakeSubtitles()
    burn_ins = BurnIns(as_reactor(machine), cast(Subtitles, subtitles), NoDisk())
    return World(tmp_path.resolve(), machine, subtitles, burn_ins)


def test_a_script_has_its_times_and_the_fonts_of_its_film(world: World) -> None:
    before = open_descriptors()
    data = world.open(ASS, 15.0)
    assert data is not None
    assert b"Dialogue: -1:59:55.00,0:00:05.00,a\n\n[Fonts]\nfontname: font0_0.ttf\n" in data
    assert data.count(b"fontname:") == 2, "one that cannot be had is left out"
    assert open_descriptors() == before


def test_it_is_made_once_for_all_starts(world: World) -> None:
    world.open(ASS)
    world.open(ASS, 3.0)
    assert world.subtitles.made == ["script", "a.ttf", "b.OTF", "broken.ttf"]


def test_text_of_other_kinds_needs_no_fonts_of_the_film(world: World) -> None:
    assert world.open(SRT) == EVENT.encode()
    assert world.subtitles.made == ["script"]


def test_fonts_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(burn_in, "MAX_FONT_BYTES", 6)
    data = world.open(ASS)
    assert data is not None
    assert data.count(b"fontname:") == 1


def test_images_are_as_they_are_at_any_start(world: World) -> None:
    assert world.open(PGS, 15.0) == b"PG pictures"


def test_without_images_there_is_nothing_to_draw(world: World) -> None:
    world.subtitles.pictures = b""
    assert world.open(PGS) is None


def test_a_failure_is_told_and_not_kept(world: World) -> None:
    world.subtitles.problem = NotMedia("It is compressed.")
    with pytest.raises(NotMedia):
        world.open(SRT)
    world.subtitles.problem = None
    assert world.open(SRT) is not None
