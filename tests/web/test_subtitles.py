"""Subtitles, attached files and chapters over HTTP: what a URL names never changes, and nothing of a film becomes a page."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import attrs
import pytest
import pytest_twisted

from tests.plan.examples import MEDIA
from tests.web.conftest import Serve
from tests.web.server import Server, reactor
from transcoded.plan.media.probe import Attachment, Chapter, Media, SubtitleStream
from transcoded.run.files.async_library import AsyncLibrary
from transcoded.run.files.leases import FileLeases
from transcoded.run.files.library import Library, MediaFile
from transcoded.run.files.opener import FileOpener
from transcoded.run.files.threads import Threads
from transcoded.run.media.extracts import Extracts
from transcoded.run.media.prober import Prober
from transcoded.run.media.subtitles import Subtitles
from transcoded.run.streams.peers import Peers
from transcoded.web.presentations import Presentations
from transcoded.web.subtitles import SubtitleRoutes

SRT = "1\n00:00:01,000 --> 00:00:04,000\n{}\n"
URL = "/media/films/a.mkv"
FILM = attrs.evolve(
    MEDIA,
    subtitles=(
        SubtitleStream(2, 0, "subrip", text=True, language="en"),
        SubtitleStream(3, 1, "hdmv_pgs_subtitle", text=False),
        SubtitleStream(4, 2, "mov_text", text=True),
        SubtitleStream(5, 3, "dvd_subtitle", text=False),
    ),
    attachments=(
        Attachment(6, 0, "Font.TTF", "text/html"),
        Attachment(7, 1, 'e"v\r\n il é.html', "text/html"),
        Attachment(8, 2),
    ),
    chapters=(Chapter(0, 2.5, "Start & go"), Chapter(2.5, 6)),
)


@attrs.define
class FakeProber:
    media: Media = FILM

    async def probe(self, file: MediaFile, client: str = "", patience: float | None = None) -> Media:
        return self.media


@attrs.define
class FakeExtracts:
    """What would come of the film."""

    made: list[Sequence[str]] = attrs.Factory(list)

    def kept(self, file: MediaFile, name: str) -> bytes | None:
        return None

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
        self.made.append(arguments)
        return SRT.format("inside").encode() if "srt" in arguments else b"PG" if "sup" in arguments else b"attached"


@attrs.frozen
class World:
    root: Path
    server: Server
    prober: FakeProber
    extracts: FakeExtracts
    presentations: Presentations
    library: AsyncLibrary

    async def tag(self) -> str:
        """What playlists have as `v`."""
        return (await self.presentations.load(await self.library.locate("films/a.mkv"))).tag

    async def get(self, tail: str, method: str = "GET") -> Any:
        return await self.server.ask(f"{URL}/{tail}", method)


@pytest.fixture
def world(serve: Serve, threads: Threads, tmp_path: Path) -> World:
    (tmp_path / "a.mkv").write_bytes(b"a movie")
    library = AsyncLibrary(Library({"films": str(tmp_path.resolve())}), threads)
    opener = FileOpener(library.library, threads, FileLeases(reactor))
    prober, extracts = FakeProber(), FakeExtracts()
    presentations = Presentations(reactor, library, cast(Prober, prober), ())
    texts = Subtitles(reactor, cast(Extracts, extracts), opener, None)
    routes = SubtitleRoutes(presentations, texts, opener, Peers())
    server = serve(routes, locate=library.locate_first)
    return World(tmp_path, server, prober, extracts, presentations, library)


@pytest.mark.parametrize(
    ("tail", "kind"),
    [
        ("subtitles/0.vtt", "text/vtt; charset=utf-8"),
        ("subtitles/0.srt", "application/x-subrip; charset=utf-8"),
        ("subtitles/1.sup", "application/octet-stream"),
        ("subtitles/2.vtt", "text/vtt; charset=utf-8"),
        ("subtitles/4.vtt", "text/vtt; charset=utf-8"),
        ("subtitles/4.ass", "text/x-ssa; charset=utf-8"),
        ("subtitles/5.sup", "application/octet-stream"),
        ("chapters.vtt", "text/vtt; charset=utf-8"),
        ("attachments/0", "font/ttf"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_what_can_be_had_and_as_what(world: World, tail: str, kind: str) -> None:
    (world.root / "a.ass").write_text("[Events]\n")
    (world.root / "a.sup").write_bytes(b"PG images")
    head, got = await world.get(tail, "HEAD"), await world.get(tail)
    assert (head.status, got.status) == (200, 200)
    assert head.headers["content-type"] == got.headers["content-type"] == kind
    assert "default-src 'none'" in got.headers["content-security-policy"]
    assert got.body


@pytest.mark.parametrize(
    ("tail", "status", "says"),
    [
        ("subtitles/0.ass", 415, "vtt and srt"),
        ("subtitles/1.vtt", 415, "images; it can be had as sup"),
        ("subtitles/2.srt", 415, "can be had as vtt"),
        ("subtitles/3.sup", 415, "cannot be had as a file"),
        ("subtitles/4.vtt", 404, "4 subtitle streams"),
        ("subtitles/00.vtt", 404, "number"),
        ("subtitles/x.vtt", 404, "number"),
        ("subtitles/0.html", 404, "vtt"),
        ("attachments/3", 404, "3 attachments"),
        ("attachments/x", 404, "number"),
        *((f"{tail}?v=nonsense", 410, "changed") for tail in ("subtitles/0.vtt", "subtitles/1.sup", "attachments/0")),
        ("chapters.vtt?v=", 410, "changed"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_what_cannot_is_said_with_the_reason(world: World, tail: str, status: int, says: str) -> None:
    assert says in (await world.get(tail)).problem(status)["detail"]
    assert not world.extracts.made


@pytest_twisted.ensureDeferred
async def test_an_edited_file_is_new_at_once_under_a_new_version(world: World) -> None:
    world.prober.media = MEDIA
    (world.root / "a.en.srt").write_text(SRT.format("before"))
    before = await world.tag()
    shown = await world.get(f"subtitles/0.vtt?v={before}")
    assert b"before" in shown.body
    assert "immutable" in shown.headers["cache-control"]
    (world.root / "a.en.srt").write_text(SRT.format("after!"))
    (await world.get(f"subtitles/0.vtt?v={before}")).problem(410)
    after = await world.tag()
    assert after != before
    shown_then = await world.get(f"subtitles/0.vtt?v={after}")
    assert b"after!" in shown_then.body
    assert shown_then.headers["etag"] != shown.headers["etag"]
    assert b"after!" in (await world.get("subtitles/0.vtt")).body


@pytest_twisted.ensureDeferred
async def test_one_that_is_added_takes_nobodys_place(world: World) -> None:
    world.prober.media = MEDIA
    (world.root / "a.en.srt").write_text(SRT.format("english"))
    before = await world.tag()
    english = await world.get("subtitles/0.vtt")
    (world.root / "a.de.srt").write_text(SRT.format("deutsch"))
    after = await world.tag()
    (await world.get(f"subtitles/0.vtt?v={before}")).problem(410)
    assert b"deutsch" in (await world.get(f"subtitles/0.vtt?v={after}")).body
    moved = await world.get(f"subtitles/1.vtt?v={after}")
    assert moved.body == english.body
    assert moved.headers["etag"] == english.headers["etag"], "it is the same, wherever it stands"
    (world.root / "a.en.srt").unlink()
    (await world.get(f"subtitles/0.vtt?v={after}")).problem(410)
    (await world.get("subtitles/1.vtt")).problem(404)


@pytest_twisted.ensureDeferred
async def test_without_a_version_a_client_must_ask_again(world: World) -> None:
    for tail in ("subtitles/0.vtt", "attachments/0", "chapters.vtt"):
        answer = await world.get(tail)
        assert answer.headers["cache-control"] == "private, no-cache"
        again = await world.server.ask(f"{URL}/{tail}", headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status, again.body) == (304, b"")


@pytest_twisted.ensureDeferred
async def test_files_beside_the_film_are_sent_as_they_are(world: World) -> None:
    (world.root / "a.en.srt").write_bytes(b"\xef\xbb\xbf" + SRT.format("x").encode())
    (world.root / "a.sup").write_bytes(b"PG images")
    assert (await world.get("subtitles/4.srt")).body == b"\xef\xbb\xbf" + SRT.format("x").encode()
    part = await world.server.ask(f"{URL}/subtitles/5.sup", headers={"Range": "bytes=3-"})
    assert (part.status, part.body) == (206, b"images")


@pytest.mark.parametrize(
    ("number", "kind", "name"),
    [
        (0, "font/ttf", "Font.TTF"),
        (1, "application/octet-stream", "e%22v%0D%0A%20il%20%C3%A9.html"),
        (2, "application/octet-stream", "attachment-2"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_an_attached_file_is_a_download(world: World, number: int, kind: str, name: str) -> None:
    """A stranger has written what it claims to be."""
    answer = await world.get(f"attachments/{number}")
    assert answer.headers["content-type"] == kind
    assert answer.headers["content-disposition"] == f"attachment; filename*=UTF-8''{name}"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest_twisted.ensureDeferred
async def test_chapters(world: World) -> None:
    assert b"Start &amp; go" in (await world.get("chapters.vtt")).body
    world.prober.media = MEDIA
    (world.root / "a.mkv").write_bytes(b"another")
    assert (await world.get("chapters.vtt")).body == b"WEBVTT\n"


@pytest_twisted.ensureDeferred
async def test_odd_files_are_empty_tracks(world: World) -> None:
    world.prober.media = MEDIA
    for data in (b"", b"garbage\xff\x00", b"[Script Info]\n"):
        (world.root / "a.en.srt").write_bytes(data)
        answer = await world.get("subtitles/0.vtt")
        assert (answer.status, answer.body) == (200, b"WEBVTT\n")
