"""Films with subtitles of every kind, that show one white mark or line from 2 to 6 s, and another one from 8 to 9 s.

The picture is gray, so what is drawn can be seen by its brightness.
"""

import struct
from collections.abc import Sequence
from pathlib import Path

from tests.support.clips import ffmpeg

LINES = ((2.0, 6.0), (8.0, 9.0))
SECONDS = 10
RATE = 25

FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf")
"""A font of which a copy with another name is attached to a film: the machine has none of that name."""


def _segment(at: float, kind: int, data: bytes) -> bytes:
    return b"PG" + struct.pack(">IIBH", round(at * 90_000), 0, kind, len(data)) + data


def blu_ray(canvas: tuple[int, int], box: tuple[int, int, int, int]) -> bytes:
    """The subtitles as a Blu-ray disc has them: a white box of x, y, width and height in the canvas."""
    x, y, width, height = box
    run = bytes([0, 0xC0 | width >> 8, width & 255, 1]) if width > 63 else bytes([0, 0x80 | width, 1])
    image = (run + b"\0\0") * height
    window = struct.pack(">BBHHHH", 1, 0, x, y, width, height)
    found = b""
    for number, (start, end) in enumerate(LINES):
        shown = struct.pack(">HHBHBBBB", *canvas, 0x10, number, 0x80, 0, 0, 1) + struct.pack(">HBBHH", 0, 0, 0, x, y)
        picture = b"\0\0\0\xc0" + (len(image) + 4).to_bytes(3) + struct.pack(">HH", width, height) + image
        # Composition, window, palette, object, end; then a composition of nothing.
        for kind, data in (
            (0x16, shown),
            (0x17, window),
            (0x14, b"\0\0\x01\xeb\x80\x80\xff"),
            (0x15, picture),
            (0x80, b""),
        ):
            found += _segment(start, kind, data)
        for kind, data in (
            (0x16, struct.pack(">HHBHBBBB", *canvas, 0x10, number, 0, 0, 0, 0)),
            (0x17, window),
            (0x80, b""),
        ):
            found += _segment(end, kind, data)
    return found


def _clock(seconds: float, comma: str) -> str:
    return f"00:00:{int(seconds):02}{comma}{round(seconds % 1 * 1000):03}"


SRT = "".join(
    f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\nMMMMMMMM\n\n"
    for number, (start, end) in enumerate(LINES, 1)
)
VTT = "WEBVTT\n\nNOTE nothing\n\n" + "".join(
    f"name\n{_clock(start, '.')} --> {_clock(end, '.')} line:0\n<v Somebody>MMMMMMMM\n\n" for start, end in LINES
)


def script(font: str, text: str) -> str:
    """A script of SubStation Alpha."""
    events = "".join(f"Dialogue: 0,0:00:{a:05.2f},0:00:{b:05.2f},Default,,0,0,0,,{text}\n" for a, b in LINES)
    style = f"Style: Default,{font},60,&H00FFFFFF,&H00FFFFFF,&H00000000,&H00000000,0,0,0,0,100,100,0,0,1,0,0,5,0,0,0,1"
    columns = (
        "Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, StrikeOut, "
        "ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding"
    )
    return (
        "[Script Info]\nScriptType: v4.00+\nPlayResX: 640\nPlayResY: 360\n\n[V4+ Styles]\n"
        f"Format: {columns}\n{style}\n\n[Events]\n"
        f"Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n{events}"
    )


def make_subtitled(directory: Path) -> None:
    """All films, in one directory."""
    size = "320x180"
    gray = ("-f", "lavfi", "-i", f"color=c=0x404040:s={size}:r={RATE}:d={SECONDS}")
    # Without sound, whose priming would move all times.
    coded = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "50")
    film = directory / "film.mp4"
    ffmpeg(*gray, *coded, f"file:{film}")
    (directory / "film.srt").write_text(SRT, "utf-8")
    (directory / "film.de.vtt").write_text(VTT, "utf-8")

    def made(name: str, *arguments: str) -> None:
        # Each starts at 0, and not where its first line begins.
        ffmpeg("-i", f"file:{film}", *arguments, "-map", "0", "-c:v", "copy", f"file:{directory / name}")

    def beside(name: str, data: str | bytes) -> Sequence[str]:
        path = directory / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return ("-copyts", "-i", f"file:{path}", "-map", "1")

    made("srt.mkv", *beside("text.srt.txt", SRT), "-c:s", "subrip")
    made("text.mp4", *beside("text2.srt.txt", SRT), "-c:s", "mov_text")
    made("ass.mkv", *beside("ass.txt", script("sans-serif", "MMMM")), "-c:s", "ass")
    wide = blu_ray((1920, 1080), (760, 900, 400, 100))
    made("pgs.mkv", *beside("wide.sup.txt", wide), "-c:s", "copy")
    disc = beside("disc.sup.txt", blu_ray((720, 576), (280, 480, 160, 60)))
    # Without it, ffmpeg does not say when a line ends.
    made("dvd.mkv", "-fix_sub_duration", *disc, "-c:s", "dvdsub")
    made("dvb.ts", "-fix_sub_duration", *disc, "-c:s", "dvbsub")
    part = (directory / "dvb.ts").read_bytes()
    (directory / "joined.ts").write_bytes(part + part)
    for early, codec in (("early.mkv", "subrip"), ("early ass.mkv", "ass")):
        # The film begins when the first line has been showing for a second.
        late = ("-itsoffset", "3", "-i", f"file:{film}", *beside("early.srt.txt", SRT))
        ffmpeg(*late, "-map", "0", "-c:v", "copy", "-c:s", codec, f"file:{directory / early}")
    # A disc's subtitles over a film whose bars were cut off: all of them must be seen.
    cut = ("-f", "lavfi", "-i", f"color=c=0x404040:s=320x134:r={RATE}:d={SECONDS}")
    low = beside("low.sup.txt", blu_ray((1920, 1080), (760, 980, 400, 100)))
    ffmpeg(*cut, *low, "-map", "0", *coded, "-c:s", "copy", f"file:{directory / 'cut.mkv'}")
    if FONT.exists():
        font = directory / "font.ttf"
        name = "DejaVu".encode("utf-16-be"), "QueerX".encode("utf-16-be")
        font.write_bytes(FONT.read_bytes().replace(*name).replace(b"DejaVu", b"QueerX"))
        narrow = beside("narrow.txt", script("QueerX Sans Mono", "iiiiiiiiii"))
        attached = ("-attach", f"file:{font}", "-metadata:s:t:0", "mimetype=application/x-truetype-font")
        made("font.mkv", *narrow, *attached, "-c:s", "ass")
        made("no font.mkv", *beside("narrow2.txt", script("QueerX Sans Mono", "iiiiiiiiii")), "-c:s", "ass")
    for path in directory.glob("*.txt"):
        path.unlink()
