"""The mix: every layout becomes one that the encoder takes, and no channel that people need is lost."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.media.channel_layouts import CHANNELS, KEPT_LAYOUTS
from transcoded.plan.media.params import Downmix
from transcoded.plan.media.probe import AudioStream
from transcoded.plan.media.sound import mix_filters, output_channels, timing_filter


def sound(channels: int, layout: str | None = None, **fields: Any) -> AudioStream:
    return AudioStream(0, 0, "pcm_s16le", channels, 48_000, channel_layout=layout, **fields)


def gains(stream: AudioStream, channels: int, downmix: Downmix = "standard") -> dict[str, dict[str, float]]:
    """What goes from which input channel into which output channel, as the last `pan` says."""
    pan = [one for one in mix_filters(stream, channels, downmix) if one.startswith("pan=")][-1]
    mix: dict[str, dict[str, float]] = {}
    for output in pan.split("|")[1:]:
        name, _, terms = output.partition("=")
        found = re.findall(r"([+-]?)(?:([0-9.]+)\*)?([A-Za-z0-9]+)", terms)
        mix[name] = {channel: float(f"{sign}{gain or 1}") for sign, gain, channel in found}
    return mix


@pytest.mark.parametrize(
    ("stream", "most", "wanted", "lossless", "channels"),
    [
        (sound(1, "mono"), 2, None, False, 1),
        (sound(2, "stereo"), 6, 6, False, 2),
        (sound(6, "5.1"), 6, None, False, 2),
        (sound(6, "5.1"), 6, 6, False, 6),
        (sound(6, "5.1"), 2, 6, False, 2),
        (sound(8, "7.1"), 6, 6, False, 6),
        (sound(5, "5.0"), 6, 6, False, 6),
        (sound(4, "4.0"), 6, 2, False, 2),
        (sound(24, "22.2"), 6, 6, False, 6),
        (sound(9), 6, 6, False, 2),
        (sound(6), 6, 6, False, 6),
        (sound(4, "ambisonic 1"), 6, 6, False, 2),
        (sound(6, "5.1(side)"), 8, None, True, 6),
        (sound(8, "7.1"), 8, None, True, 8),
        (sound(8, "7.1"), 8, 6, True, 6),
        (sound(8, "7.1"), 8, 2, True, 2),
        (sound(4, "4.0"), 8, None, True, 6),
        (sound(5), 8, None, True, 5),
        (sound(24, "22.2"), 8, None, True, 6),
        (sound(16, "ambisonic 3"), 8, None, True, 2),
    ],
)
def test_how_many_channels_come_out(
    stream: AudioStream, most: int, wanted: int | None, *, lossless: bool, channels: int
) -> None:
    assert output_channels(stream, most, wanted, lossless=lossless) == channels


def test_stereo_is_mixed_by_bs_775() -> None:
    mix = gains(sound(6, "5.1(side)"), 2)
    assert mix["FL"] | {"FL": 1, "FC": 0.7071, "SL": 0.7071, "BL": 0.7071} == mix["FL"]
    assert mix["FR"] | {"FR": 1, "FC": 0.7071, "SR": 0.7071, "BR": 0.7071} == mix["FR"]
    assert not {"FR", "SR", "BR", "LFE"} & set(mix["FL"])


def test_every_named_channel_but_lfe_is_heard_in_each_mix() -> None:
    """A layout may come that was not there when the graph was made."""
    for channels in (1, 2, 6):
        heard = {name for terms in gains(sound(6, "5.1"), channels).values() for name in terms}
        assert heard >= CHANNELS - {"LFE", "LFE2"}


def test_no_more_than_half_of_each_channel_goes_into_the_other_side() -> None:
    mix = gains(sound(24, "22.2"), 2)
    for name in set(mix["FL"]) & set(mix["FR"]):
        assert mix["FL"][name] == mix["FR"][name] <= 0.7072


@pytest.mark.parametrize("channels", [2, 6])
def test_dialogue_is_6_db_above_the_rest(channels: int) -> None:
    stream = sound(6, "5.1")
    plain, raised = gains(stream, channels), gains(stream, channels, "dialogue")
    middle, front = ("FL", "FL") if channels == 2 else ("FC", "FL")
    change = (raised[middle]["FC"] / plain[middle]["FC"]) / (raised[front]["FL"] / plain[front]["FL"])
    assert change == pytest.approx(2, rel=0.001)


def test_dialogue_of_stereo_is_as_it_is() -> None:
    assert mix_filters(sound(2, "stereo"), 2, "dialogue") == mix_filters(sound(2, "stereo"), 2)


@pytest.mark.parametrize("stream", [sound(1, "mono"), sound(2, "stereo"), sound(6, "5.1"), sound(9)])
@pytest.mark.parametrize("lossless", [True, False])
def test_night_is_compressed_whatever_the_source_is(stream: AudioStream, *, lossless: bool) -> None:
    filters = mix_filters(stream, min(stream.channels, 2), "night", lossless=lossless)
    assert any(one.startswith("acompressor=") for one in filters)


def test_sound_that_a_lossless_codec_keeps_is_not_touched() -> None:
    assert list(mix_filters(sound(2, "stereo"), 2, lossless=True)) == ["aformat=channel_layouts=stereo"]
    assert list(mix_filters(sound(6, "5.1(side)"), 6, lossless=True)) == ["aformat=channel_layouts=5.1(side)"]
    # Without names, channels get those of the layout with as many; nothing is added to them.
    assert list(mix_filters(sound(3), 3, lossless=True)) == ["pan=3.0|c0=c0|c1=c1|c2=c2"]


def test_full_scale_stereo_is_not_made_softer() -> None:
    assert "alimiter=limit=1:" in mix_filters(sound(2, "stereo"), 2)[-1]
    assert "alimiter=limit=0.95:" in mix_filters(sound(6, "5.1"), 2)[-1]


def test_many_channels_without_names_all_go_to_one_side() -> None:
    mix = gains(sound(9), 2)
    assert set(mix["FL"]) == {"c0", "c2", "c4", "c6", "c8"}
    assert set(mix["FR"]) == {"c1", "c3", "c5", "c7"}
    assert sum(gain**2 for gain in mix["FL"].values()) == pytest.approx(1, rel=0.001)


def test_a_sound_field_is_heard_from_the_left_and_from_the_right() -> None:
    assert gains(sound(9, "ambisonic 2"), 2) == {"FL": {"c0": 0.5, "c1": 0.5}, "FR": {"c0": 0.5, "c1": -0.5}}


layouts = st.sampled_from([None, "stereo", "5.1", "7.1(wide)", "ambisonic 1", "3 channels (FL+FR+FC)", "a,b|c=d;e"])


@given(st.integers(1, 64), layouts, st.sampled_from([None, 2, 6]), st.booleans())
def test_a_graph_names_its_layout_and_nothing_of_the_file_gets_into_it(
    channels: int, layout: str | None, wanted: int | None, lossless: bool
) -> None:
    stream = sound(channels, layout)
    out = output_channels(stream, 8 if lossless else 6, wanted, lossless=lossless)
    filters = mix_filters(stream, out, lossless=lossless)
    named = re.findall(r"(?:pan|aformat=channel_layouts)=([^|,]+)", ",".join(filters))
    assert named
    assert named[-1] in {"mono", "stereo", "5.1", *KEPT_LAYOUTS}
    assert "a,b" not in ",".join(filters)


def test_nothing_counts_from_the_beginning_of_a_graph_where_packets_have_times() -> None:
    assert timing_filter(48_000, from_zero=False) == "aresample=48000:async=1:min_hard_comp=0.04"
    assert timing_filter(44_100, from_zero=True).endswith(":first_pts=0")
