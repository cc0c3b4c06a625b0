"""Language tags (BCP 47, RFC 5646) and unique names of the streams in playlists and manifests."""

import re
from collections.abc import Sequence

from transcoded.plan.media.probe import AudioStream, SubtitleStream
from transcoded.plan.subtitles.languages import tag_of_code

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]+")


def language_tag(language: str | None) -> str | None:
    """The BCP 47 tag for the language code of a file. None if it is missing, not valid, or not of one language."""
    return tag_of_code(language)


def names(streams: Sequence[AudioStream | SubtitleStream], kind: str) -> list[str]:
    """A unique name for each stream: its title, else its language tag, else `kind` and a number.

    It also says of subtitles that they are forced, or for those who are hard of hearing.
    """
    taken: set[str] = set()
    found: list[str] = []
    for number, stream in enumerate(streams, 1):
        wanted = clean(stream.title or "") or language_tag(stream.language) or f"{kind} {number}"
        wanted += _kind(stream)
        name, again = wanted, 2
        while name in taken:
            name, again = f"{wanted} ({again})", again + 1
        taken.add(name)
        found.append(name)
    return found


def _kind(stream: AudioStream | SubtitleStream) -> str:
    if not isinstance(stream, SubtitleStream) or stream.title:
        return ""
    words = [*(["forced"] if stream.forced else []), *(["SDH"] if stream.hearing_impaired else [])]
    return f" ({', '.join(words)})" if words else ""


def clean(text: str) -> str:
    """At most 200 characters of a text.

    Control characters and line breaks, which a playlist and XML cannot contain, become spaces.
    """
    return _CONTROL.sub(" ", text).strip()[:200]
