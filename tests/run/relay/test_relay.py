"""The way of the bytes. What goes wrong here is a hole in a film, or memory that grows with each client that has paused."""

import os
from collections.abc import Iterator
from contextlib import suppress

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPushProducer
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from tests.conftest import Errors
from tests.run.fakes import Machine, Notes, Viewer, new_relay
from transcoded.plan.media.first_media import MAX_HEADER, FirstMedia
from transcoded.run.reactor import as_reactor
from transcoded.run.relay.coalescing import DELAY, PROMPT_BYTES, ReadCoalescer
from transcoded.run.relay.pipes import BIG, open_pipe
from transcoded.run.relay.relay import HEADER_READ, Relay
from transcoded.run.relay.sinks import ConsumerSink


class Pipe:
    """The write end, as the transcoder has it."""

    def __init__(self) -> None:
        self.read_end, self._fd = open_pipe(BIG)
        os.set_blocking(self._fd, False)

    def write(self, data: bytes) -> None:
        assert os.write(self._fd, data) == len(data)

    def fill(self) -> int:
        written = 0
        with suppress(BlockingIOError):
            while True:
                written += os.write(self._fd, bytes(4096))
        return written

    def close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def relay(machine: Machine, pipe: Pipe, notes: Notes) -> Iterator[Relay]:
    relay = new_relay(machine, pipe.read_end, notes)
    relay.start()
    yield relay
    relay.close()


# Before there is a consumer.


def test_the_first_byte_is_told_once_and_all_of_it_stays_in_the_pipe(
    machine: Machine, relay: Relay, pipe: Pipe, notes: Notes
) -> None:
    """A request that is slow to answer must not make the daemon read a whole film."""
    pipe.write(b"a")
    machine.turn()
    total = 1 + pipe.fill()
    machine.turn()
    assert notes.events == ["first byte"]
    assert relay.bytes_sent == 0
    assert machine.getReaders() == []
    assert pipe.fill() == 0, "the transcoder must sleep"
    viewer = Viewer()
    relay.attach(viewer)
    machine.turn()
    assert viewer.data == b"a" + bytes(total - 1)
    assert relay.bytes_sent == total
    assert notes.events == ["first byte"]


def test_a_consumer_may_come_before_the_first_byte(machine: Machine, relay: Relay, pipe: Pipe) -> None:
    viewer = Viewer()
    relay.attach(viewer)
    pipe.write(b"a")
    machine.turn()
    assert viewer.data == b"a"


def test_an_end_before_the_first_byte_is_an_end(machine: Machine, relay: Relay, pipe: Pipe, notes: Notes) -> None:
    pipe.close()
    machine.turn()
    assert notes.events == ["output ended"]


def test_an_end_behind_bytes_waits_for_the_consumer(machine: Machine, relay: Relay, pipe: Pipe, notes: Notes) -> None:
    """`output_ended` says that everything was handed on."""
    pipe.write(b"all")
    machine.turn()
    pipe.close()
    machine.turn()
    assert notes.events == ["first byte"]
    viewer = Viewer()
    relay.attach(viewer)
    machine.turn()
    assert viewer.data == b"all"
    assert notes.events == ["first byte", "output ended"]


def test_a_look_at_the_pipe_finds_the_first_byte(machine: Machine, relay: Relay, pipe: Pipe, notes: Notes) -> None:
    """The process has exited before the reactor came to its pipe: a film of one moment is still a film."""
    pipe.write(b"a")
    pipe.close()
    relay.poll()
    assert notes.events == ["first byte"]
    viewer = Viewer()
    relay.attach(viewer)
    relay.poll()
    machine.turn()
    assert viewer.data == b"a"
    assert notes.events == ["first byte", "output ended"]


def test_a_look_does_not_press_a_full_consumer(machine: Machine, relay: Relay, pipe: Pipe) -> None:
    viewer = Viewer()
    relay.attach(viewer)
    viewer.producer.pauseProducing()
    pipe.write(b"a")
    relay.poll()
    machine.turn()
    assert viewer.data == b""


# When the first byte of media counts. In this output it is behind 14 bytes.

HEADER = b"fLaC\x80\0\0\6stream"
FRAME = b"\xff\xf8frame"


@pytest.fixture
def media_relay(machine: Machine, notes: Notes) -> Iterator[tuple[Relay, Pipe]]:
    pipe = Pipe()
    relay = new_relay(machine, pipe.read_end, notes, FirstMedia("flac"))
    relay.start()
    yield relay, pipe
    relay.close()
    pipe.close()


MediaRelay = tuple[Relay, Pipe]


def test_a_header_alone_is_no_first_byte(machine: Machine, media_relay: MediaRelay, notes: Notes) -> None:
    """The client would be answered with 200, and a film that is not there."""
    relay, pipe = media_relay
    for piece in (HEADER[:5], HEADER[5:]):
        pipe.write(piece)
        machine.turn()
    assert notes.events == []
    pipe.close()
    machine.turn()
    for complete in (False, True):
        relay.poll(complete=complete)
    assert notes.events == []


def test_the_first_byte_of_media_is_told_once_and_nothing_is_lost(
    machine: Machine, media_relay: MediaRelay, notes: Notes
) -> None:
    relay, pipe = media_relay
    pipe.write(HEADER)
    machine.turn()
    pipe.write(FRAME)
    machine.turn()
    assert notes.events == ["first byte"]
    assert machine.getReaders() == []
    assert relay.bytes_sent == 0
    total = pipe.fill()
    machine.turn()
    assert pipe.fill() == 0, "the transcoder must sleep"
    viewer = Viewer()
    relay.attach(viewer)
    machine.turn()
    assert viewer.data == HEADER + FRAME + bytes(total)
    assert relay.bytes_sent == len(viewer.data)
    assert notes.events == ["first byte"]


def test_before_there_is_media_a_header_and_one_read_are_kept_at_the_most(
    machine: Machine, media_relay: MediaRelay, notes: Notes
) -> None:
    """A file decides how large its header is."""
    relay, pipe = media_relay
    pipe.write(b"fLaC\0\xff\xff\xff")
    total = 8
    while not notes.events:
        total += pipe.fill()
        machine.turn()
    total += pipe.fill()
    assert total <= MAX_HEADER + HEADER_READ + BIG
    assert pipe.fill() == 0, "the transcoder must sleep"
    viewer = Viewer()
    relay.attach(viewer)
    machine.turn()
    assert len(viewer.data) == total


VIDEO, AUDIO = (bytes([0x47, 0x41, number, 0x10]) + b"\0\0\1" + b"packet".ljust(181, b"\xff") for number in (0, 1))
"""Packets of the first and the second stream of an MPEG-TS."""


@pytest.mark.parametrize("held", [False, True], ids=["its pipe has ended", "another process holds its pipe"])
def test_an_output_without_its_first_stream_counts_when_it_is_complete(
    machine: Machine, notes: Notes, *, held: bool
) -> None:
    """The audio of a film goes on behind its video, and a client begins there. But if the video has failed, it is a failure."""
    pipe = Pipe()
    relay = new_relay(machine, pipe.read_end, notes, FirstMedia("mpegts"))
    relay.start()
    try:
        pipe.write(AUDIO * 5)
        machine.turn()
        if not held:
            pipe.close()
            machine.turn()
        relay.poll(complete=False)
        assert notes.events == []
        relay.poll(complete=True)
        relay.poll(complete=True)
        assert notes.events == ["first byte"]
        viewer = Viewer(room=1)
        relay.attach(viewer)
        machine.turn()
        assert (viewer.data, notes.events) == (AUDIO * 5, ["first byte"]), "the client has not taken it yet"
        viewer.take()
        pipe.close()
        machine.turn()
        assert notes.events == ["first byte", "output ended"]
    finally:
        relay.close()
        pipe.close()


def test_media_of_another_stream_is_kept_and_not_lost(machine: Machine, notes: Notes) -> None:
    pipe = Pipe()
    relay = new_relay(machine, pipe.read_end, notes, FirstMedia("mpegts"))
    relay.start()
    try:
        for part in (AUDIO * 3, AUDIO, VIDEO):
            assert notes.events == []
            pipe.write(part)
            machine.turn()
        assert notes.events == ["first byte"]
        viewer = Viewer()
        relay.attach(viewer)
        assert viewer.data == AUDIO * 4 + VIDEO
    finally:
        relay.close()
        pipe.close()


@pytest.mark.parametrize("output", [HEADER, HEADER + FRAME, b""], ids=["a header", "media", "nothing"])
def test_a_look_at_the_pipe_reads_up_to_the_first_byte_of_media(
    machine: Machine, media_relay: MediaRelay, notes: Notes, output: bytes
) -> None:
    """The process has exited before the reactor came to its pipe. Its output ends only when the client has it."""
    relay, pipe = media_relay
    pipe.write(output)
    pipe.close()
    relay.poll()
    relay.poll()
    assert notes.events == (["first byte"] if FRAME in output else [] if output else ["output ended"])
    if FRAME in output:
        viewer = Viewer()
        relay.attach(viewer)
        machine.turn()
        assert viewer.data == output
        assert notes.events == ["first byte", "output ended"]


def test_a_look_at_a_pipe_that_another_process_holds_open_does_not_wait(
    machine: Machine, media_relay: MediaRelay, notes: Notes
) -> None:
    relay, pipe = media_relay
    pipe.write(HEADER)
    relay.poll()
    assert notes.events == []


def test_what_was_kept_is_sent_when_there_is_room_and_the_pipe_is_read_behind_it(
    machine: Machine, media_relay: MediaRelay, notes: Notes
) -> None:
    class Full(Viewer):
        def registerProducer(self, producer: object, streaming: bool) -> None:
            super().registerProducer(producer, streaming)
            self.producer.pauseProducing()

    relay, pipe = media_relay
    pipe.write(HEADER + FRAME)
    machine.turn()
    pipe.write(b"more")
    pipe.close()
    viewer = Full(room=1)
    relay.attach(viewer)
    machine.turn()
    assert viewer.blocks == []
    viewer.take()
    machine.turn()
    assert viewer.blocks == [HEADER + FRAME], "it is full by that"
    assert notes.events == ["first byte"]
    viewer.take()
    machine.turn()
    viewer.take()
    machine.turn()
    assert viewer.blocks == [HEADER + FRAME, b"more"]
    assert notes.events == ["first byte", "output ended"]


def test_what_was_kept_is_not_sent_to_a_client_that_is_gone(
    machine: Machine, media_relay: MediaRelay, notes: Notes
) -> None:
    class Gone(Viewer):
        def registerProducer(self, producer: object, streaming: bool) -> None:
            super().registerProducer(producer, streaming)
            self.producer.stopProducing()

    relay, pipe = media_relay
    pipe.write(HEADER + FRAME)
    machine.turn()
    viewer = Gone()
    relay.attach(viewer)
    pipe.close()
    machine.turn()
    assert (viewer.blocks, notes.events, relay.bytes_sent) == ([], ["first byte"], 0)


def test_what_was_kept_is_forgotten_at_a_close(machine: Machine, media_relay: MediaRelay) -> None:
    relay, pipe = media_relay
    pipe.write(HEADER + FRAME)
    machine.turn()
    relay.close()
    viewer = Viewer()
    relay.attach(viewer)
    machine.turn()
    assert (viewer.data, relay.bytes_sent) == (b"", 0)


# Back-pressure.


def test_a_pause_may_repeat_and_one_resume_ends_it(machine: Machine, relay: Relay, pipe: Pipe) -> None:
    """A transport says that it is full with each write."""
    viewer = Viewer()
    relay.attach(viewer)
    viewer.producer.pauseProducing()
    viewer.producer.pauseProducing()
    assert relay.backpressured
    pipe.write(b"a")
    machine.turn()
    assert viewer.data == b""
    viewer.producer.resumeProducing()
    viewer.producer.resumeProducing()
    machine.turn()
    assert viewer.data == b"a"
    assert not relay.backpressured


def test_a_full_consumer_costs_one_block(machine: Machine, relay: Relay, pipe: Pipe) -> None:
    viewer = Viewer(room=1)
    relay.attach(viewer)
    total = pipe.fill()
    machine.turn()
    assert len(viewer.blocks) == 1
    total += pipe.fill()
    machine.turn()
    assert len(viewer.data) <= BIG
    assert pipe.fill() == 0, "the transcoder must sleep"
    viewer.room = 1 << 40
    viewer.take()
    machine.turn()
    assert len(viewer.data) == total == relay.bytes_sent


def test_a_consumer_that_is_full_already_is_sent_no_more_than_one_block(
    machine: Machine, relay: Relay, pipe: Pipe
) -> None:
    """Registering with a transport that is full does not pause; the first write does."""
    viewer = Viewer(room=0)
    relay.attach(viewer)
    pipe.write(b"a")
    machine.turn()
    pipe.write(b"b")
    machine.turn()
    assert viewer.blocks == [b"a"]
    viewer.take()
    machine.turn()
    assert viewer.blocks == [b"a", b"b"]


def test_an_end_is_not_told_before_a_full_consumer_has_taken_all(
    machine: Machine, relay: Relay, pipe: Pipe, notes: Notes
) -> None:
    viewer = Viewer(room=1)
    relay.attach(viewer)
    pipe.write(b"a")
    machine.turn()
    pipe.write(b"b")
    pipe.close()
    machine.turn()
    assert notes.events == []
    viewer.take()
    machine.turn()
    assert viewer.data == b"ab"
    viewer.take()
    machine.turn()
    assert notes.events == ["output ended"]


def test_a_pause_that_comes_with_the_registration_is_heeded(machine: Machine, relay: Relay, pipe: Pipe) -> None:
    class Full(Viewer):
        def registerProducer(self, producer: object, streaming: bool) -> None:
            super().registerProducer(producer, streaming)
            self.producer.pauseProducing()

    pipe.write(b"a")
    machine.turn()
    viewer = Full()
    relay.attach(viewer)
    machine.turn()
    assert viewer.data == b""
    assert relay.backpressured
    viewer.take()
    machine.turn()
    assert viewer.data == b"a"


def test_it_is_a_push_producer_to_a_transport_of_twisted(machine: Machine, relay: Relay, pipe: Pipe) -> None:
    transport = StringTransport()
    relay.attach(transport)
    assert IPushProducer.providedBy(transport.producer)
    assert transport.streaming
    pipe.write(b"a")
    machine.turn()
    assert transport.value() == b"a"
    relay.detach()
    assert transport.producer is None


# A consumer that goes.


def test_a_consumer_that_is_gone_is_no_end_of_the_output(
    machine: Machine, relay: Relay, pipe: Pipe, notes: Notes
) -> None:
    """Else a film whose viewer left would be counted as seen to its end."""
    viewer = Viewer()
    relay.attach(viewer)
    pipe.write(b"a")
    machine.turn()
    viewer.producer.stopProducing()
    pipe.write(b"b")
    pipe.close()
    machine.turn()
    relay.poll()
    machine.turn()
    assert viewer.data == b"a"
    assert notes.events == []
    assert relay.bytes_sent == 1


def test_after_a_consumer_is_gone_nothing_reads_the_pipe(
    machine: Machine, relay: Relay, pipe: Pipe, notes: Notes
) -> None:
    viewer = Viewer()
    relay.attach(viewer)
    viewer.producer.pauseProducing()
    viewer.producer.stopProducing()
    viewer.producer.resumeProducing()
    relay.delay_over()
    pipe.write(b"a")
    machine.turn()
    assert machine.getReaders() == []
    assert notes.events == []
    assert viewer.data == b""


@pytest.mark.parametrize("rest", [b"", b"b"])
def test_a_consumer_that_goes_while_it_is_written_to(
    machine: Machine, relay: Relay, pipe: Pipe, notes: Notes, rest: bytes
) -> None:
    """A write may find out that the connection is lost. What follows is not read, and its end is not told."""

    class Leaving(Viewer):
        def write(self, data: bytes) -> None:
            super().write(data)
            self.producer.stopProducing()

    pipe.write(b"a")
    machine.turn()
    viewer = Leaving()
    relay.attach(viewer)
    machine.turn()
    pipe.write(rest)
    pipe.close()
    machine.turn()
    assert viewer.blocks == [b"a"]
    assert notes.events == ["first byte"]


def test_a_consumer_that_is_gone_before_it_is_registered(
    machine: Machine, relay: Relay, pipe: Pipe, notes: Notes
) -> None:
    """Twisted's transports stop a producer at once that registers with them after the connection was lost."""

    class Gone(Viewer):
        def registerProducer(self, producer: object, streaming: bool) -> None:
            super().registerProducer(producer, streaming)
            self.producer.stopProducing()

    pipe.write(b"a")
    machine.turn()
    viewer = Gone()
    relay.attach(viewer)
    pipe.close()
    machine.turn()
    assert viewer.blocks == []
    assert notes.events == ["first byte"]


def test_parting_unregisters_once(machine: Machine, relay: Relay) -> None:
    """`unregisterProducer` on a finished request raises."""
    viewer = Viewer()
    relay.detach()
    relay.attach(viewer)
    relay.detach()
    relay.detach()
    assert viewer.unregistered == 1


def test_parting_from_a_consumer_that_is_gone_does_not_touch_it(relay: Relay) -> None:
    viewer = Viewer()
    relay.attach(viewer)
    viewer.producer.stopProducing()
    relay.detach()
    assert viewer.unregistered == 0


# After close.


def test_nothing_is_told_or_given_after_close(machine: Machine, relay: Relay, pipe: Pipe, notes: Notes) -> None:
    viewer = Viewer()
    relay.attach(viewer)
    pipe.write(b"a")
    relay.close()
    relay.close()
    relay.poll()
    relay.delay_over()
    viewer.producer.pauseProducing()
    viewer.producer.resumeProducing()
    machine.turn()
    assert viewer.data == b""
    assert notes.events == []
    with pytest.raises(BrokenPipeError):
        pipe.write(b"b")


def test_what_was_not_given_before_close_is_forgotten(machine: Machine, relay: Relay, pipe: Pipe, notes: Notes) -> None:
    """The stream was ended; a client that comes now must not get a film of one block."""
    pipe.write(b"a")
    machine.turn()
    relay.close()
    viewer = Viewer()
    relay.attach(viewer)
    machine.turn()
    assert viewer.data == b""
    assert relay.bytes_sent == 0
    assert notes.events == ["first byte"]


def test_a_consumer_that_raises_is_a_fault_that_is_told(
    machine: Machine, relay: Relay, pipe: Pipe, notes: Notes
) -> None:
    """The reactor takes the pipe out then: a transcoder that nobody reads and nobody ends would sleep for ever."""

    class Broken(Viewer):
        def write(self, data: bytes) -> None:
            raise ZeroDivisionError

    relay.attach(Broken())
    pipe.write(b"a")
    machine.turn()
    assert notes.events == ["failed"]


# Delayed reads.


def slow_stream(machine: Machine, relay: Relay, pipe: Pipe, coalescer: ReadCoalescer) -> Viewer:
    """One that has passed its beginning and now comes slowly."""
    viewer = Viewer()
    relay.open(lambda flow: ConsumerSink(flow, viewer), coalescer)
    while relay.bytes_sent <= PROMPT_BYTES:
        assert pipe.fill()
        machine.turn()
    viewer.blocks.clear()
    machine.advance(1)
    pipe.write(b"a")
    machine.turn()
    assert viewer.data == b"a"
    assert relay._reader not in machine.getReaders()
    return viewer


def test_a_slow_stream_is_delayed_and_loses_nothing(machine: Machine, relay: Relay, pipe: Pipe, notes: Notes) -> None:
    viewer = slow_stream(machine, relay, pipe, ReadCoalescer(as_reactor(machine)))
    pipe.write(b"b")
    machine.turn()
    pipe.write(b"c")
    machine.turn()
    assert viewer.data == b"a"
    machine.advance(DELAY)
    assert viewer.data == b"abc"
    pipe.close()
    machine.pump([DELAY, DELAY])
    machine.turn()
    assert notes.events == ["output ended"]


def test_the_beginning_of_a_stream_is_never_delayed(machine: Machine, relay: Relay, pipe: Pipe) -> None:
    """The first picture must not wait."""
    viewer = Viewer()
    coalescer = ReadCoalescer(as_reactor(machine))
    relay.open(lambda flow: ConsumerSink(flow, viewer), coalescer)
    for letter in (b"a", b"b", b"c"):
        machine.advance(1)
        pipe.write(letter)
        machine.turn()
    assert viewer.data == b"abc"
    assert machine.getDelayedCalls() == []


def test_an_exit_is_noticed_by_a_stream_that_is_delayed(
    machine: Machine, relay: Relay, pipe: Pipe, notes: Notes
) -> None:
    viewer = slow_stream(machine, relay, pipe, ReadCoalescer(as_reactor(machine)))
    pipe.write(b"b")
    pipe.close()
    relay.poll()
    machine.turn()
    machine.pump([DELAY, DELAY])
    machine.turn()
    assert viewer.data == b"ab"
    assert notes.events == ["output ended"]


@pytest.mark.parametrize("how", ["closed", "full", "gone"])
def test_a_delay_that_is_over_does_not_let_go_on_what_must_not(
    machine: Machine, relay: Relay, pipe: Pipe, notes: Notes, how: str
) -> None:
    viewer = slow_stream(machine, relay, pipe, ReadCoalescer(as_reactor(machine)))
    pipe.write(b"b")
    if how == "closed":
        relay.close()
    elif how == "full":
        viewer.producer.pauseProducing()
    else:
        viewer.producer.stopProducing()
    machine.advance(DELAY)
    machine.turn()
    assert viewer.data == b"a"
    assert machine.getReaders() == []
    assert notes.events == []


def test_a_fault_of_one_stream_does_not_delay_the_others_for_ever(
    machine: Machine, relay: Relay, pipe: Pipe, notes: Notes, logged_errors: Errors
) -> None:
    """All go on by one timer; what one of them does must not stop the pictures of all."""
    coalescer = ReadCoalescer(as_reactor(machine))
    faulty_pipe, faulty_notes = Pipe(), Notes()
    faulty_relay = new_relay(machine, faulty_pipe.read_end, faulty_notes)
    try:
        viewer = slow_stream(machine, relay, pipe, coalescer)
        faulty = slow_stream(machine, faulty_relay, faulty_pipe, coalescer)
        pipe.write(b"b")
        machine.turn()
        assert machine.getReaders() == [], "both are delayed, the faulty one first"
        faulty.write = _raise  # type: ignore[method-assign]
        for each in (faulty_pipe, pipe):
            each.write(b"c")
        machine.advance(DELAY)
        machine.turn()
        assert viewer.data == b"abc"
        assert (faulty_notes.events, notes.events) == (["failed"], [])
        assert len(logged_errors.flush()) == 1
    finally:
        faulty_relay.close()
        faulty_pipe.close()
        machine.advance(DELAY)


def _raise(data: bytes) -> None:
    raise ZeroDivisionError


# News that are of another pipe.


def lose_client(machine: Machine, relay: Relay) -> None:
    """What the reactor says of a hang-up, to whoever has the number now."""
    machine.removeReader(relay._reader)
    relay._reader.connectionLost(Failure(ConnectionDone()))


@pytest.mark.parametrize("attached", [False, True])
def test_a_hang_up_that_was_another_pipes_is_not_believed(
    machine: Machine, relay: Relay, pipe: Pipe, notes: Notes, *, attached: bool
) -> None:
    """Within one turn of the reactor a descriptor's number may have gone from a dead stream to this one."""
    viewer = Viewer()
    if attached:
        relay.attach(viewer)
    lose_client(machine, relay)
    assert "output ended" not in notes.events
    pipe.write(b"a")
    machine.turn()
    if not attached:
        relay.attach(viewer)
        machine.turn()
    assert viewer.data == b"a"
    assert "output ended" not in notes.events


def test_a_hang_up_that_was_another_pipes_finds_the_first_byte_and_goes_on(
    machine: Machine, relay: Relay, pipe: Pipe
) -> None:
    """Before there is a sink a look takes nothing out of the pipe: whoever looks until it is empty looks for ever."""

    class Patient(Notes):
        def first_byte(self) -> None:
            super().first_byte()
            if len(self.events) > 3:
                raise RecursionError

    relay.close()
    mine = Pipe()
    notes = Patient()
    fresh = new_relay(machine, mine.read_end, notes)
    fresh.start()
    try:
        mine.write(b"a")
        lose_client(machine, fresh)
        assert set(notes.events) == {"first byte"}
    finally:
        fresh.close()
        mine.close()


def test_a_hang_up_that_was_another_pipes_does_not_press_a_full_consumer(
    machine: Machine, relay: Relay, pipe: Pipe
) -> None:
    """At most one block is on its way, whatever happens."""
    viewer = Viewer(room=1)
    relay.attach(viewer)
    pipe.fill()
    viewer.on_write = lambda: len(viewer.blocks) < 4 and pipe.fill()
    lose_client(machine, relay)
    machine.turn()
    assert relay.backpressured
    assert len(viewer.blocks) == 1
