"""The text of log events: an administrator who reads a log must see what happened, and not what a file name says."""

import io
import json
from collections.abc import Iterator, Mapping

import pytest
from twisted.logger import (
    ILogObserver,
    Logger,
    LogLevel,
    LogPublisher,
    eventAsText,
    jsonFileLogObserver,
    textFileLogObserver,
)
from twisted.python.failure import Failure

from transcoded.run.host.log_text import escape_event, escaped

FORGED = "film\n2026-01-01T00:00:00+0000 [transcoded#info] all is well\x1b[2J\r\x9b31m\u202egpj.\udcff\x00é名"
SHOWN = r"film\n2026-01-01T00:00:00+0000 [transcoded#info] all is well\x1b[2J\r\x9b31m\u202egpj.\udcff\x00é名"


@pytest.fixture(params=["text", "json"])
def log(request: pytest.FixtureRequest) -> Iterator[tuple[Logger, io.StringIO]]:
    """A logger of a daemon, and what it writes."""
    file = io.StringIO()
    observer: ILogObserver = (textFileLogObserver if request.param == "text" else jsonFileLogObserver)(file)
    publisher = LogPublisher(escape_event, observer)
    yield Logger(namespace="n", observer=publisher), file
    written = file.getvalue()
    written.encode("utf-8")
    assert all(one.isprintable() or one in "\n\t\x1e" for one in written), written
    assert not [line for line in written.splitlines() if line.startswith("2026-01-01")]


class Shown:
    def __str__(self) -> str:
        return FORGED


@pytest.mark.parametrize("value", [FORGED, Shown()], ids=["text", "an object"])
def test_what_others_have_chosen_is_shown_and_does_nothing(log: tuple[Logger, io.StringIO], value: object) -> None:
    logger, file = log
    logger.info("{path} is played", path=value, n=5)
    assert SHOWN in file.getvalue().replace("\\\\", "\\").replace("\\u00e9\\u540d", "é名")


def test_the_lines_of_a_traceback_stay_and_its_message_does_nothing(log: tuple[Logger, io.StringIO]) -> None:
    logger, file = log
    try:
        raise ValueError(FORGED)
    except ValueError:
        logger.failure("{what} failed", Failure(), LogLevel.warn, what=FORGED)
    assert "Traceback" in file.getvalue()
    assert "ValueError" in file.getvalue()


def test_an_ordinary_event_is_left_as_it_is() -> None:
    try:
        raise ValueError("é")
    except ValueError:
        failure = Failure()
    event = {"log_format": "{path} failed", "path": "films/é.mkv", "log_failure": failure}
    before: Mapping[str, object] = dict(event)
    escape_event(event)
    assert event == before
    assert "ValueError: é" in eventAsText(event)


def test_a_line_end_at_the_end_is_dropped() -> None:
    event = {"log_format": "{text}", "text": "said\n"}
    escape_event(event)
    assert event["log_text"] == "said"


def test_the_json_is_one_line() -> None:
    file = io.StringIO()
    publisher = LogPublisher(escape_event, jsonFileLogObserver(file, recordSeparator=""))
    Logger(namespace="n", observer=publisher).info("{path}", path=FORGED)
    assert json.loads(file.getvalue())["log_text"] == SHOWN
    assert file.getvalue().count("\n") == 1


@pytest.mark.parametrize(
    ("text", "shown"), [("a b", "a b"), ("\x7f", r"\x7f"), ("\u2028", r"\u2028"), ("a\nb", r"a\nb"), ("", "")]
)
def test_escapes(text: str, shown: str) -> None:
    assert escaped(text) == shown
