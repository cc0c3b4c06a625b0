"""A film for a guest: one URL opens it, with all that its player asks for; nothing else opens, and no log gives it away."""

import re
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from tests.support.clips import Clips
from tests.support.daemon import LiveDaemon, Response, media_url

ADMIN, READER = "boss-secret-0123456789", "reader-secret-0123456789"
BOSS = {"Authorization": f"Bearer {ADMIN}"}
TV = {"Authorization": f"Bearer {READER}"}
KEYS = ("--api-key", f"boss={ADMIN}", "--api-key", f"tv:read={READER}", "--signing-key", "sixteen letters or more")


@pytest.fixture
def guarded(clips: Clips, tmp_path: Path) -> LiveDaemon:
    return LiveDaemon(tmp_path / "daemon", {"m": clips.directory}, *KEYS)


def sign(daemon: LiveDaemon, path: str) -> str:
    answer = daemon.post("/api/v1/sign", f'{{"path": "{path}", "expires_in": 600}}', BOSS)
    assert answer.status == 200
    url: str = answer.json()["url"]
    return url


def urls(playlist: str, text: str) -> list[str]:
    """The URLs in an HLS playlist or a DASH manifest, from the root of the server."""
    found = re.findall(r'URI="([^"]+)"', text) + [line for line in text.splitlines() if line and line[0] not in "#<"]
    return [urljoin(playlist, one) for one in found]


def test_one_signed_url_opens_a_film_with_all_its_parts_and_nothing_else(guarded: LiveDaemon, clips: Clips) -> None:
    with guarded as daemon:
        name, other = f"m/{clips.film.name}", f"m/{clips.song.name}"
        url = sign(daemon, name)
        query = urlsplit(url).query
        assert daemon.get(media_url(name)).status == 401
        assert daemon.get(url).body == clips.film.path.read_bytes()

        def opened(target: str) -> Response:
            answer = daemon.get(target)
            assert answer.status == 200, f"{target}: {answer.status} {answer.body[:300]!r}"
            return answer

        for part in ("/probe.json", "/thumbnail.jpg", "/manifest.mpd", "/stream.mp3"):
            opened(media_url(name, f"{part}?{query}"))
        master = media_url(name, f"/master.m3u8?{query}")
        lists = urls(master, opened(master).body.decode())
        assert lists
        for media in lists:
            parts = urls(media, opened(media).body.decode())
            assert parts
            for part in parts[:2]:
                opened(part)
            # The same without its signature, and the signature on another film's.
            assert daemon.get(urlsplit(media).path).status == 401
            assert daemon.get(media.replace(clips.film.name, clips.song.name)).status == 401
        mpd = daemon.get(media_url(name, f"/manifest.mpd?{query}")).body.decode()
        assert query.partition("signature=")[2] in mpd
        for target in (media_url(other), "/api/v1/streams", "/api/v1/library/", "/metrics", "/api/v1/events"):
            assert daemon.get(f"{target}?{query}").status == 401
        assert daemon.request("POST", f"/api/v1/drain?{query}").status == 401
        secrets = (query.partition("signature=")[2], ADMIN, READER, "signature=")
        assert not [secret for secret in secrets if secret in daemon.log()]


def test_a_browser_signs_in_and_out_and_nothing_of_it_is_in_the_log(guarded: LiveDaemon) -> None:
    with guarded as daemon:
        assert daemon.get("/").status == 200, "the page is what one signs in on"
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        assert daemon.post("/login", "key=wrong-secret-9", form).status == 401
        answer = daemon.post("/login", f"key={READER}", form)
        cookie = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
        assert daemon.request("GET", "/api/v1/streams", cookie).status == 200
        assert daemon.request("POST", "/api/v1/drain", cookie).status == 403
        assert daemon.request("GET", "/api/v1/session", cookie).json() == {
            "role": "read",
            "via": "cookie",
            "name": "tv",
        }
        assert daemon.request("POST", "/logout").status == 204
        for secret in (READER, "wrong-secret-9", cookie["Cookie"].partition("=")[2]):
            assert secret not in daemon.log()


def test_the_leak_gauge_is_0_with_streams_and_without(guarded: LiveDaemon, clips: Clips) -> None:
    def gauges() -> dict[str, str]:
        text = daemon.get("/metrics", TV).body.decode()
        return dict(re.findall(r"^(transcoded_processes\w*) (\S+)$", text, re.MULTILINE))

    with guarded as daemon:
        assert gauges() == {"transcoded_processes": "0.0", "transcoded_processes_leaked": "0.0"}
        url = sign(daemon, f"m/{clips.long.name}")
        viewer = daemon.open(url.replace("?", "/stream.wav?"), receive_buffer=4096)
        assert viewer.recv(12) == b"HTTP/1.1 200"
        assert gauges() == {"transcoded_processes": "1.0", "transcoded_processes_leaked": "0.0"}
        viewer.close()
