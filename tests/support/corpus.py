"""A corpus of media: one file of each kind that people have, with what is right about it.

Pictures and sound carry marks (`marks`), so times, order and sync can be read from what the daemon makes of them.
"""

import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs

from tests.support.marks import beeps, pictures

Make = Callable[["Workshop", str], None]

X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "20", "-pix_fmt", "yuv420p")
AAC = ("-c:a", "aac", "-ac", "2")
QUIET = ("-hide_banner", "-nostdin", "-loglevel", "error", "-y")


@attrs.frozen
class Kind:
    """One file. `seconds` is its length as it is played, `size` how large its picture is shown in square pixels (None: no picture).

    Picture `first` + n is shown at n / `rate`. `beeps`: there is a beep at each second, the first of which is `beep`, at `beep_at` seconds.
    `loose` are seconds by which times may differ more than usual, where the source itself is not exact. `marks`: pictures carry their numbers.
    `refused` has for routes (`hls`, `mp4`, `thumbnail`, …) the status with which they refuse. `delicate`: worth its time with every ffmpeg.
    """

    name: str
    make: Make
    what: str
    seconds: float = 6.0
    size: tuple[int, int] | None = (320, 180)
    rate: float = 25.0
    first: int = 0
    beeps: bool = True
    beep: int = 0
    beep_at: float = 0.0
    video_at: float = 0.0
    loose: float = 0.0
    marks: bool = True
    damaged: bool = False
    delicate: bool = False
    needs: str | None = None
    refused: dict[str, int] = attrs.field(factory=dict)


@attrs.frozen
class Workshop:
    """Where the files are made, and by which ffmpeg."""

    directory: Path
    ffmpeg: str

    def path(self, name: str) -> str:
        """The path of a file here."""
        return str(self.directory / name)

    def run(self, *arguments: str) -> None:
        """Run ffmpeg. Raises `CalledProcessError`."""
        subprocess.run([self.ffmpeg, *QUIET, *arguments], check=True, capture_output=True, cwd=self.directory)

    def film(self, name: str, *arguments: str, seconds: float = 6.0, rate: str = "25", size: str = "320x180") -> None:
        """A file with marked pictures and sound, encoded with these arguments."""
        sources = ("-f", "lavfi", "-i", pictures(rate, seconds, size), "-f", "lavfi", "-i", beeps(seconds))
        self.run(*sources, "-t", str(seconds), *arguments, self.path(name))

    def song(self, name: str, *arguments: str, seconds: float = 6.0, rate: int = 48_000) -> None:
        """A file with marked sound alone."""
        self.run("-f", "lavfi", "-i", beeps(seconds, rate=rate), *arguments, self.path(name))

    def join(self, name: str, *parts: str) -> None:
        """Write files one behind the other."""
        Path(self.path(name)).write_bytes(b"".join(Path(self.path(part)).read_bytes() for part in parts))


def film(*arguments: str, seconds: float = 6.0, rate: str = "25", size: str = "320x180") -> Make:
    """A film of marked pictures and sound."""
    return lambda shop, name: shop.film(name, *arguments, seconds=seconds, rate=rate, size=size)


def song(*arguments: str, seconds: float = 6.0, rate: int = 48_000) -> Make:
    """A song of marked sound."""
    return lambda shop, name: shop.song(name, *arguments, seconds=seconds, rate=rate)


def shifted(offset: float, *arguments: str) -> Make:
    """A film whose clock begins at `offset`."""
    return film(*X264, "-g", "50", *AAC, "-output_ts_offset", str(offset), *arguments)


def _joined(*starts: float, kind: str = "mpegts", codecs: Sequence[str] = (*X264, "-c:a", "mp2", "-ac", "2")) -> Make:
    """Recordings of three seconds, one behind the other, whose clocks begin at these times."""

    def make(shop: Workshop, name: str) -> None:
        parts = []
        for number, start in enumerate(starts):
            part = f".{name}.{number}"
            sources = (
                *("-f", "lavfi", "-i", pictures("25", 3, first=75 * number)),
                *("-f", "lavfi", "-i", beeps(3, first=3 * number)),
            )
            shop.run(*sources, *codecs, "-output_ts_offset", str(start), "-f", kind, shop.path(part))
            parts.append(part)
        shop.join(name, *parts)

    return make


def _from(base: Make, suffix: str, *arguments: str, before: Sequence[str] = ()) -> Make:
    """A copy of another file, made with these arguments."""

    def make(shop: Workshop, name: str) -> None:
        source = f".{name}{suffix}"
        base(shop, source)
        shop.run(*before, "-i", shop.path(source), *arguments, shop.path(name))

    return make


def _cut(base: Make, part: float) -> Make:
    """A download that broke off."""

    def make(shop: Workshop, name: str) -> None:
        base(shop, name)
        path = Path(shop.path(name))
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])

    return make


def _late(video: float, audio: float, *arguments: str, seconds: float = 6.0) -> Make:
    """One of the tracks begins later than the other."""

    def make(shop: Workshop, name: str) -> None:
        shop.run(
            *("-itsoffset", str(video), "-f", "lavfi", "-i", pictures("25", seconds - video, first=round(25 * video))),
            *("-itsoffset", str(audio), "-f", "lavfi", "-i", beeps(seconds - audio, first=round(audio))),
            *arguments,
            shop.path(name),
        )

    return make


def _layouts(shop: Workshop, name: str) -> None:
    """AC-3 that goes from stereo to 5.1 and back."""
    for number, layout in enumerate(("stereo", "5.1", "stereo")):
        mapping = "|".join(f"{channel}=c0" for channel in {"stereo": ("FL", "FR"), "5.1": ("FL", "FR", "FC")}[layout])
        source = f"{beeps(2, first=2 * number)},pan={layout}|{mapping}"
        shop.run("-f", "lavfi", "-i", source, "-c:a", "ac3", "-f", "ac3", shop.path(f".{name}.{number}"))
    shop.join(f".{name}.ac3", *(f".{name}.{number}" for number in range(3)))
    sources = ("-f", "lavfi", "-i", pictures("25", 6), "-f", "ac3", "-i", shop.path(f".{name}.ac3"))
    shop.run(*sources, *X264, "-c:a", "copy", shop.path(name))


def _shapes(shop: Workshop, name: str) -> None:
    """The shape of the picture changes in the middle, as broadcasts do between advertisements and films."""
    for number, size in enumerate(("320x180", "320x240")):
        raw = (*X264, "-bf", "0", "-g", "25", "-f", "h264")
        shop.run("-f", "lavfi", "-i", pictures("25", 3, size, first=75 * number), *raw, shop.path(f".{name}.{number}"))
    shop.join(f".{name}.h264", f".{name}.0", f".{name}.1")
    sources = ("-fflags", "+genpts", "-r", "25", "-f", "h264", "-i", shop.path(f".{name}.h264"))
    sounds = ("-f", "lavfi", "-i", beeps(6), "-map", "0:v", "-map", "1:a")
    shop.run(*sources, *sounds, "-c:v", "copy", *AAC, "-f", "mpegts", shop.path(name))


def _programmes(shop: Workshop, name: str) -> None:
    """Radio, then television, in one transport stream."""
    sources = (
        "-f",
        "lavfi",
        "-i",
        "sine=f=3000:d=6",
        "-f",
        "lavfi",
        "-i",
        pictures("25", 6),
        "-f",
        "lavfi",
        "-i",
        beeps(6),
    )
    maps = ("-map", "0", "-map", "1", "-map", "2", *X264, "-c:a", "mp2", "-ac", "2")
    programmes = ("-program", "title=radio:st=0", "-program", "title=tv:st=1:st=2")
    shop.run(*sources, *maps, *programmes, "-f", "mpegts", shop.path(name))


def _noisy(shop: Workshop, name: str) -> None:
    """Damaged in the middle."""
    film(*X264, "-g", "25", *AAC, "-movflags", "+faststart", seconds=6)(shop, name)
    path = Path(shop.path(name))
    data = bytearray(path.read_bytes())
    for place in range(len(data) * 45 // 100, len(data) * 55 // 100):
        data[place] = place * 7919 % 251
    path.write_bytes(data)


def _rotated(*display: str) -> Make:
    return _from(film(*X264, *AAC), ".mp4", "-c", "copy", before=display)


def _many(channels: int) -> Make:
    mapping = "|".join(f"c{number}=c0" for number in range(channels))
    return lambda shop, name: shop.run(
        *("-f", "lavfi", "-i", pictures("25", 6), "-f", "lavfi", "-i", beeps(6)),
        *("-filter_complex", f"[1:a]pan={channels}C|{mapping}[a]", "-map", "0:v", "-map", "[a]"),
        *(*X264, "-c:a", "pcm_s16le", shop.path(name)),
    )


FRAGMENTS = ("-movflags", "frag_keyframe+empty_moov+default_base_moof+frag_discont")
FIXED = ("-use_editlist", "0", "-avoid_negative_ts", "disabled")
HIDDEN = ("-ss", "1.52")
VFR = ("-vf", "select='if(lt(t,3),not(mod(n,5)),1)'", "-fps_mode", "vfr", "-enc_time_base", "1/90000")
X265 = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:pools=1")
PQ = (
    *X265,
    "-pix_fmt",
    "yuv420p10le",
    "-color_primaries",
    "bt2020",
    "-color_trc",
    "smpte2084",
    "-colorspace",
    "bt2020nc",
)
HLG = (*PQ[:-3], "arib-std-b67", *PQ[-2:])
NOISE = "aevalsrc='if(lt(t,3),0.9*(random(0)*2-1),0)':s=44100:d=6"


def _songs_joined(shop: Workshop, name: str) -> None:
    for number in range(2):
        source = beeps(3, first=3 * number)
        shop.run("-f", "lavfi", "-i", source, "-c:a", "libvorbis", "-f", "ogg", shop.path(f".{name}.{number}"))
    shop.join(name, f".{name}.0", f".{name}.1")


KINDS: Sequence[Kind] = (
    # The usual.
    Kind("h264 aac.mp4", film(*X264, "-bf", "2", "-g", "50", *AAC), "MP4, H.264 with B-frames, AAC"),
    Kind("h264 aac.mkv", film(*X264, "-g", "50", *AAC), "Matroska, H.264, AAC"),
    Kind("h264 pcm.mov", film(*X264, "-c:a", "pcm_s16le"), "QuickTime, H.264, PCM"),
    Kind("hevc.mp4", film(*X265, "-tag:v", "hvc1", *AAC), "MP4, HEVC"),
    Kind(
        "hevc 10 bit.mkv",
        film(*X265, "-pix_fmt", "yuv420p10le", "-c:a", "ac3", "-ac", "2"),
        "Matroska, HEVC 10 bit, AC-3",
    ),
    Kind(
        "av1.mkv",
        film("-c:v", "libsvtav1", "-preset", "12", "-crf", "30", "-c:a", "libopus"),
        "Matroska, AV1, Opus",
        needs="av1",
        delicate=True,
    ),
    Kind(
        "vp8.webm",
        film("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "1M", "-c:a", "libvorbis"),
        "WebM, VP8, Vorbis",
    ),
    Kind(
        "vp9.webm",
        film("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "1M", "-c:a", "libopus"),
        "WebM, VP9, Opus",
    ),
    Kind(
        "mpeg4.avi",
        film("-c:v", "mpeg4", "-bf", "2", "-q:v", "3", "-c:a", "libmp3lame"),
        "AVI, MPEG-4 part 2 with B-frames, MP3",
        loose=0.05,
    ),
    Kind("divx3.avi", film("-c:v", "msmpeg4v3", "-q:v", "3", "-c:a", "libmp3lame"), "AVI, DivX 3, MP3", loose=0.05),
    Kind("wmv.wmv", film("-c:v", "wmv2", "-q:v", "3", "-c:a", "wmav2"), "Windows Media", loose=0.06),
    Kind(
        "flash.flv",
        film("-c:v", "flv1", "-q:v", "3", "-c:a", "libmp3lame", "-ar", "44100"),
        "Flash, Sorenson, MP3",
        loose=0.05,
    ),
    Kind("flash h264.flv", film(*X264, "-g", "50", *AAC), "Flash, H.264, AAC", loose=0.05),
    Kind("theora.ogv", film("-c:v", "libtheora", "-q:v", "8", "-c:a", "libvorbis"), "Ogg, Theora, Vorbis", loose=0.05),
    Kind("prores.mov", film("-c:v", "prores_ks", "-c:a", "pcm_s24le"), "QuickTime, ProRes, PCM 24 bit"),
    Kind(
        "mjpeg.mov",
        film("-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj422p", "-c:a", "pcm_s16be"),
        "QuickTime, Motion JPEG",
    ),
    Kind("ffv1 flac.mkv", film("-c:v", "ffv1", "-c:a", "flac"), "Matroska, FFV1, FLAC"),
    Kind(
        "mpeg2.mxf",
        film("-c:v", "mpeg2video", "-q:v", "3", "-c:a", "pcm_s16le", "-ar", "48000"),
        "MXF, MPEG-2",
        loose=0.05,
    ),
    Kind(
        "phone.3gp",
        film("-c:v", "h263", "-q:v", "3", "-c:a", "aac", "-ac", "1", size="352x288"),
        "3GP, H.263",
        size=(352, 288),
    ),
    # Broadcasts and discs.
    Kind("h264 aac.ts", film(*X264, "-g", "50", *AAC), "TS, AAC in ADTS", delicate=True),
    Kind("h264 mp2.ts", film(*X264, "-g", "50", "-c:a", "mp2", "-ac", "2"), "TS, MP2"),
    Kind(
        "disc.m2ts",
        film(*X264, "-g", "25", "-c:a", "ac3", "-ac", "2", "-f", "mpegts", "-mpegts_m2ts_mode", "1"),
        "Blu-ray's TS",
    ),
    Kind(
        "keyframe a minute.ts",
        film(*X264, "-g", "900", "-keyint_min", "900", "-sc_threshold", "0", "-c:a", "mp2", "-ac", "2", seconds=30),
        "TS, one keyframe in 30 s",
        seconds=30,
        delicate=True,
    ),
    Kind(
        "clock at wrap.ts", shifted(95_440.0, "-muxdelay", "0"), "TS, the clock of 33 bits wraps around", delicate=True
    ),
    Kind("joined.ts", _joined(0, 0), "TS, two recordings joined", delicate=True, loose=0.04),
    Kind("hour.ts", _joined(0, 3600), "TS, the clock jumps by an hour", delicate=True, loose=0.04),
    Kind("programmes.ts", _programmes, "TS, radio and television"),
    Kind("shapes.ts", _shapes, "TS, the shape changes", marks=False, delicate=True, loose=0.05),
    Kind(
        "sound late.ts",
        _late(0, 4, *X264, "-g", "50", "-c:a", "mp2", "-ac", "2", "-f", "mpegts"),
        "TS, sound begins 4 s late",
        beep=4,
        beep_at=4.0,
    ),
    Kind("mpeg1.mpg", film("-c:v", "mpeg1video", "-q:v", "3", "-c:a", "mp2", "-ac", "2"), "Program stream, MPEG-1"),
    Kind(
        "dvd.vob",
        film("-c:v", "mpeg2video", "-q:v", "3", "-bf", "2", "-c:a", "ac3", "-ac", "2", "-f", "vob"),
        "DVD, MPEG-2, AC-3",
        loose=0.05,
        delicate=True,
    ),
    Kind(
        "joined.vob",
        _joined(0, 0, kind="vob", codecs=("-c:v", "mpeg2video", "-q:v", "3", "-c:a", "ac3", "-ac", "2")),
        "DVD, two parts joined",
        delicate=True,
        loose=0.06,
    ),
    Kind(
        "fields.ts",
        film(
            "-vf", "setfield=tff", "-flags", "+ilme+ildct", "-c:v", "mpeg2video", "-q:v", "3", "-c:a", "mp2", "-ac", "2"
        ),
        "TS, MPEG-2 interlaced",
        loose=0.05,
    ),
    # Times.
    Kind("fragmented.mp4", film(*X264, "-g", "50", *AAC, *FRAGMENTS), "MP4, fragmented", loose=0.1, delicate=True),
    Kind("at 100.mkv", shifted(100.0), "Matroska, begins at 100 s", delicate=True),
    Kind("at 100.mp4", shifted(100.0, *FRAGMENTS, *FIXED), "MP4, fragmented, begins at 100 s", delicate=True),
    Kind(
        "since 1970.mp4",
        shifted(1_700_000_000.0, *FRAGMENTS, *FIXED),
        "MP4 of a camera, its clock counts since 1970",
        delicate=True,
    ),
    Kind(
        "no length.webm",
        film(
            "-c:v",
            "libvpx-vp9",
            "-deadline",
            "realtime",
            "-cpu-used",
            "8",
            "-b:v",
            "1M",
            "-c:a",
            "libopus",
            "-live",
            "1",
        ),
        "WebM of a browser's recorder: no length, no index",
        delicate=True,
    ),
    Kind(
        "trimmed.mp4",
        _from(film(*X264, "-bf", "2", "-g", "50", *AAC, seconds=8), ".mp4", "-c", "copy", before=HIDDEN),
        "MP4, trimmed by an edit list within a group",
        seconds=6.48,
        first=38,
        beep=2,
        beep_at=0.48,
        loose=0.03,
        delicate=True,
    ),
    Kind(
        "picture late.mp4",
        _late(2, 0, *X264, "-g", "50", *AAC),
        "MP4, the picture begins 2 s late",
        video_at=2.0,
        delicate=True,
    ),
    *(
        Kind(
            f"picture very late.{suffix}",
            _late(8.6, 0, *X264, "-g", "50", *AAC, seconds=10.0),
            f"{what}, the picture begins 8.6 s late",
            seconds=10.0,
            video_at=8.6,
            delicate=suffix != "mkv",
        )
        for suffix, what in (("mp4", "MP4"), ("mkv", "Matroska"), ("ts", "TS"))
    ),
    Kind(
        "sound late.mp4",
        _late(0, 2, *X264, "-g", "50", *AAC),
        "MP4, the sound begins 2 s late",
        beep=2,
        beep_at=2.0,
        delicate=True,
    ),
    Kind(
        "sound short.mkv",
        lambda shop, name: shop.run(
            "-f",
            "lavfi",
            "-i",
            pictures("25", 6),
            "-f",
            "lavfi",
            "-i",
            beeps(2),
            *X264,
            "-g",
            "50",
            "-c:a",
            "ac3",
            "-ac",
            "2",
            shop.path(name),
        ),
        "Matroska, the sound ends early",
        delicate=True,
    ),
    Kind("1 fps.mp4", film(*X264, "-g", "4", *AAC, rate="1"), "MP4, a frame a second", rate=1, delicate=True),
    Kind("slides.mp4", film(*X264, "-g", "1", *AAC, rate="1/3"), "MP4, slides of 3 s", rate=1 / 3, delicate=True),
    Kind("uneven.mp4", film(*VFR, *X264, "-bf", "0", "-g", "50", *AAC), "MP4, variable rate", delicate=True),
    Kind(
        "uneven B.mp4",
        film(*VFR, *X264, "-bf", "2", "-g", "50", *AAC, "-video_track_timescale", "90000"),
        "MP4, variable rate with B-frames",
        delicate=True,
    ),
    Kind("ntsc.mkv", film(*X264, *AAC, rate="24000/1001"), "Matroska, 23.976 fps", rate=24000 / 1001),
    Kind("60 fps.mp4", film(*X264, *AAC, rate="60"), "MP4, 60 fps", rate=60),
    Kind("one frame.mp4", film(*X264, "-an", seconds=0.04), "MP4, one frame", seconds=0.04, beeps=False, delicate=True),
    # Geometry and colours.
    Kind(
        "turned.mp4",
        _rotated("-display_rotation", "-90"),
        "MP4 of a phone, turned by 90°",
        size=(180, 320),
        marks=False,
    ),
    Kind("flipped.mp4", _rotated("-display_vflip"), "MP4, upside down by its matrix"),
    Kind(
        "anamorphic.mkv",
        film("-vf", "setsar=4/3", *X264, *AAC, size="240x180"),
        "Matroska, anamorphic",
        size=(320, 180),
    ),
    Kind(
        "absurd pixels.mkv",
        film("-vf", "setsar=100/1", *X264, *AAC, size="240x240"),
        "Matroska, pixels 100 times as wide as high",
        size=None,
    ),
    Kind(
        "odd.mkv",
        film("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv444p", *AAC, size="321x181"),
        "Matroska, odd size, 4:4:4",
        size=(320, 180),
    ),
    Kind(
        "422 10 bit.mov",
        film("-c:v", "prores_ks", "-profile:v", "3", "-pix_fmt", "yuv422p10le", "-an"),
        "QuickTime, 4:2:2 10 bit, no sound",
        beeps=False,
    ),
    Kind("grey.mkv", film("-c:v", "ffv1", "-pix_fmt", "gray", *AAC), "Matroska, grey"),
    Kind("rgb.mp4", film("-c:v", "libx264rgb", "-preset", "ultrafast", "-pix_fmt", "bgr24", *AAC), "MP4, RGB"),
    Kind(
        "full range.mp4",
        film("-vf", "scale=out_range=pc", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuvj420p", *AAC),
        "MP4, full range",
    ),
    Kind(
        "marked as gbr.mp4",
        _from(
            film(*X264, *AAC),
            ".mp4",
            "-c",
            "copy",
            "-bsf:v",
            "h264_metadata=matrix_coefficients=0:colour_primaries=2:transfer_characteristics=2",
        ),
        "MP4, 4:2:0 marked as GBR",
        delicate=True,
    ),
    Kind("hdr10.mkv", film(*PQ, *AAC), "Matroska, HDR10", delicate=True),
    Kind("hlg.mkv", film(*HLG, *AAC), "Matroska, HLG", delicate=True),
    Kind(
        "fields.mp4",
        film("-vf", "setfield=tff", "-flags", "+ilme+ildct", "-x264-params", "tff=1", *X264, *AAC),
        "MP4, H.264 interlaced",
        loose=0.05,
    ),
    # Damage.
    Kind(
        "cut.mp4",
        _cut(film(*X264, "-g", "25", *AAC, "-movflags", "+faststart", seconds=10), 0.6),
        "MP4, a download that broke off",
        seconds=5.5,
        loose=0.6,
        damaged=True,
        delicate=True,
    ),
    Kind(
        "cut.mkv",
        _cut(film(*X264, "-g", "25", *AAC, seconds=10), 0.6),
        "Matroska, a download that broke off",
        seconds=6.0,
        loose=0.6,
        damaged=True,
        delicate=True,
    ),
    Kind("noisy.mp4", _noisy, "MP4, damaged in the middle", damaged=True, delicate=True),
    # Sound.
    Kind("surround.mkv", film(*X264, "-c:a", "ac3", "-ac", "6"), "Matroska, AC-3 5.1"),
    Kind("layouts.mkv", _layouts, "Matroska, the layout of the sound changes", delicate=True),
    Kind("nine.mov", _many(9), "QuickTime, nine channels without a layout", delicate=True),
    Kind("song.mp3", song("-c:a", "libmp3lame"), "MP3", size=None),
    Kind(
        "no header.mp3",
        song("-c:a", "libmp3lame", "-q:a", "2", "-write_xing", "0", "-id3v2_version", "0"),
        "MP3 of variable rate without a length",
        size=None,
        loose=0.03,
    ),
    Kind("radio.aac", song("-c:a", "aac", "-ac", "2"), "AAC in ADTS", size=None, delicate=True),
    Kind("song.m4a", song("-c:a", "aac", "-ac", "2"), "M4A", size=None),
    Kind("apple.m4a", song("-c:a", "alac"), "Apple Lossless", size=None),
    Kind("song.flac", song("-c:a", "flac"), "FLAC", size=None),
    Kind("song.ogg", song("-c:a", "libvorbis"), "Vorbis", size=None),
    Kind("joined.ogg", _songs_joined, "Ogg, two songs joined", size=None, delicate=True, loose=0.05),
    Kind("song.opus", song("-c:a", "libopus"), "Opus", size=None),
    Kind("song.wav", song("-c:a", "pcm_s16le"), "WAV", size=None),
    Kind("studio.wav", song("-c:a", "pcm_s24le", "-ar", "96000"), "WAV, 24 bit, 96 kHz", size=None),
    Kind("telephone.wav", song("-c:a", "pcm_mulaw", "-ar", "8000", "-ac", "1"), "WAV, 8 kHz", size=None),
    Kind("song.aiff", song("-c:a", "pcm_s16be"), "AIFF", size=None),
    Kind("song.caf", song("-c:a", "pcm_s16be"), "CAF", size=None),
    Kind("song.wv", song("-c:a", "wavpack"), "WavPack", size=None),
    Kind("song.tta", song("-c:a", "tta"), "True Audio", size=None),
    Kind("song.ac3", song("-c:a", "ac3", "-ac", "2"), "AC-3", size=None, loose=0.04),
    Kind("song.wma", song("-c:a", "wmav2"), "Windows Media Audio", size=None, loose=0.06),
    Kind("song.mka", song("-c:a", "truehd", "-strict", "-2", "-ac", "2"), "TrueHD", size=None),
)


DELICATE = tuple(kind for kind in KINDS if kind.delicate)
"""Those that went wrong once, or go wrong easily."""


def make_corpus(directory: Path, ffmpeg: str, kinds: Sequence[Kind] = KINDS) -> None:
    """Make the files of these kinds, by an ffmpeg of 8.0 or later that has all encoders."""
    shop = Workshop(directory, ffmpeg)
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(kind.make, shop, kind.name) for kind in kinds]:
            done.result()
    for left in directory.iterdir():
        if left.name.startswith("."):
            left.unlink()
