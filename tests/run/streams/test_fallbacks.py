"""What becomes of an encode whose hardware fails: who is told, and what is remembered."""

from typing import Any, cast

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.plan.examples import VIDEO_STREAM
from transcoded.plan.endings import Ending, Reason
from transcoded.plan.media.engine_health import Shape
from transcoded.plan.media.hardware import SOFTWARE, Chain
from transcoded.run.streams.fallbacks import PATIENCE, Fallback, Fallbacks
from transcoded.run.streams.stream import Stream

CHAIN = Chain("nvenc", "nvenc")
SHAPE = Shape.of(VIDEO_STREAM)


@attrs.define
class FakeStream:
    """A stream whose first byte and whose end are up to the test."""

    open: "Deferred[None]" = attrs.Factory(Deferred)
    over: "Deferred[Ending]" = attrs.Factory(Deferred)
    reason: Reason | None = None

    def when_open(self) -> "Deferred[None]":
        return self.open

    def when_ended(self) -> "Deferred[Ending]":
        return self.over

    def end(self, reason: Reason) -> None:
        self.reason = reason


def ending(reason: Reason = Reason.FAILED, said: str = "") -> Ending:
    values: dict[str, Any] = dict.fromkeys(Ending.__struct_fields__, "")
    numbers = {"exit_code": 1, "signal": None, "kill_ms": None, "duration_s": 1.0, "bytes_sent": 0, "signals_sent": ()}
    return Ending(**{**values, **numbers, "id": "s1", "format": "mp4", "reason": reason, "stderr_tail": said})


def watched(fallbacks: Fallbacks, chain: Chain = CHAIN) -> FakeStream:
    stream = FakeStream()
    fallbacks.watch(cast(Stream, stream), chain)
    return stream


def test_hardware_that_gives_nothing_in_time_is_ended() -> None:
    clock = Clock()
    stream = watched(Fallbacks(clock))
    clock.advance(PATIENCE - 0.1)
    assert stream.reason is None
    clock.advance(0.2)
    assert stream.reason is Reason.HUNG


def test_hardware_that_gives_something_is_not_hurried() -> None:
    clock = Clock()
    stream = watched(Fallbacks(clock))
    stream.open.callback(None)
    clock.advance(2 * PATIENCE)
    assert stream.reason is None
    assert not clock.getDelayedCalls()


def test_what_ends_before_its_first_byte_leaves_nothing_scheduled() -> None:
    clock = Clock()
    stream = watched(Fallbacks(clock))
    stream.over.callback(ending())
    assert not clock.getDelayedCalls()


def test_software_has_all_the_time_it_needs() -> None:
    clock = Clock()
    watched(Fallbacks(clock), SOFTWARE)
    assert not clock.getDelayedCalls()


def test_only_failures_of_hardware_have_a_next_chain() -> None:
    assert Fallbacks.is_failure(CHAIN, ending())
    assert Fallbacks.is_failure(CHAIN, ending(Reason.HUNG))
    assert not Fallbacks.is_failure(CHAIN, ending(Reason.CLIENT_GONE))
    assert not Fallbacks.is_failure(SOFTWARE, ending())


def test_a_fallback_is_told_with_the_first_complaint_and_remembered() -> None:
    told: list[Fallback] = []
    fallbacks = Fallbacks(Clock(), (told.append,))
    fallbacks.fell_back("m/a.mkv", ending(said="\nno device\nConversion failed!"), SHAPE, CHAIN, SOFTWARE)
    assert told == [
        Fallback(
            stream_id="s1",
            path="m/a.mkv",
            format="mp4",
            engine="nvenc",
            chain="nvenc",
            next="software",
            limited=False,
            why="no device",
        )
    ]
    assert fallbacks.health.usable((CHAIN, SOFTWARE), SHAPE) == [SOFTWARE]


def test_a_card_that_is_full_is_told_as_such() -> None:
    told: list[Fallback] = []
    fallbacks = Fallbacks(Clock(), (told.append,))
    watched(fallbacks)
    refused = watched(fallbacks)
    said = ending(said="[h264_nvenc @ 0x1] OpenEncodeSessionEx failed: out of memory (10)")
    refused.over.callback(said)
    fallbacks.fell_back("m/a.mkv", said, SHAPE, CHAIN, SOFTWARE)
    assert told[0].limited


def test_what_hung_without_a_word_says_so() -> None:
    told: list[Fallback] = []
    Fallbacks(Clock(), (told.append,)).fell_back("m/a.mkv", ending(Reason.HUNG), SHAPE, CHAIN, SOFTWARE)
    assert told[0].why == "it gave no output in time"
