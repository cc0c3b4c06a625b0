"""The value that says what ffmpeg can do."""

from transcoded.plan.media.capabilities import Capabilities, CodecEngine
from transcoded.plan.media.codec_trials import ENCODERS
from transcoded.plan.media.filter_trials import AUDIO_FILTERS, TONE_MAPPERS, VIDEO_FILTERS


def test_what_is_counted_is_what_can_be_used() -> None:
    engines = (
        CodecEngine("nvenc", works=True, why="", decodes=frozenset({"h264"}), encodes=frozenset({"h264", "av1"})),
        CodecEngine("software", works=True, why="", decodes=frozenset({"h264", "hevc"})),
    )
    found = Capabilities(
        decoders=frozenset({"h264", "hevc"}),
        encoders=frozenset({"aac"}),
        filters=frozenset({"scale"}),
        engines=engines,
        tone_mapping="scale",
        burns_in_text=True,
    )
    assert found.count == 2 + 1 + 1 + 3 + 2, "software decodes what decoders has already"


def test_everything_is_nothing_that_is_never_tried() -> None:
    """A test with it must not pass because of something that no machine can have."""
    found = Capabilities.everything()
    needed = frozenset().union(*TONE_MAPPERS.values())
    assert found.encoders <= set(ENCODERS)
    assert found.filters <= {*VIDEO_FILTERS, *AUDIO_FILTERS, *needed, "ass", "subtitles"}
