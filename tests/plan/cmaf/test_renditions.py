"""What of a presentation a player is offered that cannot change codecs: with another one it would stop in the middle of the film."""

import attrs
import pytest

from tests.plan.cmaf.test_ladder import KEYFRAMES, MEDIA
from transcoded.plan.cmaf.ladder import present
from transcoded.plan.media.timeline.packets import PacketScan


@pytest.mark.parametrize(
    ("keyframes", "copied", "offered"),
    [
        (KEYFRAMES, True, ["copy"]),
        (KEYFRAMES, False, ["v1080", "v720", "v480", "v360"]),
        ((), True, ["v1080", "v720", "v480", "v360"]),
        ((), False, ["v1080", "v720", "v480", "v360"]),
    ],
)
def test_videos_of_one_kind_come_with_one_group_of_audio(
    keyframes: tuple[int, ...], copied: bool, offered: list[str]
) -> None:
    everything = present(attrs.evolve(MEDIA, size=90_000_000), PacketScan(keyframes=keyframes))
    assert len(everything.groups) > 1
    found = everything.of_one_codec(copied=copied)
    assert [one.id for one in found.video] == offered
    assert found.groups == everything.groups[:1]
    assert found.audio == tuple(found.groups[0].renditions)
    assert found.subtitles == everything.subtitles


def test_where_nothing_is_encoded_it_is_the_copy() -> None:
    found = present(MEDIA, PacketScan(keyframes=KEYFRAMES))
    only = attrs.evolve(found, video=found.video[:1])
    assert [one.id for one in only.of_one_codec(copied=False).video] == ["copy"]


def test_what_hardware_encodes_is_known_by_its_usual_name_too() -> None:
    found = present(MEDIA, PacketScan(keyframes=KEYFRAMES), engine="nvenc")
    assert found.rendition("v360-nvenc") is found.rendition("v360")
    assert found.rendition("v360-vaapi") is None
    assert found.rendition("copy") is not None
    assert found.rendition("copy-software") is None
