"""What the name of a subtitle file says: to which film it belongs, its language, and what kind of subtitles it has.

    Film.en.srt   Film.forced.pt-BR.srt   Film.English (SDH).srt   Film.2.Director's Commentary.en.ass   Film_de.srt

The name of the file begins with that of the film. What follows is the label. Its words are a language (`languages`), one of
`FORCED`, `DEFAULT` and `HEARING_IMPAIRED`, or a number, in any order. What is none of these is the title.
"""

import re
from collections.abc import Collection, Sequence
from functools import lru_cache

import attrs

from transcoded.plan.subtitles.languages import NOT_ONE_LANGUAGE, tag_of_word

FORCED = frozenset({"forced", "foreign"})
DEFAULT = frozenset({"default"})
HEARING_IMPAIRED = frozenset({"sdh", "cc", "hi", "hoh", "hearing impaired", "closed captions"})

FOLDERS = ("Subs", "subs", "SUBS", "Subtitles", "subtitles", "SUBTITLES", "Sub", "sub")
"""Folders beside a film in which its subtitle files may be."""

SEPARATORS = ".-_ ([,"
"""What may stand between the name of the film and the label."""

_EDGES = " -_.,()[]"
_SPLIT = re.compile(r"[\s_\-()\[\],+&]+")
_HINDI_OR_NOT = "hi"


@attrs.frozen
class SubtitleName:
    """What the name of a subtitle file says. `language` is a BCP 47 tag. None: the name does not say it."""

    language: str | None = None
    forced: bool = False
    default: bool = False
    hearing_impaired: bool = False
    title: str | None = None


def label_of(base: str, stem: str, others: Collection[str]) -> str | None:
    """The label of a subtitle file of a film; None if it is not one of this film.

    `base` is the name of the file and `stem` that of the film, both without suffix. `others` are the other films beside it: a
    file belongs to the one with the longest name. After another separator than a full stop, the label must have nothing but
    words with a meaning: `Film-de` is a German one, `Film-Making Of` is not of `Film`.
    """
    if not _begins(base, stem) or any(len(other) > len(stem) and _begins(base, other) for other in others):
        return None
    label = base[len(stem) :]
    if label and label[0] != "." and (not _is_understood(label) or read_label(label) == SubtitleName()):
        return None
    return label.strip(_EDGES)


@lru_cache(4096)
def read_label(label: str) -> SubtitleName:
    """What a label says."""
    words: list[str] = []
    titles: list[str] = []
    for part in _parts(label):
        understood = _words(part)
        if understood is None:
            titles.append(part)
        else:
            words += understood
    lowered = [word.lower() for word in words]
    # `hi` is Hindi and hearing impaired: the latter beside a language.
    tags = [(word, tag_of_word(word)) for word in words]
    sure = [tag for word, tag in tags if tag is not None and word.lower() != _HINDI_OR_NOT]
    hindi = not sure and _HINDI_OR_NOT in lowered
    flags = set(lowered) - ({_HINDI_OR_NOT} if hindi and lowered.count(_HINDI_OR_NOT) == 1 else set())
    language = sure[0] if sure else "hi" if hindi else None
    return SubtitleName(
        language=None if language in NOT_ONE_LANGUAGE else language,
        forced=bool(FORCED & flags),
        default=bool(DEFAULT & flags),
        hearing_impaired=bool(HEARING_IMPAIRED & flags),
        title=" ".join([*titles, *dict.fromkeys(tag for tag in sure[1:] if tag != language)]) or None,
    )


def _parts(label: str) -> Sequence[str]:
    return [part for one in label.split(".") if (part := one.strip(_EDGES))]


def _words(part: str) -> Sequence[str] | None:
    """The words of a part, each with a meaning; None if one has none."""
    if _means_something(part):
        return [part]
    words = [word for word in _SPLIT.split(part) if word]
    # Languages are of up to three words: `Latin American Spanish (SDH)`.
    found: list[str] = []
    place = 0
    while place < len(words):
        length = next((n for n in (3, 2, 1) if _means_something(" ".join(words[place : place + n]))), None)
        if length is None:
            return None
        found.append(" ".join(words[place : place + length]))
        place += length
    return found


def _means_something(word: str) -> bool:
    lower = word.lower()
    flags = FORCED | DEFAULT | HEARING_IMPAIRED
    return lower in flags or (word.isdigit() and len(word) < 5) or tag_of_word(word) is not None


def _is_understood(label: str) -> bool:
    parts = _parts(label)
    return bool(parts) and all(_words(part) is not None for part in parts)


def _begins(base: str, stem: str) -> bool:
    return base == stem or (base.startswith(stem) and base[len(stem)] in SEPARATORS)
