"""Windows of real films, with each ffmpeg: together they hold the whole text, wherever it is in the file, and no ffmpeg is left of them."""

import re
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from tests.support.clips import ffmpeg, made_once
from tests.support.daemon import LiveDaemon, media_url, until
from tests.support.programs import Programs
from transcoded.plan.subtitles.windows import WINDOW, cut

SECONDS = 400
TEXTS = ("one", "two é", "<i>x</i> & y", "a\nb", "I <3 you", "naïve — “x”")
CYRILLIC = "Привет, как дела?"


def clock(milliseconds: int, point: str, places: int = 3) -> str:
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{point}{f'{rest % 1000:03}'[:places]}"


def script(seed: int) -> Sequence[tuple[int, int, str]]:
    """Lines of up to a minute, some in a crowd and some alone."""
    random = Random(seed)  # not for secrets
    lines = []
    for number in range(random.choice([3, 30, 150])):
        start = random.randrange(0, SECONDS * 100) * 10
        length = random.choice([random.randrange(10, 6000), random.randrange(10, 500)]) * 10
        lines.append((start, start + length, f"{random.choice(TEXTS)}{number}"))
    return sorted(lines)


def srt(lines: Sequence[tuple[int, int, str]]) -> str:
    return "".join(
        f"{number}\n{clock(start, ',')} --> {clock(end, ',')}\n{text}\n\n"
        for number, (start, end, text) in enumerate(lines, 1)
    )


def ass(lines: Sequence[tuple[int, int, str]]) -> str:
    head = (
        "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize, Bold, Italic, Alignment\n"
        "Style: Default,Arial,20,0,0,2\nStyle: Top,Arial,20,0,1,8\n\n[Events]\n"
        "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    )
    return head + "".join(
        f"Dialogue: 0,{clock(start, '.', 2)[1:]},{clock(end, '.', 2)[1:]},{'Top' if start % 20 else 'Default'},,0,0,0,,"
        + text.replace("\n", "\\N")
        + "\n"
        for start, end, text in lines
    )


def vtt(lines: Sequence[tuple[int, int, str]]) -> str:
    return "WEBVTT\n\n" + "".join(
        f"{f'name {start}{chr(10)}' if start % 20 else ''}{clock(start, '.')} --> {clock(end, '.')}"
        f"{' line:0' if end % 20 else ''}\n{text}\n\n"
        for start, end, text in lines
    )


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films of several minutes with random lines in several formats."""

    def make(directory: Path) -> None:
        picture = ("-f", "lavfi", "-i", f"color=c=gray:s=64x48:r=10:d={SECONDS}")
        sound = ("-f", "lavfi", "-i", f"sine=r=48000:d={SECONDS}")
        film = directory / ".film.mp4"
        coded = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-c:a", "aac")
        ffmpeg(*picture, *sound, *coded, "-shortest", f"file:{film}")
        for seed in range(3):
            written = {
                ".a.srt": srt(script(seed)).encode(),
                ".b.ass": ass(script(seed + 10)).encode(),
                ".c.vtt": vtt(script(seed + 20)).encode(),
                ".d.srt": srt([(a, b, f"{CYRILLIC} {c}") for a, b, c in script(seed)]).encode("cp1251", "replace"),
            }
            for name, data in written.items():
                (directory / name).write_bytes(data)
            a, b, c, d = (("-copyts", "-i", f"file:{directory / name}") for name in written)
            base = ("-i", f"file:{film}")
            three = ("-map", "0", "-map", "1", "-map", "2", "-map", "3", "-c", "copy")
            ffmpeg(*base, *a, *b, *c, *three, f"file:{directory / f'three{seed}.mkv'}")
            two = ("-map", "0", "-map", "1", "-map", "2", "-c", "copy", "-c:s", "mov_text")
            ffmpeg(*base, *a, *b, *two, f"file:{directory / f'phone{seed}.mp4'}")
            if not seed:
                late = [("-itsoffset", "77.3", *one) for one in (base, a, b)]
                ffmpeg(
                    *(part for one in late for part in one), *two[:6], *("-c", "copy"), f"file:{directory / 'late.mkv'}"
                )
                silent = ("-map", "0:v", "-map", "1", "-c", "copy")
                ffmpeg(*base, *a, *silent, f"file:{directory / 'silent.mkv'}")
                ffmpeg(*base, *d, *silent, f"file:{directory / 'cyrillic.mkv'}")
        shutil.copy(film, directory / "beside.mp4")
        shutil.copy(directory / ".a.srt", directory / "beside.en.srt")
        shutil.copy(directory / ".c.vtt", directory / "beside.de.vtt")
        for path in directory.glob(".*"):
            path.unlink()

    return made_once(tmp_path_factory, "windows", make)


@pytest.fixture(scope="module")
def daemon(programs: Programs, texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    """A daemon with each ffmpeg."""
    with LiveDaemon(tmp_path_factory.mktemp("windows-daemon"), {"w": texts}, programs=programs) as daemon:
        yield daemon


def get(daemon: LiveDaemon, name: str, tail: str) -> str:
    answer = daemon.get(media_url(f"w/{name}", tail))
    assert answer.status == 200, answer.body
    return answer.body.decode()


@pytest.mark.parametrize(
    "name",
    [
        *(f"three{seed}.mkv" for seed in range(3)),
        *(f"phone{seed}.mp4" for seed in range(3)),
        *("late.mkv", "silent.mkv", "cyrillic.mkv", "beside.mp4"),
    ],
)
def test_windows_hold_the_whole_text(daemon: LiveDaemon, name: str) -> None:
    """In any order: the window of a seek is the one that playing comes to."""
    tracks = re.findall(r'URI="cmaf/(s\d+)/index', get(daemon, name, "/master.m3u8"))
    assert tracks
    for track in tracks:
        whole = get(daemon, name, f"/subtitles/{track[1:]}.vtt")
        assert "-->" in whole
        urls = re.findall(r"^\d+\.vtt", get(daemon, name, f"/cmaf/{track}/index.m3u8"), re.MULTILINE)
        assert len(urls) >= SECONDS // WINDOW
        for number in reversed(range(len(urls))):
            assert get(daemon, name, f"/cmaf/{track}/{number}.vtt") == cut(whole, number), (track, number)
    assert (CYRILLIC in whole) == (name == "cyrillic.mkv")
    until(lambda: not daemon.census(), "no ffmpeg is left of those that were ended early")
    assert not daemon.live()


def test_whoever_leaves_leaves_nothing_behind(daemon: LiveDaemon, texts: Path) -> None:
    """A player asks for windows and is gone, or asks for many at the same time."""
    copied = texts / "left.mkv"
    shutil.copy(texts / "three1.mkv", copied)
    try:
        for number in range(3):
            daemon.open(media_url("w/left.mkv", f"/cmaf/s0/{2 * number}.vtt")).close()
        with ThreadPoolExecutor(8) as players:
            found = list(
                players.map(
                    lambda at: get(daemon, "left.mkv", f"/cmaf/s{at % 3}/{at // 3}.vtt"),
                    range(18),
                )
            )
        assert all(one.startswith("WEBVTT\nX-TIMESTAMP-MAP=") for one in found)
        until(lambda: not daemon.census(), "all that read the film are gone")
    finally:
        copied.unlink()
