"""The query parameters of streams and thumbnails, and those of a stream as one frozen value."""

from fractions import Fraction
from typing import Literal, cast

import attrs

from transcoded.plan.http.parameters import Parameter, Values, matching, one_of, whole
from transcoded.plan.http.patterns import decimals, fraction_from

Mode = Literal["auto", "copy", "transcode"]
StartAt = Literal["exact", "keyframe"]
Downmix = Literal["standard", "dialogue", "night"]
"""How many channels are mixed to few: by ITU-R BS.775; with the centre raised; with that, and loud and quiet brought together."""

MAX_HOURS = 240
MAX_SECONDS = MAX_HOURS * 3600.0
MIN_DURATION = Fraction(1, 1000)
"""Seconds."""

# [0-9] instead of \d, which in Python also matches the digits of other scripts.
_PLACES = 20
"""Decimals of a time. JavaScript writes up to 17: `8.450000000000001`."""

_SECONDS = "[0-5]?[0-9](?:\\.[0-9]{0,20})?"
_MINUTES = "[0-5]?[0-9]"
_LAST_MOMENT = f"{MAX_HOURS}:0{{1,2}}:0{{1,2}}(?:\\.0{{0,20}})?"
_TIME = (
    decimals(Fraction(0), Fraction(int(MAX_SECONDS)), _PLACES, dot_alone=True),
    "\\.[0-9]{1,20}",
    f"(?:(?:[01]?[0-9]{{1,2}}|2[0-3][0-9]):)?{_MINUTES}:{_SECONDS}",
    _LAST_MOMENT,
)
_POSITIVE_TIME = (
    decimals(MIN_DURATION, Fraction(int(MAX_SECONDS)), _PLACES, dot_alone=True),
    f"\\.{fraction_from(MIN_DURATION, _PLACES)}",
    # At least one hour; or no hours and at least one minute; or neither, and at least one second or a millisecond.
    f"(?:0{{0,2}}[1-9]|0?[1-9][0-9]|1[0-9][0-9]|2[0-3][0-9]):{_MINUTES}:{_SECONDS}",
    f"(?:0{{1,3}}:)?(?:0?[1-9]|[1-5][0-9]):{_SECONDS}",
    "(?:0{1,3}:)?0{1,2}:(?:0?[1-9]|[1-5][0-9])(?:\\.[0-9]{0,20})?",
    f"(?:0{{1,3}}:)?0{{1,2}}:0{{1,2}}\\.{fraction_from(MIN_DURATION, _PLACES)}",
    _LAST_MOMENT,
)
_TIME_HINT = f"give seconds (83.5) or HH:MM:SS.mmm (00:01:23.500), at most {MAX_SECONDS:.0f} seconds"
_RATE_UNITS = {"": 1, "k": 1000, "m": 1_000_000}


@attrs.frozen
class StreamParams:
    """The parameters of a stream.

    `start` and `duration` are in seconds, `height` is in pixels as displayed, bit rates are in bits per second, `audio` is the
    position among the audio streams, `channels` is the largest number of them. `subtitle` is the position of the subtitles that are
    drawn into the video with `burn`. `start_at` is `keyframe` if the stream may begin at the keyframe before the start, where a copy can. None means: not requested.
    """

    start: float = 0.0
    duration: float | None = None
    height: int | None = None
    video_bitrate: int | None = None
    audio_bitrate: int | None = None
    audio: int | None = None
    mode: Mode = "auto"
    channels: int | None = None
    downmix: Downmix = "standard"
    subtitle: int | None = None
    burn: bool = False
    start_at: StartAt = "exact"


def seconds(text: str) -> float:
    """Seconds from a text that a time parameter allows: `83.5`, `1:23.5` or `00:01:23.500`."""
    value = 0.0
    for part in text.split(":"):
        value = value * 60 + float(part)
    return value


def bits_per_second(text: str) -> int:
    """Bits per second from a text that a bit rate parameter allows: `2M`, `128k`, `96000`."""
    number = text.rstrip("kKmM")
    return round(float(number) * _RATE_UNITS[text[len(number) :].lower()])


def _bit_rate(name: str, minimum: int, maximum: int, meaning: str) -> Parameter[int | None]:
    """A parameter in bits per second, from `minimum` to `maximum`."""
    units = (("", 1), ("[kK]", 1000), ("[mM]", 1_000_000))
    patterns = [f"{decimals(Fraction(minimum, unit), Fraction(maximum, unit), 6)}{letter}" for letter, unit in units]
    hint = f"give bits per second from {minimum} to {maximum}, such as 2M or 128k."
    return matching(name, patterns, hint, bits_per_second, None, meaning)


START: Parameter[float] = matching(
    "start", _TIME, f"{_TIME_HINT}.", seconds, 0.0, "The time of the file at which the stream begins."
)
START_AT = one_of(
    "start_at",
    ("exact", "keyframe"),
    "exact",
    "Where a stream with a start begins: exactly there, or at the keyframe before it, where the video can be copied. X-Stream-Start says where that is.",
)
DURATION: Parameter[float | None] = matching(
    "duration",
    _POSITIVE_TIME,
    f"{_TIME_HINT}, and at least 0.001 seconds.",
    seconds,
    None,
    "The length of the stream; by default to the end of the file.",
)
HEIGHT = whole("height", 16, 8640, None, "Height of the video in pixels, at most that of the file.")
VIDEO_BITRATE = _bit_rate("video_bitrate", 10_000, 500_000_000, "Bits per second of the video.")
AUDIO_BITRATE = _bit_rate("audio_bitrate", 6_000, 2_000_000, "Bits per second of the audio.")
AUDIO = whole("audio", 0, 999, None, "Which of the audio streams; the first is 0.")
MODE = one_of(
    "mode",
    ("auto", "copy", "transcode"),
    "auto",
    "auto: copy each stream that fits the format; copy: all or an error; transcode: none.",
)
CHANNELS: Parameter[int | None] = Parameter(
    "channels",
    {"type": "string", "enum": ("2", "6")},
    "give 2 or 6.",
    int,
    None,
    "Channels of the audio at most: 2 is stereo, 6 is 5.1.",
)
DOWNMIX = one_of(
    "downmix",
    ("standard", "dialogue", "night"),
    "standard",
    "How many channels are mixed to few: standard by ITU-R BS.775, dialogue with raised speech, night also with less difference between loud and quiet.",
)

SUBTITLE = whole("subtitle", 0, 999, None, "Which subtitles are drawn into the video, with burn=1; the first are 0.")
BURN = one_of("burn", ("0", "1"), "0", "1: draw the subtitles that the parameter subtitle names into the video.")

STREAM_PARAMETERS = (
    *(START, START_AT, DURATION, HEIGHT, VIDEO_BITRATE, AUDIO_BITRATE, AUDIO, CHANNELS, DOWNMIX, MODE),
    *(SUBTITLE, BURN),
)

BURNED = whole("burn", 0, 999, None, "Which subtitles are drawn into the video; the first are 0. By default none.")
MAX_HEIGHT = whole("max_height", 16, 8640, None, "The most rows of the video that a player is offered.")
MAX_BITRATE = whole(
    "max_bitrate",
    100_000,
    1_000_000_000,
    None,
    "The most bits per second of the video and its audio that a player is offered.",
)
VARIANTS = one_of(
    "variants",
    ("all", "copy", "encoded"),
    "all",
    "Which videos are listed, if there are such. Of copy and encoded, only with the first audio group: for a player that cannot change codecs.",
)

TIME: Parameter[float | None] = matching("time", _TIME, f"{_TIME_HINT}.", seconds, None, "The time of the frame.")
WIDTH = whole("width", 16, 3840, 320, "Width of the image in pixels, at most that of the file.")


def stream_params(values: Values) -> StreamParams:
    """The parameters of a stream route."""
    return StreamParams(
        start=values[START],
        start_at=cast(StartAt, values[START_AT]),
        duration=values[DURATION],
        height=values[HEIGHT],
        video_bitrate=values[VIDEO_BITRATE],
        audio_bitrate=values[AUDIO_BITRATE],
        audio=values[AUDIO],
        mode=cast(Mode, values[MODE]),
        channels=values[CHANNELS],
        downmix=cast(Downmix, values[DOWNMIX]),
        subtitle=values[SUBTITLE],
        burn=values[BURN] == "1",
    )
