"""What is known of the channels of a sound from the name that ffmpeg gives their layout.

Names are those of `ffmpeg -layouts`. A layout that has none is described as `4 channels (FC+FC+FC+FC)`, or not at all.
"""

import re
from typing import Literal

from transcoded.plan.media.probe import AudioStream

Kind = Literal["named", "numbered", "ambisonic"]

LOSSLESS_LAYOUTS = ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")
"""The layouts that FLAC has, by the number of channels (RFC 9639, section 9.1.3)."""

KEPT_LAYOUTS = frozenset({*LOSSLESS_LAYOUTS, "quad(side)", "5.0(side)", "5.1(side)"})
"""Layouts that are kept where all channels are: FLAC has them, or their channels behind are at the sides."""

CHANNELS = frozenset(
    "FL FR FC LFE BL BR FLC FRC BC SL SR TC TFL TFC TFR TBL TBC TBR DL DR WL WR SDL SDR LFE2 TSL TSR BFC BFL BFR".split()
)
"""Names of channels in FFmpeg 5.1. Later ones have more, which are rare."""

_DESCRIBED = re.compile(r"[0-9]{1,4} channels \(([A-Z0-9+]{1,1000})\)")


def kind_of(stream: AudioStream) -> Kind:
    """How the channels can be told apart: by their names, only by their numbers, or as the components of a sound field (ACN order)."""
    layout = stream.channel_layout
    if layout is None:
        return "numbered"
    if layout.startswith("ambisonic"):
        return "ambisonic"
    if layout in {"downmix", "binaural"}:  # stereo by another name
        return "numbered"
    if " channels" not in layout:
        return "named"
    described = _DESCRIBED.fullmatch(layout)
    names = described[1].split("+") if described else []
    # Channels that are all in the centre are separate recordings, or languages.
    return "named" if names and len(set(names)) == len(names) and set(names) <= CHANNELS else "numbered"
