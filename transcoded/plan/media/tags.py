"""Tags and covers: which of a file's are carried into a stream of it.

They are given to ffmpeg one by one, and not copied as they are: what is written to a pipe must stay small, because ffmpeg must go back to the
sizes of MP4's `moov` and of ID3 tags, and keeps only 32 KiB for that. Private data and texts of any length do not belong there. The
arguments of a process can be read by every user of the machine; so can what is in them.
"""

import re
from collections.abc import Mapping, Sequence

TAGS = tuple(
    "title artist album album_artist composer track disc date genre comment copyright show season_number episode_id episode_sort "
    "replaygain_track_gain replaygain_track_peak replaygain_album_gain replaygain_album_peak".split()
)
"""ffmpeg's names of the tags that are carried, in the order of their importance."""

MAX_TAG = 1000
"""Characters of a tag that are carried."""

MAX_TAGS = 8 << 10
"""Bytes of all tags together, in UTF-8."""

COVERS = frozenset({"mjpeg", "png"})
"""Codecs of covers that players show."""

Tags = tuple[tuple[str, str], ...]

_LANGUAGE = re.compile("[A-Za-z0-9-]{2,35}")


def carried_tags(*found: Mapping[str, str]) -> Tags:
    """The tags that are carried, from what a file has in several places; the first that has one wins. Names can be in any case."""
    merged: dict[str, str] = {}
    for tags in reversed(found):
        merged |= {name.lower(): text for name, value in tags.items() if (text := _printable(value))}
    carried, room = [], MAX_TAGS
    for name, text in ((name, merged[name]) for name in TAGS if name in merged):
        size = len(name) + len(text.encode())
        if size <= room:
            carried.append((name, text))
            room -= size
    return tuple(carried)


def tag_arguments(tags: Tags, language: str | None, title: str | None) -> Sequence[str]:
    """Arguments by which an output has these tags and no others. `language` and `title` are those of the audio stream in it."""
    labels = {"language": language if language and _LANGUAGE.fullmatch(language) else None, "title": title}
    arguments = ["-map_metadata", "-1"]
    for name, text in tags:
        arguments += ["-metadata", f"{name}={text}"]
    for name, label in labels.items():
        text = _printable(label or "")
        if text:
            arguments += ["-metadata:s:a:0", f"{name}={text}"]
    return arguments


def _printable(text: str) -> str:
    """The text without control characters and surrogates, at most `MAX_TAG` characters."""
    cut = text[:MAX_TAG]
    return "".join(character if character.isprintable() else " " for character in cut).strip()
