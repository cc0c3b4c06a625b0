"""Playlists: one client that does not read, or many that ask at once, must not cost a text each."""

from typing import Any, cast

import attrs
import pytest
import pytest_twisted
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.interfaces import IConsumer, IProducer, IPushProducer
from zope.interface import implementer

from tests.run.fakes import StillThreads, result_of
from tests.web.server import reactor, turn
from transcoded.plan.cmaf.uris import fill
from transcoded.plan.errors import Unavailable, server_stopping
from transcoded.plan.lru import ENTRY
from transcoded.web.blocks import send_blocks
from transcoded.web.playlists import BLOCK, Playlists

FILLINGS = {b"\0": b"?signature=x"}


def refuse() -> str:
    raise OSError("no")


@pytest.fixture
def threads() -> StillThreads:
    return StillThreads()


def fail_at_once(*_: object, **__: object) -> "Deferred[Any]":
    """As threads that are stopped."""
    return fail(server_stopping())


def ask(playlists: Playlists, key: str, text: str) -> "Deferred[bytes]":
    return Deferred.fromCoroutine(playlists.text(key, lambda: text))


@pytest_twisted.ensureDeferred
async def test_all_who_ask_for_a_text_share_one(threads: StillThreads) -> None:
    playlists = Playlists(reactor, threads)
    waiting = [ask(playlists, "a", "text") for _ in range(5)]
    waiting[0].addErrback(lambda failure: failure.trap(CancelledError))
    waiting[0].cancel()
    assert len(threads.calls) == 1
    threads.step()
    await turn()
    texts = [result_of(one) for one in (*waiting[1:], ask(playlists, "a", "text"))]
    assert texts == [b"text"] * 5
    assert len({id(text) for text in texts}) == 1, "the same bytes, not copies"
    assert not threads.calls


@pytest_twisted.ensureDeferred
async def test_texts_are_written_one_after_the_other(threads: StillThreads) -> None:
    playlists = Playlists(reactor, threads)
    waiting = [ask(playlists, name, name) for name in "abc"]
    for _ in waiting:
        assert len(threads.calls) == 1
        threads.step()
        await turn()
    await turn()
    assert [result_of(one) for one in waiting] == [b"a", b"b", b"c"]


@pytest_twisted.ensureDeferred
async def test_very_many_that_fail_one_after_the_other_are_no_chain(threads: StillThreads) -> None:
    """At a stop each fails at once. Where one begins within the end of another, a few hundred are too deep."""
    playlists = Playlists(reactor, threads)
    waiting = [ask(playlists, str(number), "text") for number in range(300)]
    threads.run = fail_at_once  # type: ignore[method-assign]
    threads.fail(server_stopping())
    for one in waiting:
        with pytest.raises(Unavailable):
            await one


@pytest_twisted.ensureDeferred
async def test_what_is_kept_is_bounded_in_bytes(threads: StillThreads) -> None:
    playlists = Playlists(reactor, threads, kept=2 * (ENTRY + 10))
    for name in "abc":
        ask(playlists, name, 10 * name)
        threads.step()
    for name, kept in (("c", True), ("b", True), ("a", False)):
        asked = ask(playlists, name, 10 * name)
        assert asked.called is kept
    threads.step()
    await turn()


@pytest_twisted.ensureDeferred
async def test_a_text_that_could_not_be_written_is_written_again(threads: StillThreads) -> None:
    playlists = Playlists(reactor, threads)
    failing = Deferred.fromCoroutine(playlists.text("a", refuse))
    threads.step()
    await turn()
    assert isinstance(result_of(failing), OSError)
    again = ask(playlists, "a", "text")
    threads.step()
    await turn()
    assert result_of(again) == b"text"


@implementer(IConsumer)
@attrs.define
class Reader:
    """A client that takes `room` blocks, and then no more until the test says so."""

    room: int
    data: bytes = b""
    producer: IPushProducer | None = None

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        assert streaming
        self.producer = cast(IPushProducer, producer)

    def unregisterProducer(self) -> None:
        self.producer = None

    def write(self, data: bytes) -> None:
        self.data += data
        self.room -= 1
        if not self.room and self.producer is not None:
            self.producer.pauseProducing()


TEXT = b"".join(b"%d.m4s\0\n" % number for number in range(10_000))


def test_a_client_that_does_not_read_costs_a_block() -> None:
    reader = Reader(1)
    done = send_blocks(reader, TEXT, BLOCK, lambda block: fill(block, FILLINGS))
    assert len(reader.data) < 4 * BLOCK < len(TEXT)
    assert reader.producer is not None
    reader.room = 1000
    reader.producer.resumeProducing()
    assert reader.data == TEXT.replace(b"\0", FILLINGS[b"\0"])
    assert done.called
    assert reader.producer is None


def test_a_client_that_leaves_gets_no_more() -> None:
    reader = Reader(1)
    done = send_blocks(reader, TEXT, BLOCK, lambda block: fill(block, FILLINGS))
    producer, sent = reader.producer, len(reader.data)
    assert producer is not None
    producer.stopProducing()
    done.cancel()
    assert isinstance(result_of(done), CancelledError)
    producer.resumeProducing()
    assert len(reader.data) == sent
