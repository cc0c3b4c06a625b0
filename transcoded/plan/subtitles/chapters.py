"""Chapters as WebVTT: a cue for each, with its title."""

from collections.abc import Sequence

from transcoded.plan.media.probe import Chapter
from transcoded.plan.subtitles.cues import Cue, Style, cue_text, write_webvtt


def chapters_webvtt(chapters: Sequence[Chapter]) -> bytes:
    """The chapters of a file; without cues if there are none. A chapter without a title has its number, from 1."""
    cues = [
        Cue(_milliseconds(one.start), _milliseconds(one.end), cue_text([(_title(one, number), Style())]))
        for number, one in enumerate(chapters, 1)
    ]
    return write_webvtt(cues).encode("utf-8", "replace")


def _title(chapter: Chapter, number: int) -> str:
    return (chapter.title or "").strip() or f"Chapter {number}"


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
