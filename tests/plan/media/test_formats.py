"""The table of formats: with a wrong entry, no player plays the format."""

import pytest

from transcoded.plan.media.formats import FORMATS, Format

NAMES = ["mp4", "webm", "mkv", "ts", "mp3", "opus", "flac", "aac", "wav"]


def test_the_formats_are_those_of_the_contract() -> None:
    assert list(FORMATS) == NAMES


@pytest.mark.parametrize("output", FORMATS.values(), ids=NAMES)
def test_each_format_is_consistent(output: Format) -> None:
    assert output.plays_video <= output.holds_video
    assert output.plays_audio <= output.holds_audio
    # Players of a format must play what is encoded for it.
    assert output.audio.codec in output.plays_audio
    if output.video is None:
        assert not output.holds_video
        assert output.content_type == output.audio_content_type
        assert output.content_type.startswith("audio/")
    else:
        assert output.video.codec in output.plays_video or output.name == "webm"
        assert output.content_type.startswith("video/")
    for encoder in (output.video, output.audio):
        if encoder is not None:
            assert list(encoder.sample_rates) == sorted(encoder.sample_rates, reverse=True)
            # A requested bit rate replaces `quality`. In `options`, it would be there in addition.
            assert not {"-crf", "-b:v", "-b:a"} & set(encoder.options)
