"""Layouts: who takes four separate microphones for a room hears three of them from behind."""

import pytest

from transcoded.plan.media.channel_layouts import kind_of
from transcoded.plan.media.probe import AudioStream


@pytest.mark.parametrize(
    ("layout", "channels", "kind"),
    [
        ("mono", 1, "named"),
        ("5.1(side)", 6, "named"),
        ("22.2", 24, "named"),
        ("3 channels (FL+FR+LFE)", 3, "named"),
        (None, 2, "numbered"),
        ("downmix", 2, "numbered"),
        ("binaural", 2, "numbered"),
        ("4 channels (FC+FC+FC+FC)", 4, "numbered"),
        ("2 channels (FL+USR64)", 2, "numbered"),
        ("2 channels (FL@x+FR)", 2, "numbered"),
        ("ambisonic 1", 4, "ambisonic"),
        ("ambisonic 1+stereo", 6, "ambisonic"),
    ],
)
def test_how_channels_are_told_apart(layout: str | None, channels: int, kind: str) -> None:
    assert kind_of(AudioStream(0, 0, "pcm_s16le", channels, 48_000, channel_layout=layout)) == kind
