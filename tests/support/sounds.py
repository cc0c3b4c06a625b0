"""Recordings with unusual sound, and how to hear what is in a stream: the level of each tone in each channel."""

import math
import struct
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.support.clips import ffmpeg, ffprobe, made_once
from tests.support.marks import beeps, pictures

TONES: Mapping[str, int] = {"FL": 400, "FR": 600, "FC": 800, "LFE": 100, "BL": 1200, "BR": 1500}
"""The frequency of the tone in each channel of `surround.flac`, in Hz."""

LEVEL = 0.25
"""The amplitude of each of these tones."""

ODD: Mapping[str, float] = {
    "nine.mov": 2.0,
    "sound_field.opus": 2.0,
    "sound_field_3.wav": 1.0,
    "three.mov": 2.0,
    "discrete.mov": 2.0,
    "many.wav": 1.0,
    "studio.wav": 1.0,
    "rate_768k.wav": 1.0,
    "rate_384k.flac": 1.0,
    "rate_44056.wav": 2.0,
    "telephone.wav": 2.0,
    "float.wav": 2.0,
    "side.mka": 2.0,
    "seven_one.flac": 2.0,
    "dsd_64.dsf": 0.5,
    "dsd_256.dsf": 0.2,
}
"""Sound that some encoder does not take as it is: names and seconds."""

_RATE = 16_000


@pytest.fixture(scope="session")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with all of them."""
    return made_once(tmp_path_factory, "sounds", _make)


def heard(data: bytes, fmt: str) -> Sequence[Sequence[float]]:
    """The samples of each channel, at `_RATE`."""
    channels = int(ffprobe(data, "-f", fmt, "-select_streams", "a:0")["streams"][0]["channels"])
    raw = ffmpeg("-f", fmt, "-i", "pipe:0", "-map", "0:a:0", "-ar", str(_RATE), "-f", "f32le", "-", stdin=data)
    samples = array("f")
    samples.frombytes(raw[: len(raw) // (4 * channels) * 4 * channels])
    return [samples[channel::channels] for channel in range(channels)]


def amplitude(samples: Sequence[float], frequency: int) -> float:
    """The amplitude of a tone in samples, without their beginning and end (Goertzel's algorithm)."""
    part = samples[_RATE // 4 : -_RATE // 4]
    step = 2 * math.pi * frequency / _RATE
    real = sum(value * math.cos(step * number) for number, value in enumerate(part))
    imaginary = sum(value * math.sin(step * number) for number, value in enumerate(part))
    return 2 * math.hypot(real, imaginary) / len(part)


def level(samples: Sequence[float], start: float, end: float) -> float:
    """The root mean square between two times in seconds, in dB below full scale."""
    part = samples[int(start * _RATE) : int(end * _RATE)]
    return 10 * math.log10(sum(value * value for value in part) / len(part) + 1e-12)


def _make(directory: Path) -> None:
    def make(name: str, source: str, *options: str) -> None:
        ffmpeg("-f", "lavfi", "-i", source, *options, f"file:{directory / name}")

    def same(count: int) -> str:
        return "|".join(f"c{number}=c0" for number in range(count))

    tones = "|".join(f"{LEVEL}*sin(2*PI*{frequency}*t)" for frequency in TONES.values())
    make("surround.flac", f"aevalsrc='{tones}':c=5.1:s=48000:d=2")
    make("surround.mkv", f"aevalsrc='{tones}':c=5.1:s=48000:d=2", "-c:a", "ac3", "-b:a", "640k")
    make("full_scale.flac", f"aevalsrc='{'|'.join(['0.99*sin(2*PI*500*t)'] * 6)}':c=5.1:s=48000:d=2")
    quiet_and_loud = "if(lt(t,2),0.01,0.7)*sin(2*PI*500*t)"
    make("contrast.flac", f"aevalsrc='{quiet_and_loud}|{quiet_and_loud}':c=stereo:s=48000:d=4")
    _layout_change(directory)
    late = ("-itsoffset", "2.5", "-f", "lavfi", "-i", beeps(3))
    make("late.mkv", pictures("25", 6), *late, "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac")
    far = ("-itsoffset", "18", "-f", "lavfi", "-i", beeps(2))
    make("far.ts", pictures("25", 20), *far, "-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-c:a", "mp2")

    sine = "sine=440:r=48000:d=2"
    make("nine.mov", sine, "-af", f"pan=9 channels|{same(9)}", "-c:a", "pcm_s16le")
    make("sound_field.opus", sine, "-af", f"pan=ambisonic 1|{same(4)}", "-c:a", "libopus", "-mapping_family", "2")
    make("sound_field_3.wav", "sine=440:r=48000:d=1", "-af", f"pan=ambisonic 3|{same(16)}", "-c:a", "pcm_s16le")
    make("three.mov", sine, "-af", f"pan=3 channels|{same(3)}", "-c:a", "pcm_s16le")
    make("discrete.mov", sine, "-af", f"pan=4 channels|{same(4)}", "-c:a", "pcm_s24le")
    make("many.wav", f"aevalsrc='{'|'.join(['0.1*sin(2*PI*440*t)'] * 64)}':s=48000:d=1", "-c:a", "pcm_s16le")
    make("studio.wav", "sine=440:r=48000:d=1", "-af", f"pan=22.2|{same(24)}", "-c:a", "pcm_s16le")
    make("rate_768k.wav", "sine=440:r=768000:d=1", "-c:a", "pcm_s32le")
    make("rate_384k.flac", "sine=440:r=384000:d=1")
    make("rate_44056.wav", "sine=440:r=44056:d=2")
    make("telephone.wav", "sine=440:r=8000:d=2", "-c:a", "pcm_alaw")
    make("float.wav", sine, "-c:a", "pcm_f32le")
    make("side.mka", sine, "-af", f"pan=5.1(side)|{same(6)}", "-c:a", "eac3")
    make("seven_one.flac", sine, "-af", f"pan=7.1|{same(8)}")
    _dsd(directory / "dsd_64.dsf", 2_822_400, ODD["dsd_64.dsf"])
    _dsd(directory / "dsd_256.dsf", 11_289_600, ODD["dsd_256.dsf"])
    _tagged(directory)


def _layout_change(directory: Path) -> None:
    """Stereo, 5.1 and stereo again, for three seconds each, with pictures."""
    parts = b""
    for first, layout in ((0, "stereo"), (3, "5.1"), (6, "stereo")):
        pan = f"pan={layout}|" + "|".join(f"c{number}=c0" for number in range(6 if layout == "5.1" else 2))
        parts += ffmpeg("-f", "lavfi", "-i", beeps(3, first), "-af", pan, "-c:a", "ac3", "-f", "ac3", "-")
    joined = directory / ".joined.ac3"
    joined.write_bytes(parts)
    video = ("-f", "lavfi", "-i", pictures("25", 9))
    codecs = ("-c:v", "libx264", "-preset", "ultrafast", "-c:a", "copy")
    ffmpeg(*video, "-i", f"file:{joined}", *codecs, f"file:{directory / 'layout_change.mkv'}")


def _dsd(path: Path, rate: int, seconds: float) -> None:
    """Silence in DSD: as many ones as zeros (DSF, version 1.01)."""
    block, channels = 4096, 2
    blocks = int(rate * seconds / 8 + block - 1) // block
    data = b"\x69" * (blocks * block * channels)
    form = b"fmt " + struct.pack("<QIIIIIIQII", 52, 1, 0, 2, channels, rate, 1, int(rate * seconds), block, 0)
    head = b"data" + struct.pack("<Q", 12 + len(data))
    path.write_bytes(b"DSD " + struct.pack("<QQQ", 28, 28 + len(form) + len(head) + len(data), 0) + form + head + data)


def _tagged(directory: Path) -> None:
    """The same song in several containers: tags, lyrics that no pipe can carry, a small cover, a large one."""
    tags = {"title": "Söng", "artist": "A=B", "album": "Album", "track": "3/12", "date": "2001", "genre": "Rock"}
    words = [part for name, text in tags.items() for part in ("-metadata", f"{name}={text}")]
    song = ("-f", "lavfi", "-i", "sine=440:d=2")
    for name in ("song.mp3", "song.m4a", "song.opus", "song.flac", "song.mka"):
        ffmpeg(*song, *words, f"file:{directory / name}")
    lyrics = ("-metadata", "lyrics=" + "la la " * 8000)
    ffmpeg("-i", f"file:{directory / 'song.m4a'}", "-c", "copy", *lyrics, f"file:{directory / 'lyrics.m4a'}")
    for name, size in (("small", 64), ("large", 1400)):
        picture = directory / f".{name}.jpg"
        ffmpeg("-f", "lavfi", "-i", f"testsrc2=s={size}x{size}:d=1", "-frames:v", "1", "-q:v", "2", f"file:{picture}")
        both = ("-i", f"file:{directory / 'song.mp3'}", "-i", f"file:{picture}", "-map", "0", "-map", "1", "-c", "copy")
        ffmpeg(*both, "-disposition:v:0", "attached_pic", f"file:{directory / f'{name}_cover.mp3'}")
