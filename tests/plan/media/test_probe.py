"""A probed file: which of its streams is played if the client does not choose."""

import attrs
import pytest

from tests.plan.examples import AUDIO_STREAM, MEDIA, VIDEO_STREAM
from transcoded.plan.media.probe import STREAM, SubtitleStream


def test_the_streams_with_the_default_flag_are_played() -> None:
    video = (VIDEO_STREAM, attrs.evolve(VIDEO_STREAM, index=5, default=True))
    audio = (AUDIO_STREAM, attrs.evolve(AUDIO_STREAM, index=6, position=1, default=True))
    media = attrs.evolve(MEDIA, video=video, audio=audio)
    assert media.default_video is video[1]
    assert media.default_audio is audio[1]


def test_without_a_default_flag_the_first_streams_are_played() -> None:
    video = (VIDEO_STREAM, attrs.evolve(VIDEO_STREAM, index=5))
    audio = (AUDIO_STREAM, attrs.evolve(AUDIO_STREAM, index=6, position=1))
    media = attrs.evolve(MEDIA, video=video, audio=audio)
    assert media.default_video is video[0]
    assert media.default_audio is audio[0]


def test_without_streams_nothing_is_played() -> None:
    media = attrs.evolve(MEDIA, video=(), audio=())
    assert media.default_video is None
    assert media.default_audio is None


@pytest.mark.parametrize(
    ("transfer", "hdr"), [("smpte2084", "hdr10"), ("arib-std-b67", "hlg"), ("bt709", None), (None, None)]
)
def test_hdr_is_known_by_the_transfer_function(transfer: str | None, hdr: str | None) -> None:
    assert attrs.evolve(VIDEO_STREAM, transfer=transfer).hdr == hdr


def test_what_a_file_weighs_grows_with_its_streams_and_texts() -> None:
    """The caches count it: the file decides how many streams there are, and how long their titles."""
    light = attrs.evolve(MEDIA, subtitles=())
    stream = SubtitleStream(2, 0, "subrip", text=True)
    heavy = attrs.evolve(light, subtitles=(attrs.evolve(stream, title="😀" * 1000), stream))
    assert heavy.weight == light.weight + 2 * STREAM + 4000
