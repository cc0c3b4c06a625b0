"""One run of ffmpeg: cut into segments as it comes, paused by not being read, and honest about what it has made."""

from collections.abc import Sequence

import pytest

from tests.plan.examples import MEDIA
from tests.run.fakes import Machine, new_file, new_streams, start_stream
from tests.run.segments.world import HEADER, VIDEO, fragment
from transcoded.plan.cmaf.segmenter import Piece, Segment
from transcoded.plan.endings import Reason
from transcoded.run.segments.encoder import SegmentEncoder, Source
from transcoded.run.segments.requests import INIT
from transcoded.run.streams.registry import StreamRegistry


class Run:
    """An encoder of a stream that runs, what it has made, and how often it has ended."""

    def __init__(self, machine: Machine, streams: StreamRegistry, first: int) -> None:
        self.machine = machine
        self.pieces: list[Piece] = []
        self.ends = 0
        source = Source(new_file(), MEDIA, VIDEO)
        self.encoder = SegmentEncoder(source, first, machine.seconds, self.made, self.ended)
        self.encoder.follow(start_stream(streams))

    def made(self, pieces: Sequence[Piece]) -> None:
        self.pieces.extend(pieces)

    def ended(self) -> None:
        self.ends += 1

    def write(self, data: bytes) -> None:
        self.machine.last.write(data)
        self.machine.turn()

    @property
    def numbers(self) -> list[int]:
        return [piece.number for piece in self.pieces if isinstance(piece, Segment)]


@pytest.fixture
def run(machine: Machine) -> Run:
    return Run(machine, new_streams(machine), 5)


def end(run: Run, code: int) -> None:
    run.machine.last.exit(code)
    run.machine.turn()


def test_each_segment_is_passed_on_when_its_last_byte_has_come(run: Run) -> None:
    run.write(HEADER)
    assert run.encoder.made == {INIT}
    data = fragment(5) + fragment(6)
    run.write(data[:-1])
    assert run.numbers == [5]
    assert run.encoder.is_productive
    end(run, 255)
    assert run.ends == 1
    assert run.encoder.ending is not None


def test_the_header_alone_is_no_product(run: Run) -> None:
    """An encoder that always fails after its header must count as a failure."""
    run.write(HEADER)
    assert not run.encoder.is_productive
    end(run, 1)


def test_a_paused_encoder_is_not_read_and_its_pause_is_not_its_pace(run: Run) -> None:
    run.write(HEADER + fragment(5))
    run.machine.advance(1)
    run.write(fragment(6) + fragment(7))
    before = run.numbers
    run.encoder.pause()
    run.write(fragment(8))
    assert run.numbers == before
    run.machine.advance(1000)
    run.encoder.resume()
    run.machine.turn()
    assert len(run.numbers) > len(before)
    assert run.encoder.pace is None
    end(run, 255)


def test_what_is_no_fragmented_mp4_ends_it(run: Run) -> None:
    run.write(b"RIFF" + bytes(1000))
    assert run.encoder.is_ending
    assert not run.machine.last.output_is_open
    end(run, 255)
    assert run.encoder.ending is not None
    assert run.encoder.ending.reason is Reason.FAILED


def test_an_end_is_requested_once_and_nothing_is_made_after_it(run: Run) -> None:
    run.write(HEADER)
    for reason in (Reason.SUPERSEDED, Reason.IDLE):
        run.encoder.end(reason)
    assert run.numbers == []
    end(run, 255)
    assert run.encoder.ending is not None
    assert run.encoder.ending.reason is Reason.SUPERSEDED
