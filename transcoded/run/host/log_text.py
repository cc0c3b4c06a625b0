r"""The text of log events: nothing in it can act on a terminal, or pass for a line of its own.

A line can contain what others have chosen: file names, URLs, methods, the words of ffmpeg, the message of an exception. So
each event is looked at before any observer writes it, in whatever format and to whatever place: the text, the traceback, and
what was printed. A character that is not printable is written as an escape: a line end as `\n`, the escape character of
terminals as `\x1b`, an override of the writing direction as `\u202e`, half a surrogate pair as `\udcff`.
"""

from twisted.logger import ILogObserver, LogEvent, formatEvent
from twisted.python.failure import Failure
from zope.interface import provider


def escaped(text: str, kept: str = "") -> str:
    """A text in which every character that is not printable is an escape, except those that are `kept`."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or one in kept else one.encode("unicode_escape").decode("ascii") for one in text
    )


@provider(ILogObserver)
def escape_event(event: LogEvent) -> None:
    """Change an event whose text is not printable. To be the first observer, before those that write."""
    text = formatEvent(event)
    clean = escaped(text.rstrip("\n"))
    failure = event.get("log_failure")
    traceback = failure.getTraceback() if isinstance(failure, Failure) else ""
    # The lines of a traceback stay lines: a text log indents them.
    clean_traceback = escaped(traceback, kept="\n")
    if (clean, clean_traceback) == (text, traceback):
        return
    if clean_traceback != traceback:
        clean = f"{clean}\n{clean_traceback}"
        del event["log_failure"]
    event["log_format"], event["log_text"] = "{log_text}", clean
