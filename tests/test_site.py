"""All routes together: each is there, behind one guard, and in one description."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_twisted

from tests.support.programs import idle_programs
from tests.web.server import Server, reactor
from transcoded.config import Settings
from transcoded.engine import build_engine
from transcoded.host import Host
from transcoded.site import build_site

SECRET = "s" * 32
ADMIN = {"Authorization": f"Bearer {SECRET}"}


@pytest.fixture
def media(tmp_path: Path) -> Path:
    directory = tmp_path / "films"
    directory.mkdir()
    (directory / "notes.txt").write_text("a file", encoding="utf-8")
    return directory


@asynccontextmanager
async def served(media: Path, drained: list[bool], *keys: str) -> AsyncIterator[Server]:
    """The site of a daemon with these keys, on a port."""
    idle = idle_programs(media.parent)
    settings = Settings(
        media=(f"films={media}",), state_dir="off", api_key=keys, ffmpeg=idle.ffmpeg, ffprobe=idle.ffprobe
    )
    host = Host.open(settings)
    engine = build_engine(reactor, host)
    server = Server(build_site(engine, lambda: drained.append(True)))
    try:
        yield server
    finally:
        await server.close()
        engine.threads.stop()
        host.close()


@pytest_twisted.ensureDeferred
async def test_each_module_of_routes_is_there(media: Path) -> None:
    async with served(media, []) as server:
        for path in (
            "/",
            "/healthz",
            "/readyz",
            "/metrics",
            "/api/openapi.json",
            "/api/v1/session",
            "/api/v1/library/",
            "/api/v1/streams",
            "/api/v1/endings",
            "/media/films/notes.txt",
        ):
            assert (await server.ask(path)).status == 200, path
        # The file has neither picture nor sound. A route that was missing would answer 404.
        for name in ("thumbnail.jpg", "stream.mp4", "probe.json", "master.m3u8", "manifest.mpd"):
            (await server.ask(f"/media/films/notes.txt/{name}")).problem(415)
        (await server.ask("/nowhere")).problem(404)


@pytest_twisted.ensureDeferred
async def test_the_description_has_the_routes_of_all_modules(media: Path) -> None:
    async with served(media, []) as server:
        paths = set((await server.ask("/api/openapi.json")).json["paths"])
    assert {"/healthz", "/metrics", "/api/v1/events", "/api/v1/sign", "/api/v1/streams", "/api/v1/drain"} <= paths
    media_routes = {path for path in paths if path.startswith("/media/")}
    for ending in ("/thumbnail.jpg", "/probe.json", "/master.m3u8"):
        assert any(path.endswith(ending) for path in media_routes), (ending, sorted(media_routes))


@pytest_twisted.ensureDeferred
async def test_one_guard_is_in_front_of_all(media: Path) -> None:
    async with served(media, [], f"boss:admin={SECRET}") as server:
        for path in ("/metrics", "/api/v1/streams", "/api/v1/library/", "/media/films/notes.txt"):
            (await server.ask(path)).problem(401)
            assert (await server.ask(path, headers=ADMIN)).status == 200, path
        for path in ("/", "/healthz", "/api/openapi.json"):
            assert (await server.ask(path)).status == 200, path


@pytest_twisted.ensureDeferred
async def test_a_request_to_drain_calls_what_was_given(media: Path) -> None:
    drained: list[bool] = []
    async with served(media, drained) as server:
        assert (await server.ask("/api/v1/drain", "POST")).status == 202
    assert drained == [True]
