"""The fuzz of the parsers: changed examples of what they read.

A parser may raise what its description says and nothing else, and may take no longer than `SLOW` seconds for an input of some KB.
It is bounded by time, and repeats the same choices for the same seed.
"""

import random
import re
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import parse_qsl

import attrs
import msgspec

from benchmarks.fuzz import Report, mutated
from benchmarks.hostile_files import ffmpeg
from transcoded.config import SettingsError, check, names
from transcoded.plan.cmaf.boxes import BoxError
from transcoded.plan.cmaf.ladder import present
from transcoded.plan.cmaf.segmenter import Segmenter
from transcoded.plan.endings import Ending
from transcoded.plan.errors import TranscodedError
from transcoded.plan.http.access import parse_key
from transcoded.plan.http.conditional import Validators, evaluate_conditions, requested_range
from transcoded.plan.http.cursors import CURSOR_PATTERN, key_of
from transcoded.plan.http.forwarded import client_address, parse_trusted
from transcoded.plan.http.origins import split_authority
from transcoded.plan.http.parameters import read_query
from transcoded.plan.http.signed_urls import given_query, signature_opens
from transcoded.plan.media.ffprobe import decode
from transcoded.plan.media.params import STREAM_PARAMETERS, stream_params
from transcoded.plan.media.probe import Media
from transcoded.plan.media.progress import ProgressParser
from transcoded.plan.media.timeline.index.reader import read_index
from transcoded.plan.media.timeline.packets import parse_packets
from transcoded.plan.policy.memory import group_directories, group_fraction, machine_fraction
from transcoded.plan.policy.tcp import parse as parse_tcp_info
from transcoded.run.host.tools import Tools

SLOW = 2.0
"""Seconds."""


@attrs.frozen
class Parser:
    """A parser, examples of what it reads, and the errors that it may raise."""

    name: str
    parse: Callable[[bytes], object]
    examples: Sequence[bytes]
    errors: tuple[type[Exception], ...] = ()


def fuzz_parsers(tools: Tools, directory: Path, rng: random.Random, until: float) -> Report:
    """Call all parsers in turn until then, in seconds of `time.monotonic`."""
    report, parsers = Report(), _parsers(tools, directory)
    while time.monotonic() < until and len(report.faults) < 20:
        for parser in parsers:
            data = mutated(rng, rng.choice(parser.examples))
            begun = time.monotonic()
            try:
                parser.parse(data)
            except parser.errors:
                pass
            except Exception as error:  # noqa: BLE001 - every other exception is a finding
                report.faults.append(f"{parser.name}: {type(error).__name__}: {error} for {data[:500]!r}")
            taken = time.monotonic() - begun
            if taken > SLOW:
                report.faults.append(f"{parser.name} takes {taken:.1f} s for {data[:500]!r}")
            report.tried[parser.name] += 1
    return report


def _parsers(tools: Tools, directory: Path) -> Sequence[Parser]:
    film = directory / "film.mp4"
    fragments = directory / "fragments.mp4"
    ffmpeg(
        tools,
        *("-f", "lavfi", "-i", "testsrc2=size=64x36:rate=10:duration=2", "-f", "lavfi", "-i", "sine=duration=2"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "10", "-c:a", "aac", str(film)),
    )
    moving = ("-movflags", "frag_keyframe+empty_moov+default_base_moof")
    ffmpeg(tools, "-i", str(film), "-an", "-c", "copy", *moving, str(fragments))
    matroska = directory / "film.mkv"
    ffmpeg(tools, "-i", str(film), "-c", "copy", str(matroska))
    probe = _ffprobe(tools, "-print_format", "json", "-show_format", "-show_streams", str(film))
    media = decode(probe, film.stat().st_size)
    of_matroska = attrs.evolve(media, container="matroska,webm")
    scan = _ffprobe(
        tools, "-show_entries", "packet=pts_time,size,flags", "-of", "csv=p=0", "-select_streams", "v", str(film)
    )
    validators = Validators.of("1-2", 1_700_000_000_000_000_000)
    trusted = [parse_trusted("10.0.0.0/8"), parse_trusted("::1")]
    key = b"k" * 32
    settings = list(names())

    def setting(data: bytes) -> object:
        return check(settings[sum(data) % len(settings)], _text(data))

    return (
        Parser("fragmented MP4", lambda data: _segments(media, data), [fragments.read_bytes()[:30_000]], (BoxError,)),
        Parser("ffprobe's description", _offered, [probe], (TranscodedError,)),
        Parser("the index of MP4", lambda data: _indexed(media, data), [film.read_bytes(), fragments.read_bytes()]),
        Parser("the index of Matroska", lambda data: _indexed(of_matroska, data), [matroska.read_bytes()]),
        Parser("ffprobe's packets", lambda data: parse_packets(data, media), [scan]),
        Parser(
            "ffmpeg's progress",
            lambda data: ProgressParser().feed(data),
            [b"frame=1\nout_time_us=40000\nspeed=1.5x\nprogress=continue\n"],
        ),
        Parser(
            "byte ranges",
            lambda data: requested_range(_header(data), validators, 1000),
            [b"bytes=0-5", b"bytes=-7", b"bytes=5-"],
            (TranscodedError,),
        ),
        Parser(
            "conditions",
            lambda data: evaluate_conditions(_header(data), validators),
            [b'"1-2"', b"*", b"Tue, 14 Nov 2023 22:13:20 GMT", b'W/"a", "b"'],
        ),
        Parser(
            "parameters of streams",
            _stream_query,
            [b"start=1.5&mode=copy&height=720", b"audio=0&video_bitrate=2000000"],
            (TranscodedError,),
        ),
        Parser(
            "addresses of clients",
            lambda data: client_address("10.0.0.1", [_text(data)], trusted),
            [b"192.0.2.1, 10.0.0.3", b"[2001:db8::1]:80"],
        ),
        Parser(
            "keys",
            lambda data: parse_key(_text(data)),
            [b"ops:admin=" + b"s" * 20, b"tv:read=sha256:" + b"a" * 64],
            (ValueError,),
        ),
        Parser(
            "signatures",
            lambda data: _signature(key, data),
            [b"expires=1795497159&signature=" + b"0" * 64],
        ),
        Parser(
            "Host headers",
            lambda data: split_authority(_text(data)),
            [b"a.example:80", b"[::1]:8080", b"127.0.0.1"],
            (ValueError,),
        ),
        Parser("cursors", _cursor, [b"0" + b"film.mp4".hex().encode(), b"1" + "\u00e4".encode().hex().encode()]),
        Parser(
            "settings",
            setting,
            [b"5", b"512M", b"off", b"tcp:80", b"https://a.example", b"a=/srv/films", b"10.0.0.0/8"],
            (SettingsError,),
        ),
        Parser(
            "/proc/meminfo", lambda data: machine_fraction(_text(data)), [b"MemTotal: 100 kB\nMemAvailable: 50 kB\n"]
        ),
        Parser(
            "memory of a group",
            lambda data: group_fraction(_text(data[:9]), _text(data[9:18]), _text(data)),
            [b"1000000\n 500000\n inactive_file 7\n"],
        ),
        Parser("control groups", lambda data: group_directories(_text(data)), [b"0::/system.slice/a\n4:memory:/b\n"]),
        Parser("TCP_INFO", parse_tcp_info, [bytes(range(232))]),
        Parser(
            "the ending log",
            lambda data: msgspec.json.decode(data, type=Ending),
            [_ENDING],
            (msgspec.DecodeError, UnicodeDecodeError),
        ),
    )


_ENDING = (
    b'{"id":"a","path":"m/a.mkv","format":"mp4","client":"::1","request_id":"r","started":"2026-01-01T00:00:00Z",'
    b'"ended":"2026-01-01T00:00:01Z","reason":"finished","bytes_sent":1,"stderr_tail":"","signals_sent":[]}'
)


def _ffprobe(tools: Tools, *arguments: str) -> bytes:
    return subprocess.run([tools.ffprobe, "-v", "error", *arguments], check=True, capture_output=True).stdout


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _header(data: bytes) -> Callable[[str], str | None]:
    return lambda _: data.decode("latin-1")


def _signature(key: bytes, data: bytes) -> object:
    given = given_query(parse_qsl(_text(data), keep_blank_values=True, errors="replace"))
    return given is not None and signature_opens(key, "m/a.mkv", *given, 1.0)


def _cursor(data: bytes) -> object:
    text = _text(data)
    return key_of(text) if re.fullmatch(CURSOR_PATTERN, text) else None


def _stream_query(data: bytes) -> object:
    query: dict[str, list[str]] = {}
    for pair in _text(data).split("&"):
        name, _, value = pair.partition("=")
        query.setdefault(name, []).append(value)
    return stream_params(read_query(query, STREAM_PARAMETERS))


def _offered(data: bytes) -> object:
    media = decode(data, 30_000)
    return present(media)


def _indexed(media: Media, data: bytes) -> object:
    return read_index(media, len(data), lambda offset, length: data[offset : offset + length])


def _segments(media: Media, data: bytes) -> object:
    rendition = present(media).video[0]
    segmenter = Segmenter(rendition.timeline, 0, delay=rendition.delay)
    return [*segmenter.feed(data), *segmenter.finish()]
