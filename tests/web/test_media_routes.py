"""From a URL to a file: a file that is hidden by a route's name cannot be played, and a wrong signature opens another's."""

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import attrs
import msgspec
import pytest
import pytest_twisted
from twisted.web.server import Request

from tests.web.conftest import Serve
from tests.web.server import NOW, SUBKEYS, Server, new_guard
from transcoded.plan.http.signed_urls import signed_query
from transcoded.run.files.library import Library, MediaFile
from transcoded.web.answers import json_body, sent
from transcoded.web.media_routes import MediaRoutes
from transcoded.web.route import MEDIA, route, routes

FILES = (
    "movie.mp4",
    "thumbnail.jpg",
    "master.m3u8",
    "manifest.mpd",
    "probe.json",
    "stream.mp4",
    "cmaf/movie.mp4",
    "cmaf/720p/movie.mp4",
    "cmaf/leave",
    "subtitles/0.vtt",
    "subtitles/movie.mkv",
    "show/stream.mp4",
    "show/thumbnail.jpg/movie.mp4",
    "line\nbreak/stream.mp4",
)
ENDS = {
    "probe.json": {},
    "stream.webm": {"name": "webm"},
    "master.m3u8": {},
    "thumbnail.jpg": {},
    "cmaf/v720/3.m4s": {"rendition": "v720", "name": "3.m4s"},
    "subtitles/2.vtt": {"name": "2"},
    "attachments/4": {"number": "4"},
    "storyboard/1.jpg": {"sheet": "1"},
    "plan": {},
}


def tell(what: str, file: MediaFile, **names: str) -> bytes:
    return msgspec.json.encode({"route": what, "file": file.path, "names": names})


class Routes:
    """One route of each form, those of the next edition too: each says what it was asked."""

    @route(MEDIA, answers=sent("*/*"))
    async def file(self, request: Request, file: MediaFile) -> bytes:
        return json_body(request, tell("file", file))

    @route(f"{MEDIA}/probe.json", answers=sent("*/*"))
    async def probe(self, request: Request, file: MediaFile) -> bytes:
        return json_body(request, tell("probe.json", file))

    @route(f"{MEDIA}/master.m3u8", answers=sent("*/*"))
    async def master(self, request: Request, file: MediaFile) -> bytes:
        return json_body(request, tell("master.m3u8", file))

    @route(f"{MEDIA}/thumbnail.jpg", answers=sent("*/*"))
    async def thumbnail(self, request: Request, file: MediaFile) -> bytes:
        return json_body(request, tell("thumbnail.jpg", file))

    @route(f"{MEDIA}/stream.<name>", answers=sent("*/*"))
    async def stream(self, request: Request, file: MediaFile, name: str) -> bytes:
        return json_body(request, tell("stream.webm", file, name=name))

    @route(f"{MEDIA}/cmaf/<rendition>/<name>", answers=sent("*/*"))
    async def part(self, request: Request, file: MediaFile, rendition: str, name: str) -> bytes:
        return json_body(request, tell("cmaf/v720/3.m4s", file, rendition=rendition, name=name))

    @route(f"{MEDIA}/cmaf/leave", methods=("POST",), answers=sent("*/*"))
    async def leave(self, request: Request, file: MediaFile) -> bytes:
        return json_body(request, tell("leave", file))

    @route(f"{MEDIA}/subtitles/<name>.vtt", answers=sent("*/*"))
    async def subtitles(self, request: Request, file: MediaFile, name: str) -> bytes:
        return json_body(request, tell("subtitles/2.vtt", file, name=name))

    @route(f"{MEDIA}/attachments/<number>", answers=sent("*/*"))
    async def attachment(self, request: Request, file: MediaFile, number: str) -> bytes:
        return json_body(request, tell("attachments/4", file, number=number))

    @route(f"{MEDIA}/storyboard/<sheet>.jpg", answers=sent("*/*"))
    async def storyboard(self, request: Request, file: MediaFile, sheet: str) -> bytes:
        return json_body(request, tell("storyboard/1.jpg", file, sheet=sheet))

    @route(f"{MEDIA}/plan", methods=("GET", "HEAD", "POST"), answers=sent("*/*"))
    async def plan(self, request: Request, file: MediaFile) -> bytes:
        return json_body(request, tell("plan", file))


@attrs.define
class Disk:
    """The files, and what was asked for."""

    library: Library
    asked: list[Sequence[str]] = attrs.Factory(list)

    async def locate(self, paths: Sequence[str]) -> MediaFile:
        self.asked.append(paths)
        return self.library.locate_first(paths)


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    os.mkfifo(tmp_path / "fifo")
    return Disk(Library({"L": str(tmp_path)}))


KEY = "a-secret-of-the-boss"


@pytest.fixture
def guarded(serve: Serve, disk: Disk) -> Server:
    """Signed URLs open it."""
    return serve(Routes(), guard=new_guard(KEY), locate=disk.locate)


@pytest.fixture
def server(serve: Serve, disk: Disk) -> Server:
    """Open to everybody."""
    return serve(Routes(), locate=disk.locate)


def signed(path: str) -> str:
    return signed_query(SUBKEYS.urls, path, int(NOW) + 60)


@pytest.mark.parametrize("name", FILES)
@pytest_twisted.ensureDeferred
async def test_a_real_file_wins_whatever_it_is_called(server: Server, disk: Disk, name: str) -> None:
    answer = await server.ask(f"/media/L/{quote(name)}")
    assert answer.json == {"route": "file", "file": f"L/{name}", "names": {}}
    assert len(disk.asked) == 1
    assert (await server.ask(f"/media/L/{quote(name)}", "HEAD")).status == 200


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("end", ENDS)
@pytest_twisted.ensureDeferred
async def test_and_everything_can_be_asked_of_it(server: Server, disk: Disk, name: str, end: str) -> None:
    answer = await server.ask(f"/media/L/{quote(name)}/{end}")
    assert answer.json == {"route": end, "file": f"L/{name}", "names": ENDS[end]}
    assert len(disk.asked) == 1


@pytest.mark.parametrize("name", FILES)
@pytest_twisted.ensureDeferred
async def test_the_signature_of_the_file_that_is_meant_opens_it_and_no_other_does(guarded: Server, name: str) -> None:
    for end in ("", *(f"/{end}" for end in ENDS)):
        url = f"/media/L/{quote(name)}{end}"
        for method in ("GET", "HEAD"):
            assert (await guarded.ask(f"{url}?{signed(f'L/{name}')}", method)).status == 200
            for other in (f"L/{name}/x", "L/other.mp4", "L"):
                assert (await guarded.ask(f"{url}?{signed(other)}", method)).status in {401, 404}
            assert (await guarded.ask(url, method)).status == 401
        assert (await guarded.ask(url, headers={"Authorization": f"Bearer {KEY}"})).status == 200


@pytest_twisted.ensureDeferred
async def test_who_may_not_is_refused_before_the_disk_is_asked(guarded: Server, disk: Disk) -> None:
    for path in ("L/movie.mp4", "L/nothing.mp4", "L/movie.mp4/stream.mp4", "L/show/stream.mp4", "L/fifo"):
        for query in ("", f"?{signed('L/other.mp4')}"):
            (await guarded.ask(f"/media/{path}{query}")).problem(401)
    assert disk.asked == []


@pytest_twisted.ensureDeferred
async def test_the_signature_of_a_folder_does_not_tell_what_is_in_it(guarded: Server) -> None:
    """A file may have become a folder since its URL was signed."""
    there = await guarded.ask(f"/media/L/show/stream.mp4?{signed('L/show')}")
    not_there = await guarded.ask(f"/media/L/show/stream.mkv?{signed('L/show')}")
    assert there.problem(404)["detail"] == not_there.problem(404)["detail"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("L", 404),
        ("L/show", 404),
        ("L/show/thumbnail.jpg", 404),
        ("L/show/probe.json", 404),
        ("L/nothing.mp4", 404),
        ("L/nothing.mp4/stream.mp4", 404),
        ("L/movie.mp4/nothing", 404),
        ("L/movie.mp4/cmaf/a/b/c", 404),
        ("L/fifo", 415),
        ("L/fifo/stream.mp4", 415),
    ],
)
@pytest_twisted.ensureDeferred
async def test_where_no_file_is_meant(server: Server, guarded: Server, path: str, status: int) -> None:
    (await server.ask(f"/media/{path}")).problem(status)
    (await guarded.ask(f"/media/{path}", headers={"Authorization": f"Bearer {KEY}"})).problem(status)


@pytest_twisted.ensureDeferred
async def test_methods(server: Server, disk: Disk) -> None:
    leave = await server.ask("/media/L/movie.mp4/cmaf/leave", "POST")
    assert leave.json == {"route": "leave", "file": "L/movie.mp4", "names": {}}
    # A real file of that name is no route.
    answer = await server.ask("/media/L/cmaf/leave", "POST")
    answer.problem(405)
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
    answer = await server.ask("/media/L/movie.mp4/cmaf/leave")
    answer.problem(405)
    assert answer.headers["allow"] == "OPTIONS, POST"
    asked = len(disk.asked)
    for method, status in (("PUT", 405), ("DELETE", 405), ("OPTIONS", 204)):
        answer = await server.ask("/media/L/movie.mp4", method)
        assert (answer.status, answer.headers["allow"]) == (status, "GET, HEAD, OPTIONS")
    assert len(disk.asked) == asked


def test_the_longest_path_is_looked_for_first() -> None:
    found = MediaRoutes(routes(Routes())).candidates("L/cmaf/subtitles/0.vtt")
    assert [one.path for one in found] == ["L/cmaf/subtitles/0.vtt", "L/cmaf", "L"]
