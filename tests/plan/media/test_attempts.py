"""Attempts: what counts as a proof. A thing that is believed without one is a promise that fails when somebody presses play."""

import pytest

from transcoded.plan.media.attempts import MAX_ARGUMENT, Attempt, Opening, Part, Picture

LINE = "{0},          0,          0,        1,     4608, 0x2cc569c0\n"


def attempt(count: int, kind: type[Attempt] = Attempt) -> Attempt:
    return kind(tuple(Part(f"decoders/{name}", ("-f", "nut"), b"x") for name in "abcdefghijklmnopqrstuvwxyz"[:count]))


def test_each_part_is_an_input_and_a_stream() -> None:
    parts = (
        Part("decoders/h264", ("-f", "nut"), b"abc", (("c", "rawvideo"),)),
        Part("filters/scale", ("-f", "lavfi", "-i", "color"), options=(("filter", "scale"), ("c", "png"))),
    )
    text = " ".join(Attempt(parts).arguments)
    assert "-f nut -i data:application/octet-stream;base64,YWJj -f lavfi -i color" in text
    assert "-map 0:0 -c:0 rawvideo -map 1:0 -filter:1 scale -c:1 png" in text
    assert text.endswith("-f framecrc pipe:1")


def test_a_frame_proves_its_part_and_a_header_proves_nothing() -> None:
    header = "#software: Lavf63.1.102\n#tb 0: 1/25\n#media_type 0: video\n#dimensions 1: 64x64\n"
    output = (header + LINE.format(2) + LINE.format(0) + LINE.format(2)).encode("ascii")
    assert attempt(3).proven(output, None) == {"decoders/a", "decoders/c"}
    assert attempt(3).proven(header.encode("ascii"), None) == frozenset()


def test_a_frame_of_no_bytes_proves_nothing() -> None:
    assert attempt(1).proven(b"0,          0,          0,        1,        0, 0x00000000\n", None) == frozenset()


def test_the_exit_status_proves_nothing() -> None:
    """ffmpeg 9 ends with 69 if one stream of many fails, and with 0 though one of them made no frame."""
    assert attempt(1).proven(b"", None) == frozenset()
    assert attempt(1).proven(LINE.format(0).encode("ascii"), "ends with status 69") == {"decoders/a"}


def test_what_was_not_proven_is_tried_again_in_smaller_runs_down_to_one() -> None:
    whole = attempt(26)
    proven = frozenset({"decoders/a", "decoders/z"})
    smaller = whole.again(proven)
    assert frozenset().union(*(one.subjects for one in smaller)) == whole.subjects - proven
    assert all(len(one.parts) < len(whole.parts) for one in smaller)
    for one in smaller:
        singles = [single for some in one.again(frozenset()) for single in (some.again(frozenset()) or [some])]
        assert {subject for single in singles for subject in single.subjects} == one.subjects
    assert attempt(1).again(frozenset()) == []
    assert [type(one) for one in attempt(2, Opening).again(frozenset())] == [Opening, Opening]


def test_what_breaks_a_run_of_two_is_found() -> None:
    assert [one.subjects for one in attempt(2).again(frozenset())] == [{"decoders/a"}, {"decoders/b"}]


def test_an_opened_decoder_is_proven_when_ffmpeg_goes_on_to_read() -> None:
    opening = attempt(2, Opening)
    assert "-progress pipe:1" in " ".join(opening.arguments)
    assert opening.proven(b"frame=0\nprogress=end\n", "ends with status 69") == opening.subjects
    assert opening.proven(b"", "ends with status 234: Error opening output files") == frozenset()
    # ffmpeg 5, whose decoder was opened and has made no frame.
    assert opening.proven(b"", "ends with status 1: Error marking filters as finished") == opening.subjects


def test_an_input_that_is_too_long_for_an_argument_is_read_from_stdin() -> None:
    long = Attempt((Part("decoders/dvvideo", ("-f", "dv"), b"x" * (MAX_ARGUMENT + 1)),))
    assert long.stdin == b"x" * (MAX_ARGUMENT + 1)
    assert list(long.arguments[-7:-5]) == ["-i", "pipe:0"]
    assert attempt(3).stdin == b""


@pytest.mark.parametrize(
    ("output", "problem", "right"),
    [(b"white", None, True), (b"black", None, False), (b"white", "ends with status 1", False)],
)
def test_a_picture_is_looked_at(output: bytes, problem: str | None, right: bool) -> None:
    """A filter that draws nothing, or nonsense, ends with 0, too."""
    picture = Picture("filters/ass", ("-i", "x"), lambda data: data == b"white")
    assert picture.proven(output, problem) == ({"filters/ass"} if right else frozenset())
    assert picture.arguments[-5:] == ["-i", "x", "-f", "rawvideo", "pipe:1"]
    assert picture.again(frozenset()) == []
