"""The filters of copies. tests/live/test_damage.py shows what they are for."""

import pytest

from tests.plan.examples import MEDIA
from transcoded.plan.media.argv import stream_argv
from transcoded.plan.media.choose import choose
from transcoded.plan.media.copy_filters import copy_filters
from transcoded.plan.media.formats import FORMATS
from transcoded.plan.media.params import StreamParams


@pytest.mark.parametrize("name", ["mp4", "webm", "mkv", "ts"])
def test_what_the_muxer_would_convert_is_converted_before_it(name: str) -> None:
    """A codec that is copied into this format and is missing here is one whose damage ends the stream."""
    output = FORMATS[name]
    filtered = {codec for codec in output.holds_video if copy_filters(output.muxer, codec)}
    assert (
        filtered
        == {
            "mp4": {"vp9", "av1"},
            "webm": {"vp9", "av1"},
            "mkv": {"vp9", "av1"},
            "ts": {"h264", "hevc"},
        }[name]
    )


def test_a_copy_has_its_filter_and_a_transcode_has_none() -> None:
    def filters(mode: str) -> list[str]:
        plan = choose(MEDIA, FORMATS["ts"], StreamParams(mode=mode))  # type: ignore[arg-type]  # one of its values
        arguments = stream_argv(plan, "a")
        return [arguments[i + 1] for i, word in enumerate(arguments) if word == "-bsf:v"]

    assert filters("copy") == ["h264_mp4toannexb"]
    assert filters("transcode") == []
