"""One small file for each codec in each framing that a stream can be copied from, and what comes of copying it.

A test of every copy needs hundreds of streams. So one process makes all streams of a file, each on a pipe of its own, with the same
arguments as the daemon's; and one decodes them all.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs
import pytest

from tests.support.clips import made_once
from tests.support.programs import EACH, NEWEST
from transcoded.plan.media.argv import FFPROBE_WHITELISTS, PROGRESS_FD, probe_argv, stream_argv
from transcoded.plan.media.choose import Plan
from transcoded.plan.media.ffprobe import decode
from transcoded.plan.media.probe import Media

_SOUND = ("-f", "lavfi", "-i", "sine=440:d=1.5:r=48000")
_PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=1.6")
_X264 = "-c:v libx264 -preset veryfast -g 15 -pix_fmt yuv420p"
_X265 = "-c:v libx265 -preset ultrafast -x265-params log-level=none:pools=1 -pix_fmt yuv420p"
_VP9 = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -pix_fmt yuv420p"
_AV1 = "-c:v libsvtav1 -preset 12 -pix_fmt yuv420p"
_OLD = "-strict -2"

SOUNDS: Mapping[str, str] = {
    # In the header, in each packet (ADTS), and in neither of the two (LATM).
    **dict.fromkeys(("aac.m4a", "aac.mkv", "aac.avi", "aac.mov", "aac.nut", "aac.ts", "aac.aac"), "-c:a aac"),
    "aac.flv": "-c:a aac -ar 44100",
    "latm.ts": "-c:a aac -mpegts_flags latm",
    **dict.fromkeys(("aac_5_1.m4a", "aac_5_1.ts"), "-c:a aac -ac 6"),
    "aac_8k.m4a": "-c:a aac -ar 8000",
    "aac_7k.aac": "-c:a aac -ar 7350",
    **dict.fromkeys(("mp3.mp3", "mp3.mp4", "mp3.mkv", "mp3.avi", "mp3.ts", "mp3.wav"), "-c:a libmp3lame"),
    "mp3.flv": "-c:a libmp3lame -ar 44100",
    "mp3_8k.mp3": "-c:a libmp3lame -ar 8000",
    "mp3_24k.mp3": "-c:a libmp3lame -ar 24000",
    **dict.fromkeys(("mp2.mp2", "mp2.ts", "mp2.mpg", "mp2.mkv"), "-c:a mp2"),
    **dict.fromkeys(("ac3.ac3", "ac3.mp4", "ac3.ts", "ac3.mpg"), "-c:a ac3"),
    "ac3_5_1.mkv": "-c:a ac3 -ac 6",
    **dict.fromkeys(("eac3.eac3", "eac3.mp4"), "-c:a eac3"),
    **dict.fromkeys(("eac3_5_1.mkv", "eac3_5_1.ts"), "-c:a eac3 -ac 6"),
    **dict.fromkeys(("dts.dts", "dts.ts", "dts.mov"), f"-c:a dca {_OLD}"),
    "dts_5_1.mkv": f"-c:a dca -ac 6 {_OLD}",
    **dict.fromkeys(("truehd.thd", "truehd.mkv", "truehd.ts"), f"-c:a truehd {_OLD}"),
    "mlp.mlp": f"-c:a mlp {_OLD}",
    **dict.fromkeys(("flac.flac", "flac.mkv"), "-c:a flac"),
    "flac.oga": "-c:a flac -f ogg",
    "flac.mp4": f"-c:a flac {_OLD}",
    "flac_24.flac": "-c:a flac -sample_fmt s32",
    "flac_5_1.flac": "-c:a flac -ac 6",
    **dict.fromkeys(("alac.m4a", "alac.mkv", "alac.caf"), "-c:a alac"),
    **dict.fromkeys(("opus.opus", "opus.webm", "opus.mkv", "opus.ts"), "-c:a libopus"),
    "opus.mp4": f"-c:a libopus {_OLD}",
    "opus_5_1.opus": "-c:a libopus -ac 6",
    **dict.fromkeys(("vorbis.ogg", "vorbis.webm", "vorbis.mkv"), f"-c:a vorbis -ac 2 {_OLD}"),
    **dict.fromkeys(("pcm_16.wav", "pcm_16.mkv", "pcm_16.avi"), "-c:a pcm_s16le"),
    **dict.fromkeys(("pcm_24.wav", "pcm_24.mkv", "pcm_24.mov"), "-c:a pcm_s24le"),
    **dict.fromkeys(("pcm_f32.wav", "pcm_f32.mkv"), "-c:a pcm_f32le"),
    "pcm_32.wav": "-c:a pcm_s32le",
    "pcm_8.wav": "-c:a pcm_u8",
    "pcm_5_1.wav": "-c:a pcm_s16le -ac 6",
    **dict.fromkeys(("wma.asf", "wma.mkv"), "-c:a wmav2"),
}
PICTURES: Mapping[str, str] = {
    **dict.fromkeys(("h264.mp4", "h264.mkv", "h264.ts", "h264.flv", "h264.mov"), _X264),
    "h264_avc3.mp4": f"{_X264} -tag:v avc3",
    "h264_open_gop.ts": f"{_X264} -x264-params open-gop=1:keyint=12:bframes=3",
    "h264_no_idr.ts": f"{_X264} -x264-params intra-refresh=1:keyint=12:bframes=0",
    **dict.fromkeys(("hevc.mp4", "hevc.mkv", "hevc.ts"), _X265),
    "hevc_hvc1.mp4": f"{_X265} -tag:v hvc1",
    **dict.fromkeys(("vp9.webm", "vp9.mkv", "vp9.mp4", "vp9.ivf"), _VP9),
    "vp9_hidden_frames.webm": f"{_VP9} -deadline good -cpu-used 5 -auto-alt-ref 1 -lag-in-frames 12",
    **dict.fromkeys(("vp8.webm", "vp8.ivf"), "-c:v libvpx -pix_fmt yuv420p"),
    **dict.fromkeys(("av1.mp4", "av1.mkv", "av1.webm", "av1.ivf", "av1.obu"), _AV1),
    **dict.fromkeys(("mpeg2.ts", "mpeg2.mkv", "mpeg2.mp4"), "-c:v mpeg2video -bf 2"),
    "mpeg1.mkv": "-c:v mpeg1video",
    **dict.fromkeys(("mpeg4.mp4", "mpeg4.mkv"), "-c:v mpeg4 -bf 2"),
    "theora.ogv": "-c:v libtheora -pix_fmt yuv420p",
    "prores.mov": "-c:v prores",
    "ffv1.mkv": "-c:v ffv1",
    **dict.fromkeys(("mjpeg.mov", "mjpeg.mkv"), "-c:v mjpeg -pix_fmt yuvj420p"),
}
FILMS: Mapping[str, str] = {
    **dict.fromkeys(("film.mp4", "film.ts", "film.flv"), f"{_X264} -c:a aac -ar 44100"),
    **dict.fromkeys(("film_ac3.mp4", "film_ac3.mkv"), f"{_X264} -c:a ac3"),
    "film_opus.mkv": f"{_X264} -c:a libopus",
    "film_flac.mkv": f"{_X264} -c:a flac",
    "film_mp2.ts": "-c:v mpeg2video -c:a mp2",
    "film.webm": f"{_VP9} -c:a libopus",
}
SOURCES = (*SOUNDS, *PICTURES, *FILMS)

UNTRIED = frozenset({"vc1", "wmv3"})
"""Codecs that are copied with `mode=copy`, and that no ffmpeg encodes. Of AAC those are the profiles HE-AAC, HE-AACv2, LD, ELD and xHE-AAC."""


@attrs.frozen
class Track:
    """What was decoded of a stream: the time of its first frame and the sum of the lengths of all, in seconds."""

    start: float
    length: float
    longest: float


@pytest.fixture(scope="session")
def copy_sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with all sources. One that no ffmpeg here can make is missing."""
    return made_once(tmp_path_factory, "copy_sources", _make_all)


def probed(path: Path) -> Media:
    """What the daemon knows of a file."""
    output = _run([NEWEST.ffprobe, *probe_argv(str(path))]).stdout
    return decode(output, path.stat().st_size)


def make_streams(ffmpeg: str, source: Path, plans: Mapping[str, Plan], directory: Path) -> str:
    """Make the streams that are planned, as files of these names in the directory. What ffmpeg wrote to stderr, or its status."""
    command, pipes = [ffmpeg], {}
    for name, plan in plans.items():
        arguments = stream_argv(plan, str(source))
        behind_input = arguments.index("-i") + 2
        reader, writer = os.pipe()
        pipes[name] = (reader, writer)
        arguments[-1] = f"pipe:{writer}"
        command += arguments[behind_input:] if len(command) > 1 else arguments
    command[command.index("-progress") + 1] = os.devnull
    assert f"pipe:{PROGRESS_FD}" not in command
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=[writer for _, writer in pipes.values()],
    )
    for _, writer in pipes.values():
        os.close(writer)
    with ThreadPoolExecutor(len(pipes)) as pool:
        for name, (reader, _) in pipes.items():
            pool.submit(_drain, reader, directory / name)
        _, stderr = process.communicate(timeout=120)
    return stderr.decode("utf-8", "replace") or ("" if process.returncode == 0 else f"status {process.returncode}")


def decoded(files: Sequence[tuple[Path, str]]) -> tuple[list[dict[str, Track]], str]:
    """The video and audio tracks of each file, of which also the demuxer is given; and what went wrong."""
    command = [NEWEST.ffmpeg, "-v", "error", "-copyts"]
    for path, demuxer in files:
        command += [*(("-f", demuxer) if demuxer else ()), "-i", str(path)]
    for number in range(len(files)):
        command += ["-map", f"{number}:v?", "-map", f"{number}:a?"]
    done = _run(
        [
            *command,
            "-fps_mode",
            "passthrough",
            "-enc_time_base:v",
            "1:90000",
            "-c:a",
            "pcm_s16le",
            "-f",
            "framecrc",
            "-",
        ]
    )
    return _tracks(done.stdout.decode(), len(files)), done.stderr.decode("utf-8", "replace")


def codecs(path: Path, demuxer: str) -> list[str]:
    """The codecs of a file's streams."""
    asked = ("-v", "error", "-f", demuxer, "-show_entries", "stream=codec_name", "-of", "csv=p=0", "-i", str(path))
    # A transport stream lists its streams once more below its programme.
    return sorted(set(_run([NEWEST.ffprobe, *FFPROBE_WHITELISTS, *asked]).stdout.decode().replace(",", " ").split()))


def _tracks(listing: str, count: int) -> list[dict[str, Track]]:
    base: dict[int, float] = {}
    kinds: dict[int, str] = {}
    frames: dict[int, list[tuple[float, float]]] = {}
    for line in listing.splitlines():
        if line.startswith("#tb"):
            number, _, value = line[4:].partition(": ")
            numerator, denominator = value.split("/")
            base[int(number)] = int(numerator) / int(denominator)
        elif line.startswith("#media_type"):
            number, _, kind = line[12:].partition(": ")
            kinds[int(number)] = kind
        elif not line.startswith("#"):
            index, _, pts, length, *_ = (int(field) for field in line.split(",")[:4])
            frames.setdefault(index, []).append((pts * base[index], length * base[index]))
    # Tracks come in the order of the files, and of each file the video first.
    files: list[dict[str, Track]] = [{} for _ in range(count)]
    at = -1
    for stream in sorted(kinds):
        kind = kinds[stream]
        if at < 0 or kind == "video" or kind in files[at]:
            at += 1
        found = frames.get(stream, [(0.0, 0.0)])
        lengths = [length for _, length in found]
        files[at][kind] = Track(min(start for start, _ in found), sum(lengths), max(lengths))
    return files


def _make_all(directory: Path) -> None:
    inputs = {
        **dict.fromkeys(SOUNDS, _SOUND),
        **dict.fromkeys(PICTURES, _PICTURE),
        **dict.fromkeys(FILMS, (*_PICTURE, *_SOUND)),
    }
    coders = {**SOUNDS, **PICTURES, **FILMS}

    def make(name: str) -> None:
        path = directory / name
        for programs in (NEWEST, *EACH):
            done = _run(
                [programs.ffmpeg, "-y", "-v", "error", *inputs[name], *coders[name].split(), str(path)], check=False
            )
            if done.returncode == 0 and path.stat().st_size:
                return
            path.unlink(missing_ok=True)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(make, SOURCES))


def _drain(reader: int, path: Path) -> None:
    with os.fdopen(reader, "rb") as pipe, path.open("wb") as file:
        while block := pipe.read(1 << 16):
            file.write(block)


def _run(command: Sequence[str], *, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=check, timeout=120)
