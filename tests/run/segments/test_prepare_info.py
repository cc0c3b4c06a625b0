"""How much a prepare takes: an answer that is too low promises what the cache cannot keep."""

import msgspec
import pytest

from tests.plan.examples import MEDIA
from tests.run.fakes import new_file
from tests.run.segments.world import VIDEO
from transcoded.run.segments.encoder import Source
from transcoded.run.segments.prepare_info import Part, PrepareInfo, PrepareState


def test_seconds_and_bytes_of_a_part() -> None:
    whole = Part(Source(new_file(), MEDIA, VIDEO), 0, len(VIDEO.timeline))
    assert whole.seconds == pytest.approx(40, abs=0.05)
    assert whole.bytes == round(VIDEO.average * whole.seconds / 8)
    last = Part(whole.source, len(VIDEO.timeline) - 1, len(VIDEO.timeline))
    assert 0 < last.seconds < 2


def test_which_states_are_the_last() -> None:
    assert {state for state in PrepareState if state.is_over} == {"done", "failed", "cancelled"}


def test_the_json_has_from() -> None:
    """`from` is a word of Python, so the field has another name there."""
    assert "from" in {field.encode_name for field in msgspec.structs.fields(PrepareInfo)}
