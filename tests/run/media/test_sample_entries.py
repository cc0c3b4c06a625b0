"""Codec strings of copied video: found once, and not again for each segment."""

from collections.abc import Sequence
from typing import cast

import attrs
import pytest
from twisted.internet.defer import Deferred

from tests.plan.cmaf.test_segmenter import FTYP, moov
from tests.plan.examples import VIDEO_STREAM
from tests.run.fakes import Machine, new_file, result_of
from transcoded.plan.errors import NotMedia, TranscodedError, TranscodeFailed
from transcoded.run.files.library import MediaFile
from transcoded.run.media.extracts import Extracts
from transcoded.run.media.sample_entries import SampleEntries
from transcoded.run.reactor import as_reactor

INIT = FTYP + moov(25_000)


@attrs.define
class FakeExtracts:
    """Makes the init segment, or fails, and counts."""

    answer: bytes | TranscodedError = INIT
    runs: int = 0

    async def make(
        self, file: MediaFile, name: str, arguments: Sequence[str], max_bytes: int, *, client: str = ""
    ) -> bytes:
        self.runs += 1
        if isinstance(self.answer, TranscodedError):
            raise self.answer
        return self.answer


def ask(machine: Machine, entries: SampleEntries, file: str = "a.mkv", index: int = 0) -> str | None:
    stream = attrs.evolve(VIDEO_STREAM, index=index)
    waiting = Deferred.fromCoroutine(entries.codecs(new_file(file), stream, "192.0.2.1"))
    machine.turn()
    return cast("str | None", result_of(waiting))


def new(machine: Machine, extracts: FakeExtracts) -> SampleEntries:
    return SampleEntries(as_reactor(machine), cast(Extracts, extracts))


def test_it_is_that_of_the_sample_entry_and_found_once_for_each_stream(machine: Machine) -> None:
    extracts = FakeExtracts()
    entries = new(machine, extracts)
    assert [ask(machine, entries) for _ in range(3)] == ["avc1.64001f"] * 3
    assert extracts.runs == 1
    assert ask(machine, entries, index=1) == ask(machine, entries, "b.mkv") == "avc1.64001f"
    assert extracts.runs == 3


@pytest.mark.parametrize(
    ("answer", "runs"), [(b"no boxes at all", 1), (NotMedia("x"), 1), (TranscodeFailed("x"), 2)], ids=str
)
def test_what_cannot_be_copied_is_tried_again_only_if_that_may_change(
    machine: Machine, answer: bytes | TranscodedError, runs: int
) -> None:
    extracts = FakeExtracts(answer)
    entries = new(machine, extracts)
    assert ask(machine, entries) is None
    assert ask(machine, entries) is None
    assert extracts.runs == runs
