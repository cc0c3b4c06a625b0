"""HAProxy and nginx before two nodes: what a viewer gets, who works for whom, and what happens when a node goes."""

import re
import shutil
import signal
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote, urljoin

import pytest

from tests.deploy.fronts import DEPLOY, Farm, Node, children_of_playlist, needs
from tests.support.clips import Clips, sound_seconds
from tests.support.daemon import PATIENCE, read_head, read_response, reset, until
from transcoded.config import Settings

ENDLESS = "/media/m/long.mkv/stream.wav"
HELD_SECONDS = 900
HELD = f"{ENDLESS}?duration={HELD_SECONDS}"
"""79 MB: more than all the buffers on the way hold, so that it does not come to its end before it is read."""


def test_a_stream_arrives_whole(farm: Farm) -> None:
    response = farm.get("/media/m/old.avi/stream.mp4")
    assert response.status == 200
    assert response.complete
    assert sound_seconds(response.body, "mp4") == pytest.approx(3, abs=0.2)
    farm.node_of(response.headers["x-stream-id"]).quiet()


def test_what_belongs_to_one_film_meets_on_one_node(farm: Farm, clips: Clips) -> None:
    """Else each node would transcode the same film again for its part of the segments."""
    # The directory is shared with whoever tests the other proxy.
    name = f"a {farm.front} film's cut ü.mp4"
    shutil.copy(clips.film.path, clips.directory / name)
    base = f"/media/m/{quote(name)}/"
    master = farm.get(f"{base}master.m3u8")
    assert master.status == 200
    for playlist in children_of_playlist(master.body.decode())[:2]:
        url = urljoin(base, playlist)
        children = farm.get(url)
        assert children.status == 200
        for child in children_of_playlist(children.body.decode())[:2]:
            assert farm.get(urljoin(url, child)).status == 200
    for other in ("probe.json", "manifest.mpd", "thumbnail.jpg"):
        assert farm.get(base + other).status == 200
    assert farm.request("POST", f"{base}cmaf/leave", {}).status == 204
    # However it is written.
    assert farm.get(f"{base.replace('film', '%66il%6D')}probe.json").status == 200
    counts = sorted(node.asked("cut%20%C3%BC.mp4/") for node in farm.nodes)
    assert counts[0] == 0, "several nodes work on one film"
    assert counts[1] >= 11
    # And the films are shared out.
    for number in range(40):
        assert farm.get(f"/media/m/none-{number}.mp4/probe.json").status == 404
    assert all(node.asked("/none-") for node in farm.nodes), "one node does it all"


def test_a_viewer_who_leaves_ends_the_transcoder(farm: Farm) -> None:
    for leave in (lambda connection: connection.close(), reset):
        connection = farm.open(ENDLESS)
        status, headers, _ = read_head(connection)
        assert status == 200
        node = farm.node_of(headers["x-stream-id"])
        leave(connection)
        assert node.ending(headers["x-stream-id"])["reason"] == "client-gone"
        node.quiet()


def test_a_viewer_who_pauses_and_then_leaves_ends_it_too(farm: Farm) -> None:
    """The transcoder is held up by then, and nothing is being sent that could fail."""
    connection = farm.open(ENDLESS, receive_buffer=8192)
    _, headers, _ = read_head(connection)
    stream = headers["x-stream-id"]
    node = farm.node_of(stream)
    until(lambda: [one for one in node.live() if one["id"] == stream and one["backpressured"]], "back-pressure")
    connection.close()
    assert node.ending(stream)["reason"] == "client-gone"
    node.quiet()


def test_the_page_may_act_and_a_foreign_page_may_not(farm: Farm) -> None:
    body = b'{"path": "m/film.mp4", "expires_in": 60}'
    kind = {"Content-Type": "application/json"}
    own = farm.request("POST", "/api/v1/sign", {**kind, "Origin": "http://media.example"}, body)
    assert own.status == 200, own.body
    assert own.json()["url"].startswith("/media/m/film.mp4?")
    prefixed = farm.request("POST", "/api/v1/sign", {**kind, "X-Forwarded-Prefix": "/evil"}, body)
    assert prefixed.json()["url"].startswith("/media/m/film.mp4?")
    farm.request("POST", "/api/v1/sign", {**kind, "Origin": "https://evil.example"}, body).problem(403)
    # The proxy says by which scheme the client has come, and nobody else.
    forged = {**kind, "Origin": "https://media.example", "X-Forwarded-Proto": "https"}
    farm.request("POST", "/api/v1/sign", forged, body).problem(403)
    farm.request("POST", "/api/v1/sign", {**kind, "Host": "evil.example"}, body).problem(421)


@pytest.mark.parametrize("inner", ["/metrics", "/api/v1/drain"])
def test_what_is_about_one_node_is_out_of_reach_however_it_is_written(farm: Farm, inner: str) -> None:
    last = inner.rpartition("/")[2]
    for variant in (
        *(inner, f"{inner}/", f"/{inner}", f"{inner}//", f"{inner};a=b", f"{inner}/.", f"/.{inner}", f"/x/..{inner}"),
        *(
            f"/media/..{inner}",
            f"/media/a/%2e%2e/%2e%2e{inner}",
            f"/media/%2e.%2f{inner[1:]}",
            f"{inner}%2f",
            f"{inner}?a",
        ),
        *(f"{inner[:-1]}%{ord(inner[-1]):02x}", f"/%{ord(inner[1]):02X}{inner[2:]}", inner.upper(), f"{inner}%00"),
        *(f"{inner.removesuffix(last)}/{last}", f"{inner.removesuffix(last)}./{last}", inner.replace("/", "%2f")),
        *(f"http://media.example{inner}", f"http://media.example/{inner}"),
    ):
        for method in ("GET", "POST"):
            # 400, 405: the proxy or the node takes it for something else.
            answer = farm.request(method, variant, {})
            assert answer.status in {400, 404, 405}, (variant, answer)
    for node in farm.nodes:
        assert "/metrics 200" not in node.log()
        assert "/api/v1/drain 202" not in node.log()
        assert node.process.poll() is None


def test_a_large_body_does_not_reach_a_node(farm: Farm) -> None:
    for length in ("65537", "1000000000000", "9" * 30):
        with farm.connect() as connection:
            head = f"POST /api/v1/sign HTTP/1.1\r\nHost: media.example\r\nContent-Length: {length}\r\n\r\n"
            connection.sendall(head.encode())
            assert read_response(connection).status in {400, 413}
    assert not any("413: The body" in node.log() for node in farm.nodes)


def test_no_signature_is_in_a_log_of_the_proxy(farm: Farm) -> None:
    assert farm.get("/media/m/film.mp4?expires=1&signature=5ecre7").status in {200, 401}
    until(lambda: "/media/m/film.mp4" in farm.log(), "the request is logged")
    assert "5ecre7" not in farm.log()


def test_the_node_knows_who_asks(farm: Farm) -> None:
    """By the PROXY protocol, or by a header that the viewer himself cannot make up."""
    with farm.open(
        "/media/m/film.mp4/stream.wav", source="127.0.0.77", headers="X-Forwarded-For: 192.0.2.1\r\n"
    ) as connection:
        response = read_response(connection)
    stream = response.headers["x-stream-id"]
    assert farm.node_of(stream).ending(stream)["client"] == "127.0.0.77"


@pytest.mark.parametrize("front", ["haproxy"], indirect=True, scope="module")  # nginx asks no node for its health
def test_no_node_is_taken_for_dead(farm: Farm) -> None:
    """The health checks understand what healthy nodes answer."""
    for node in farm.nodes:
        until(lambda node=node: node.log().count("GET /readyz 200") > 2, "health checks were answered")  # type: ignore[misc]
    assert " is DOWN" not in farm.log()


def test_a_node_dies_during_playback(front: str, clips: Clips, tmp_path: Path) -> None:
    with Farm(front, clips.directory, tmp_path) as farm, farm.open(ENDLESS, receive_buffer=8192) as connection:
        dying = farm.node_of(_stream_of(connection))
        left = farm.other(dying)
        film = next(f"/none-{number}.mp4/" for number in range(60) if _is_at(farm, f"/none-{number}.mp4/", dying))
        dying.expected_status = -signal.SIGKILL
        dying.process.kill()
        dying.process.wait()
        # At once: no health check has noticed.
        assert farm.get(f"/media/m{film}probe.json").status == 404
        assert left.asked(film)
        for _ in range(3):
            assert farm.get("/media/m/old.avi/stream.mp3").complete
        cut = read_response(connection)
        assert cut.status == 200
        assert cut.body
        assert not cut.complete, "a stream that was cut short looks whole"
        left.quiet()
        until(lambda: not dying.census(), "the dead node's transcoders are gone")


def test_full_and_draining_nodes_are_passed_over(front: str, clips: Clips, tmp_path: Path) -> None:
    limits = ("--max-streams", "1", "--queue-timeout", "1", "--idle-timeout", "1")
    with Farm(front, clips.directory, tmp_path, *limits) as farm, ExitStack() as stack:
        held = [stack.enter_context(farm.open(HELD, receive_buffer=8192)) for _ in farm.nodes]
        nodes = [farm.node_of(_stream_of(connection)) for connection in held]
        assert nodes[0] is not nodes[1], "a full node got the second stream"
        # With both full, it is a node that says so, in its own words.
        refused = farm.get(ENDLESS)
        refused.problem(503)
        assert int(refused.headers["retry-after"]) > 0
        if front == "haproxy":
            # Full nodes get no new streams, and keep their films.
            until(lambda: all(f"streams/node-{number} is DOWN" in farm.log() for number in (1, 2)), "seen to be full")
            assert "films/node-" not in "".join(line for line in farm.log().splitlines() if " is DOWN" in line)
            assert farm.get(ENDLESS).problem(503)["detail"]
        held[1].close()
        nodes[1].quiet()
        if front == "haproxy":
            again = f"streams/node-{farm.nodes.index(nodes[1]) + 1} is UP"
            until(lambda: again in farm.log(), "seen to have room again")
        # One drains while its stream runs: the stream comes to its end, new ones go to the other.
        assert nodes[0].request("POST", "/api/v1/drain").status == 202
        for _ in range(2):
            response = farm.get("/media/m/old.avi/stream.mp3")
            assert response.status == 200, response.body
            assert farm.node_of(response.headers["x-stream-id"]) is nodes[1]
        whole = read_response(held[0])
        assert whole.complete, "the draining node cut its stream short"
        assert len(whole.body) > HELD_SECONDS * 44100 * 2
        assert nodes[0].process.wait(PATIENCE) == 0
        nodes[1].quiet()


def test_timeouts_leave_pauses_to_the_daemon() -> None:
    stall = Settings().stall_timeout
    assert stall is not None
    haproxy = (DEPLOY / "haproxy/haproxy.cfg").read_text("utf-8")
    nginx = (DEPLOY / "nginx/nginx.conf").read_text("utf-8")
    for text, name in (
        (haproxy, "timeout client"),
        (haproxy, "timeout server"),
        (nginx, "proxy_read_timeout"),
        (nginx, "send_timeout"),
    ):
        values = [int(value) for value in re.findall(rf"^\s+{name} (\d+)s", text, re.MULTILINE)]
        assert max(values) > stall, name


@pytest.mark.parametrize("program", ["haproxy", "nginx"])
def test_the_files_have_no_fault_by_the_programs_own_check(program: str, tmp_path: Path) -> None:
    if program == "haproxy":
        command = [needs("haproxy"), "-c", "-dW", "-f", str(DEPLOY / "haproxy/haproxy.cfg")]
    else:
        config = tmp_path / "nginx.conf"
        text = (DEPLOY / "nginx/nginx.conf").read_text("utf-8")
        config.write_text(text.replace("/run/", f"{tmp_path}/").replace("/var/log/nginx/", f"{tmp_path}/"))
        command = [needs("nginx"), "-t", "-c", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "warn" not in (done.stderr + done.stdout).lower()


def _stream_of(connection: socket.socket) -> str:
    """The X-Stream-Id of the response that begins to arrive; it is left in the connection."""

    def look() -> "re.Match[bytes] | None":
        return re.search(rb"(?i)\r\nx-stream-id: ([0-9a-f]+)\r\n", connection.recv(4096, socket.MSG_PEEK))

    found = until(look, "the head of a stream")
    assert found is not None
    return found[1].decode()


def _is_at(farm: Farm, film: str, node: Node) -> bool:
    farm.get(f"/media/m{film}probe.json").problem(404)
    return bool(node.asked(film))
