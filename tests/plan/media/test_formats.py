"""The table of formats: a wrong line gives a whole format that no player takes."""

import pytest

from transcoded.plan.media.formats import FORMATS, Format

NAMES = ["mp4", "webm", "mkv", "ts", "mp3", "opus", "flac", "aac", "wav"]


def test_the_formats_are_those_of_the_contract() -> None:
    assert list(FORMATS) == NAMES


@pytest.mark.parametrize("output", FORMATS.values(), ids=NAMES)
def test_each_format_agrees_with_itself(output: Format) -> None:
    assert output.plays_video <= output.holds_video
    assert output.plays_audio <= output.holds_audio
    # What is made for a format must be what its clients play: a second request then finds nothing to do.
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
            # An asked bit rate takes the place of `quality`; were it among `options`, both would be given.
            assert not {"-crf", "-b:v", "-b:a"} & set(encoder.options)
