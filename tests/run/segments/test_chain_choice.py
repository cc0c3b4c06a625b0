"""Which chain makes a rendition: hardware that fails or falls behind is followed by another one, and costs what it costs."""

from typing import cast

import attrs
import pytest
from twisted.internet.task import Clock

from tests.plan.examples import MEDIA
from tests.run.fakes import PROGRAM, new_file
from tests.run.segments.world import AUDIO, VIDEO
from tests.run.streams.test_fallbacks import ending
from transcoded.plan.cmaf.governor import PRESETS, Costs, Work
from transcoded.plan.endings import Reason
from transcoded.plan.media.argv import Options
from transcoded.plan.media.capabilities import Capabilities, CodecEngine
from transcoded.plan.media.hardware import DEVICES, SOFTWARE, Chain
from transcoded.run.segments.chain_choice import SLOW, ChainChoice
from transcoded.run.segments.encoder import EncoderFactory, Source
from transcoded.run.streams.fallbacks import Fallback, Fallbacks
from transcoded.run.streams.registry import StreamRegistry

CARD = attrs.evolve(VIDEO, engine="nvenc")
ON_THE_DEVICE, ENCODES = Chain("nvenc", "nvenc"), Chain("nvenc")


@attrs.define
class Machine:
    """A card, and what it was told of."""

    told: list[Fallback] = attrs.Factory(list)
    clock: Clock = attrs.Factory(Clock)
    costs: Costs = attrs.Factory(lambda: Costs(4.0, 8))
    encoders: EncoderFactory = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        device = DEVICES["nvenc"]
        used = (device.scale, device.deinterlace, device.transpose)
        filters = frozenset(one.partition("=")[0] for one in used if one is not None)
        engine = CodecEngine("nvenc", True, "it was tried", frozenset({"h264"}), frozenset({"h264"}), filters=filters)
        able = attrs.evolve(Capabilities.everything(), engines=(engine,))
        self.encoders = EncoderFactory(
            cast(StreamRegistry, None),
            PROGRAM,
            Options(capabilities=able),
            self.clock.seconds,
            self.costs,
            Fallbacks(self.clock, (self.told.append,)),
        )

    def choice(self) -> ChainChoice:
        return ChainChoice(Source(new_file("a.mkv"), MEDIA, CARD, None), self.encoders)


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_what_has_failed_is_followed_by_the_next_and_told_when_that_has_made_something(machine: Machine) -> None:
    choice = machine.choice()
    assert choice.now() == ON_THE_DEVICE
    assert choice.has_failed(ON_THE_DEVICE, ending(said="driver lost"))
    assert choice.now() == ENCODES
    assert choice.has_failed(ENCODES, ending(Reason.HUNG))
    assert choice.now() == SOFTWARE
    assert not machine.told
    choice.made(SOFTWARE)
    assert [(one.chain, one.next) for one in machine.told] == [("nvenc", "software"), ("software-nvenc", "software")]
    assert machine.choice().now() == SOFTWARE, "others do not try it again"


def test_a_file_that_nothing_can_make_is_not_held_against_the_card(machine: Machine) -> None:
    choice = machine.choice()
    for chain in (ON_THE_DEVICE, ENCODES):
        assert choice.has_failed(chain, ending())
    assert not choice.has_failed(SOFTWARE, ending())
    assert choice.now() == ON_THE_DEVICE
    assert not machine.told
    assert not choice.has_failed(ON_THE_DEVICE, ending(Reason.IDLE))


def test_one_that_falls_behind_is_followed_by_the_next(machine: Machine) -> None:
    choice = machine.choice()
    for _ in range(SLOW - 1):
        assert not choice.is_too_slow(ON_THE_DEVICE, 2.0, 2.0)
    assert not choice.is_too_slow(ON_THE_DEVICE, 1.0, 2.0), "in a row"
    assert [choice.is_too_slow(ON_THE_DEVICE, 2.0, 2.0) for _ in range(SLOW)] == [False] * (SLOW - 1) + [True]
    assert choice.now() == ENCODES


def test_hardware_takes_the_slots_and_the_share_that_it_was_seen_to_take(machine: Machine) -> None:
    choice = machine.choice()
    assert choice.slots() == 2
    assert choice.share(None) == 0.25
    work = attrs.evolve(Work.of(CARD), engine="nvenc")
    machine.costs.learn(work, PRESETS[0], 0.4, 1.0)
    assert choice.share(None) == pytest.approx(0.12)
    assert choice.share(SOFTWARE) is None


def test_sound_has_no_choice(machine: Machine) -> None:
    choice = ChainChoice(Source(new_file("a.mkv"), MEDIA, AUDIO, None), machine.encoders)
    assert choice.now() == SOFTWARE
    assert choice.slots() is choice.share(None) is None
    choice.made(SOFTWARE)
    assert not machine.told
