"""From the bytes of a subtitle file, or of what ffmpeg has taken out of a film, to WebVTT."""

from itertools import islice

from transcoded.plan.errors import NotMedia
from transcoded.plan.subtitles.ass import is_ass, read_ass
from transcoded.plan.subtitles.charsets import decode
from transcoded.plan.subtitles.cues import write_webvtt
from transcoded.plan.subtitles.srt import read_srt
from transcoded.plan.subtitles.webvtt import has_times_of_webvtt, is_webvtt, passed_on

MAX_CUES = 100_000
"""Cues of one file. A film of ten hours with one in each second has 36,000; scripts with animated signs have some 10,000."""

MAX_MARKS = 500_000
"""Tags, or what could be one, in one file."""


def to_webvtt(data: bytes, codec: str, charset: str | None = None, language: str | None = None) -> bytes:
    """A file as WebVTT, in UTF-8. One without any cue is a file of WebVTT without cues.

    `codec` is ffmpeg's name for what the suffix of the file promises. What a file begins with counts more: WebVTT and SubStation
    Alpha say what they are. `charset` and `language` are those of `decode`. Raises `NotMedia` if it is too long,
    with more cues or tags than a subtitle file can have.
    """
    text = decode(data, charset, language).text
    if is_webvtt(text) or (codec == "webvtt" and has_times_of_webvtt(text)):
        return passed_on(text).encode()
    if text.count("{") + text.count("<") > MAX_MARKS:
        raise NotMedia(f"The subtitles have more than {MAX_MARKS:,} tags.")
    read = read_ass if is_ass(text) else read_srt
    cues = list(islice(read(text), MAX_CUES + 1))
    if len(cues) > MAX_CUES:
        raise NotMedia(f"There are more than {MAX_CUES:,} subtitles.")
    return write_webvtt(cues).encode()


def to_utf8(data: bytes, charset: str | None = None, language: str | None = None) -> bytes:
    """A file of text in UTF-8: the same bytes if it is UTF-8."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return decode(data, charset, language).text.encode()
    return data
