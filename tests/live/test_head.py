"""HEAD: a player that asks before it plays decides by the answer. It must be what GET says, on every route, and cost no encoder."""

import socket
from collections.abc import Mapping, Sequence

import pytest

from tests.support.daemon import LiveDaemon, Response, read_head
from tests.test_docs import routes
from transcoded.web.route import Route

# Of each answer, or of each connection.
OWN = {"date", "x-request-id", "x-stream-id", "connection", "transfer-encoding", "content-length"}
# As long as an id that the daemon makes, because a problem document contains it.
OF_HEAD = "head" * 4
ENDLESS = {"/api/v1/events"}
# How long ago something was has more digits a moment later.
OF_NOW = {"/api/v1/viewers"}
NAMES: Mapping[str, Sequence[str]] = {
    "/media/{path}": [
        "/media/m/film.mp4",
        "/media/m/song.mp3",
        "/media/m/none.mp4",
        "/media/m/surround.wav?mimetype=x",
    ],
    "/media/{path}/stream.{name}": [
        "/media/m/film.mp4/stream.mp4?duration=0.2",
        "/media/m/song.mp3/stream.mp4?duration=0.2",
        "/media/m/song.mp3/stream.webm?duration=0.2",
        "/media/m/film.mp4/stream.mp3?duration=0.2",
        "/media/m/silent.mov/stream.mp3",
        "/media/m/film.mp4/stream.avi",
        "/media/m/film.mp4/stream.mp4?mimetype=x",
    ],
    "/media/{path}/probe.json": ["/media/m/tracks.mkv/probe.json", "/media/m/song.mp3/probe.json"],
    "/media/{path}/master.m3u8": ["/media/m/film.mp4/master.m3u8"],
    "/media/{path}/manifest.mpd": ["/media/m/film.mp4/manifest.mpd"],
    "/media/{path}/cmaf/{rendition}/{name}": [
        "/media/m/film.mp4/cmaf/v180/index.m3u8",
        "/media/m/film.mp4/cmaf/a0/init.mp4",
        "/media/m/film.mp4/cmaf/a0/0.m4s",
        "/media/m/film.mp4/cmaf/a0/999.m4s",
    ],
    "/media/{path}/cmaf/s{number}/{name}": [
        "/media/m/tracks.mkv/cmaf/s0/index.m3u8",
        "/media/m/tracks.mkv/cmaf/s0/0.vtt",
        "/media/m/tracks.mkv/cmaf/s0/99.vtt",
    ],
    "/media/{path}/subtitles/{name}.vtt": ["/media/m/tracks.mkv/subtitles/0.vtt", "/media/m/film.mp4/subtitles/0.vtt"],
    "/media/{path}/storyboard.vtt": [
        "/media/m/film.mp4/storyboard.vtt?interval=1",
        "/media/m/song.mp3/storyboard.vtt",
        "/media/m/film.mp4/storyboard.vtt?interval=0",
    ],
    "/media/{path}/storyboard/{name}": [
        "/media/m/film.mp4/storyboard/0.jpg?interval=1",
        "/media/m/film.mp4/storyboard/index.m3u8",
        "/media/m/film.mp4/storyboard/999.jpg",
        "/media/m/song.mp3/storyboard/0.jpg",
    ],
    "/media/{path}/thumbnail.jpg": [
        "/media/m/film.mp4/thumbnail.jpg",
        "/media/m/song.mp3/thumbnail.jpg",
        "/media/m/film.mp4/thumbnail.jpg?time=99",
    ],
    "/api/v1/library/{path}": ["/api/v1/library/m", "/api/v1/library/none"],
    "/api/v1/streams/{stream_id}": ["/api/v1/streams/none"],
    "/api/v1/viewers/{viewing_id}": ["/api/v1/viewers/none"],
    "/api/v1/prepare/{prepare_id}": ["/api/v1/prepare/none"],
    "/static/{name}": ["/static/app.js", "/static/none.js"],
}
"""URLs of the routes that have placeholders."""

# What a further route is asked with.
DEFAULTS = {"{path}": "m/tracks.mkv", "{name}": "0", "{rendition}": "a0", "{number}": "0", "{stream_id}": "none"}

READ = [route for route in routes() if "GET" in route.methods]


def urls(route: Route) -> Sequence[str]:
    url = route.template
    for name, value in DEFAULTS.items():
        url = url.replace(name, value)
    return NAMES.get(route.template, [url])


def get(daemon: LiveDaemon, url: str) -> Response:
    if url not in ENDLESS:
        return daemon.get(url)
    connection: socket.socket = daemon.open(url)
    with connection:
        status, headers, _ = read_head(connection)
    return Response(status, headers, b"")


def told(response: Response) -> Mapping[str, str]:
    return {name: value for name, value in response.headers.items() if name not in OWN}


@pytest.mark.parametrize("route", READ, ids=lambda route: route.template)
def test_head_says_what_get_says(daemon: LiveDaemon, route: Route) -> None:
    for url in urls(route):
        before = daemon.request("HEAD", url, {"X-Request-Id": OF_HEAD})
        assert before.body == b"", url
        assert OF_HEAD not in {one["request_id"] for one in daemon.live()}, f"HEAD {url} has started an encoder"
        got = get(daemon, url)
        after = daemon.request("HEAD", url)
        for head in (before, after):
            assert (head.status, told(head)) == (got.status, told(got)), url
            if url in OF_NOW:
                assert int(head.headers["content-length"]) > 0, url
                continue
            # A length that is not known before something is made may be missing, and is never another one.
            assert head.headers.get("content-length") in {None, got.headers.get("content-length")}, url
            if got.status == 200 and route.template != "/media/{path}/cmaf/{rendition}/{name}":
                assert head.headers.get("content-length") == got.headers.get("content-length"), url
        if url not in OF_NOW:
            assert after.headers.get("content-length") == got.headers.get("content-length"), url
        if "content-length" in got.headers:
            assert int(got.headers["content-length"]) == len(got.body), url
    assert OF_HEAD not in {one["request_id"] for one in daemon.endings()}


@pytest.mark.parametrize(
    "url",
    [
        "/media/m/film.mp4",
        "/media/m/film.mp4/cmaf/a0/0.m4s",
        "/media/m/film.mp4/thumbnail.jpg",
        "/media/m/tracks.mkv/subtitles/0.vtt",
        "/media/m/tracks.mkv/cmaf/s0/0.vtt",
    ],
)
def test_a_client_that_has_it_is_told_so_by_both(daemon: LiveDaemon, url: str) -> None:
    etag = daemon.get(url).headers["etag"]
    got = daemon.get(url, {"If-None-Match": etag})
    head = daemon.request("HEAD", url, {"If-None-Match": etag})
    assert (got.status, head.status) == (304, 304)
    assert told(got) == told(head)
    assert {"etag", "cache-control", "vary"} <= told(got).keys(), "RFC 9110, section 15.4.5"
    assert "content-length" not in got.headers
