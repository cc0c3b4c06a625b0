"""The fuzz of the HTTP surface: requests that are valid in most parts and broken in some, to a real daemon.

Bytes, lines, headers, paths, queries and bodies of all routes, over connections that are kept, cut and pipelined. Every answer must
be a response or a closed connection, none may be a fault of the server, the log may contain no traceback, and `/healthz` must be
answered to the end. It is bounded by time, and repeats the same choices for the same seed.
"""

import http.client
import random
import re
import socket
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Protocol
from urllib.parse import quote

import attrs
import msgspec

CLIENTS = 8
PATIENCE = 30.0
"""Seconds that an answer may take."""

QUIET = 0.3
"""Seconds without a byte, after which no more is expected of a connection."""

_LAST = b"\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

_WORDS = (
    "0 1 -1 4 36 99999999999999999999 1e9 nan inf %00 %0a %2e%2e %2F %ff ../ ./ // ;x ? # & = + é \u202e \x7f \x1b[2J "
    "true null [] {} a.b * off none ' \" < > $() `id` %s {0} file: pipe:1 http://127.0.0.1/ start mode audio v limit path"
).split(" ")


@attrs.define
class Report:
    """What was tried, and what went wrong. `slowest` is the longest answer to a health check, in seconds."""

    tried: Counter[str] = attrs.Factory(Counter)
    answers: Counter[str] = attrs.Factory(Counter)
    slowest: float = 0.0
    faults: list[str] = attrs.Factory(list)

    def add(self, other: "Report") -> None:
        """Add another report to this one."""
        self.tried += other.tried
        self.answers += other.answers
        self.slowest = max(self.slowest, other.slowest)
        self.faults += other.faults


class Daemon(Protocol):
    """The daemon under test."""

    port: int

    def log(self) -> str:
        """All that it has said."""


def fuzz_http(daemon: Daemon, path: str, rng: random.Random, until: float) -> Report:
    """Send requests until then, in seconds of `time.monotonic`, from several clients. `path` is a file of the library."""
    said = len(daemon.log())
    urls = _urls(daemon.port, path)
    seeds = [rng.random() for _ in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        reports = pool.map(lambda seed: _client(daemon.port, urls, random.Random(seed), until), seeds)
    report = Report()
    for one in reports:
        report.add(one)
    if not _is_healthy(daemon.port):
        report.faults.append("no health check is answered at the end")
    log = daemon.log()[said:]
    if "Traceback" in log:
        report.faults.append(f"a traceback: {log[max(0, log.index('Traceback') - 500) :][:3000]}")
    return report


def _client(port: int, urls: Sequence[tuple[str, str]], rng: random.Random, until: float) -> Report:
    report = Report()
    while time.monotonic() < until and len(report.faults) < 5:
        data = _requests(rng, urls)
        try:
            _send(port, data, rng, report)
        except OSError as error:
            report.answers[type(error).__name__] += 1
        report.tried["connections"] += 1
        if report.tried["connections"] % 50 == 0:
            begun = time.monotonic()
            if not _is_healthy(port):
                report.faults.append(f"no health check is answered after {data[:600]!r}")
            report.slowest = max(report.slowest, time.monotonic() - begun)
    return report


def _urls(port: int, path: str) -> Sequence[tuple[str, str]]:
    """A method and a URL of every route, from the daemon's own description of its API."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    with closing(connection):
        connection.request("GET", "/api/openapi.json")
        document = msgspec.json.decode(connection.getresponse().read())
    values = {"path": quote(path), "name": "mp4", "rendition": "a0", "stream_id": "none", "sheet": "0"}
    found = []
    for template, methods in document["paths"].items():
        url = template
        for name, value in values.items():
            url = url.replace(f"{{{name}}}", value)
        # A drain would end the test.
        found += [(method.upper(), url) for method in methods if method in _METHODS and "/drain" not in url]
    return found


_FRAMING = ("Host", "Content-Length", "Transfer-Encoding", "Expect", "Upgrade", "Content-Encoding")
_COLONS = (": ", ": ", ":", " : ", "\t:")
_METHODS = frozenset({"get", "head", "post", "delete", "options", "put", "patch"})
_HEADERS = (
    "Range If-Range If-None-Match If-Match If-Modified-Since Authorization Cookie Origin Referer Sec-Fetch-Site "
    "Sec-Fetch-Mode Sec-Fetch-Dest Content-Type Connection X-Request-Id "
    "X-Forwarded-For X-Forwarded-Proto X-Forwarded-Prefix Last-Event-ID Accept-Encoding"
).split()
_VALUES = (
    'localhost 127.0.0.1 evil.example [::1] localhost:1:2 bytes=0-0 bytes=-1 bytes=5-2,7-9 bytes=x W/"a" * Bearer\u0020x '
    "transcoded_session=x null http://evil.example cross-site same-origin navigate document application/json "
    "multipart/form-data;boundary=x application/x-www-form-urlencoded chunked gzip,chunked 100-continue close upgrade h2c "
    "0 1 70000 1000000000000 -1 +5 0x10 5,5 0-0 https"
).split(" ")


def _requests(rng: random.Random, urls: Sequence[tuple[str, str]]) -> bytes:
    """One or several requests, most of them broken somewhere."""
    data = b"".join(_request(rng, urls) for _ in range(rng.choice((1, 1, 1, 2, 5))))
    if rng.random() < 0.15:
        data = mutated(rng, data)
    return data[: 1 << 20]


def _request(rng: random.Random, urls: Sequence[tuple[str, str]]) -> bytes:
    """One request. On average one of its parts is broken, so that many requests get beyond the first check."""

    def broken(probability: float = 0.12) -> bool:
        return rng.random() < probability

    method, url = rng.choice(urls)
    if broken():
        method = rng.choice(("GET", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "G T", "X" * 300, ""))
    if broken(0.4):
        pairs = [f"{rng.choice(_WORDS)}={rng.choice(_WORDS)}" for _ in range(rng.choice((1, 1, 1, 2, 3, 200)))]
        url += "?" + rng.choice(("&", "&", ";")).join(pairs)
    if broken():
        at = rng.randrange(len(url) + 1)
        url = url[:at] + rng.choice(_WORDS) * rng.choice((1, 1, 2, 3000)) + url[at:]
    lines = [f"{method} {url} HTTP/{rng.choice(('1.0', '2.0', '9', '')) if broken() else '1.1'}"]
    if not broken(0.05):
        lines.append("Host: localhost")
    for _ in range(rng.choice((0, 0, 1, 2, 4)) if not broken(0.02) else 150):
        names = _FRAMING if broken() else _HEADERS
        lines += ["".join((rng.choice(names), rng.choice(_COLONS) if broken() else ": ", rng.choice(_VALUES)))]
    body = b""
    if method in {"POST", "PUT"} or broken(0.05):
        body = _body(rng)
        framing = (f"Content-Length: {len(body)}", "Transfer-Encoding: chunked", "X: y")
        lines.append(rng.choice(framing) if broken(0.3) else framing[0])
    end = "\n" if broken(0.03) else "\r\n"
    return (end.join(lines) + end * 2).encode("utf-8", "surrogatepass") + body


def _body(rng: random.Random) -> bytes:
    return rng.choice(
        (
            b"",
            b"key=x",
            b"key=" + b"x" * 70_000,
            b"a=1&" * 1000,
            b'{"path": "m/film.mp4", "expires_in": 1}',
            b'{"path": "' + b"\\u0000" * 10 + b'"}',
            b"[" * 5000,
            b"5\r\nhello\r\n0\r\n\r\n",
            b"ffffffffffffffff\r\n",
            rng.randbytes(rng.choice((1, 100, 5000))),
        )
    )


def mutated(rng: random.Random, data: bytes) -> bytes:
    """Some bytes are changed, left out, repeated or moved."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        if not changed:
            break
        at = rng.randrange(len(changed))
        match rng.randrange(6):
            case 0:
                changed[at] = rng.randrange(256)
            case 1:
                del changed[at : at + rng.choice((1, 4, 50))]
            case 2:
                changed[at:at] = rng.randbytes(rng.choice((1, 4, 50)))
            case 3:
                changed[at:at] = changed[at : at + 50] * rng.choice((1, 3))
            case 4:
                changed[at] ^= 1 << rng.randrange(8)
            case 5:
                changed[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\r\n\r\n"))
    return bytes(changed)


def _send(port: int, data: bytes, rng: random.Random, report: Report) -> None:
    """Send it over one connection, in one or two pieces, with an honest last request behind it; judge what comes back."""
    data += _LAST
    with closing(socket.create_connection(("127.0.0.1", port), PATIENCE)) as connection:
        cut = rng.randrange(len(data) + 1) if rng.random() < 0.2 else len(data)
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(data[:cut])
            if rng.random() < 0.05:
                return
            connection.sendall(data[cut:])
        answer = bytearray()
        # The daemon may wait for the rest of a request, and a stream or the events go on, as they should.
        connection.settimeout(QUIET)
        with suppress(ConnectionResetError, TimeoutError):
            while len(answer) < 1 << 20 and (block := connection.recv(65536)):
                answer += block
        _judge(bytes(answer), data, report)


def _judge(answer: bytes, sent: bytes, report: Report) -> None:
    if not answer:
        report.answers["no answer"] += 1
        return
    first = answer.partition(b"\r\n")[0]
    parts = first.split(b" ", 2)
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not parts[1].isdigit():
        report.faults.append(f"no response: {first[:200]!r} to {sent[:600]!r}")
        return
    report.answers.update(re.findall(r"HTTP/1\.1 (\d{3}) ", answer.decode("latin-1")))
    if b" 500 Internal" in answer or b"Traceback" in answer or b"<html" in answer[:2000].lower():
        report.faults.append(f"{answer[:600]!r} to {sent[:1500]!r}")


def _is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    with closing(connection):
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
