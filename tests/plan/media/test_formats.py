"""The table of formats: a wrong line gives a whole format that no player takes."""

import pytest

from transcoded.plan.media.formats import FORMATS, Profile

NAMES = ["mp4", "webm", "mkv", "ts", "mp3", "opus", "flac", "aac", "wav"]


def test_the_formats_are_those_of_the_contract() -> None:
    assert list(FORMATS) == NAMES


@pytest.mark.parametrize("profile", FORMATS.values(), ids=NAMES)
def test_each_format_agrees_with_itself(profile: Profile) -> None:
    assert profile.plays_video <= profile.holds_video
    assert profile.plays_audio <= profile.holds_audio
    # What is made for a format must be what its clients play: a second request then finds nothing to do.
    assert profile.audio.codec in profile.plays_audio
    if profile.video is None:
        assert not profile.holds_video
        assert profile.content_type == profile.audio_content_type
        assert profile.content_type.startswith("audio/")
    else:
        assert profile.video.codec in profile.plays_video or profile.name == "webm"
        assert profile.content_type.startswith("video/")
    for encoder in (profile.video, profile.audio):
        if encoder is not None:
            assert list(encoder.sample_rates) == sorted(encoder.sample_rates, reverse=True)
            # An asked bit rate takes the place of `quality`; were it among `options`, both would be given.
            assert not {"-crf", "-b:v", "-b:a"} & set(encoder.options)
