"""What reaches clients of a program's words: no directory of the disk."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.media.stderr_text import without_paths


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("file:/proc/self/fd/4: Invalid data", "the file: Invalid data"),
        ("[in#0] Error opening input /proc/self/fd/4.", "[in#0] Error opening input the file."),
        ("/input: Permission denied", "the file: Permission denied"),
        ("Cannot open '/mnt/media/films/a.srt'", "Cannot open 'a.srt'"),
        ("file:/srv/films/secret/a.mkv: No such file", "a.mkv: No such file"),
        ("/opt/x/ffmpeg: error while loading libx.so", "ffmpeg: error while loading libx.so"),
        ("No display for /dev/dri/renderD128.", "No display for /dev/dri/renderD128."),
        ("see https://trac.ffmpeg.org/wiki/x/y", "see https://trac.ffmpeg.org/wiki/x/y"),
        ("25/1 fps, 16:9, yuv420p/tv", "25/1 fps, 16:9, yuv420p/tv"),
    ],
)
def test_directories_are_left_out(said: str, told: str) -> None:
    assert without_paths(said) == told


@given(st.lists(st.text("abcXYZ019_-.", min_size=1, max_size=9), min_size=2, max_size=6))
def test_no_directory_is_left_of_any_path(parts: list[str]) -> None:
    path = "/srv/" + "/".join(parts)
    assert "/srv/" not in without_paths(f"cannot open {path}: no")
