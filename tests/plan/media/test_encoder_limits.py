"""What encoders take: a rate or a bit rate that one refuses would be a stream that fails."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.media.encoder_limits import encoded_bit_rate, encoded_rate, sample_bits
from transcoded.plan.media.formats import AAC, FLAC, MP3, OPUS, PCM, Encoder
from transcoded.plan.media.probe import AudioStream


def stream(rate: int = 48_000, codec: str = "flac", **fields: Any) -> AudioStream:
    return AudioStream(0, 0, codec, 2, rate, **fields)


@pytest.mark.parametrize(
    ("encoder", "source", "rate"),
    [
        (AAC, 48_000, 48_000),
        (AAC, 96_000, 48_000),
        (AAC, 88_200, 44_100),
        (AAC, 44_056, 44_100),
        (AAC, 47_999, 48_000),
        (AAC, 64_000, 48_000),
        (AAC, 7_350, 8_000),
        (AAC, 352_800, 44_100),
        (AAC, 1_411_200, 44_100),
        (AAC, 768_000, 48_000),
        (MP3, 8_000, 16_000),
        (OPUS, 44_100, 48_000),
        (FLAC, 44_056, 44_056),
        (FLAC, 96_000, 96_000),
        (FLAC, 384_000, 192_000),
        (FLAC, 1_411_200, 176_400),
        (FLAC, 65_537, 88_200),
        (FLAC, 1, 4_000),
        (PCM, 7_350, 7_350),
        (PCM, 768_000, 192_000),
    ],
)
def test_a_rate_that_the_encoder_takes(encoder: Encoder, source: int, rate: int) -> None:
    assert encoded_rate(stream(source), encoder) == rate


def test_what_a_header_does_not_say_of_aac_is_kept() -> None:
    """Spectral band replication doubles the rate, and only the decoder finds it."""
    assert encoded_rate(stream(24_000, "aac", profile="LC"), MP3) == 48_000
    assert encoded_rate(stream(22_050, "aac"), AAC) == 44_100
    assert encoded_rate(stream(48_000, "aac", profile="HE-AAC"), AAC) == 48_000


@pytest.mark.parametrize(
    ("encoder", "channels", "rate", "requested", "granted"),
    [
        (OPUS, 1, 48_000, 320_000, 256_000),
        (OPUS, 2, 48_000, 2_000_000, 510_000),
        (OPUS, 6, 48_000, 2_000_000, 510_000),
        (OPUS, 2, 48_000, 6_000, 6_000),
        (AAC, 1, 8_000, 320_000, 48_000),
        (AAC, 2, 48_000, 2_000_000, 576_000),
        (MP3, 2, 44_100, 2_000_000, 320_000),
        (MP3, 2, 44_100, 6_000, 32_000),
        (MP3, 2, 22_050, 192_000, 160_000),
        (MP3, 2, 44_100, 100_000, 96_000),
        (FLAC, 2, 44_100, 320_000, None),
        (AAC, 2, 48_000, None, 160_000),
        (AAC, 1, 48_000, None, 80_000),
        (AAC, 6, 48_000, None, 384_000),
        (OPUS, 6, 48_000, None, 307_200),
    ],
)
def test_a_bit_rate_that_the_encoder_takes(
    encoder: Encoder, channels: int, rate: int, requested: int | None, granted: int | None
) -> None:
    assert encoded_bit_rate(encoder, channels, rate, requested) == granted


@given(st.integers(1, 5_000_000), st.sampled_from([AAC, MP3, OPUS, FLAC, PCM]))
def test_every_rate_has_one_that_the_encoder_takes(source: int, encoder: Encoder) -> None:
    rate = encoded_rate(stream(source), encoder)
    assert rate in encoder.sample_rates or (encoder.any_rate and rate == source <= 192_000)


@pytest.mark.parametrize(
    ("codec", "bits", "profile", "kept"),
    [
        ("flac", 16, None, 16),
        ("flac", 24, None, 24),
        ("pcm_s32le", 32, None, 24),
        ("pcm_f32le", 32, None, 24),
        ("pcm_u8", 8, None, 16),
        ("dsd_lsbf_planar", 8, None, 24),
        ("truehd", 24, None, 24),
        ("dts", 24, "DTS", 16),
        ("dts", 24, "DTS-HD MA", 24),
        ("aac", None, "LC", 16),
        ("opus", 32, None, 16),
        ("alac", None, None, 16),
    ],
)
def test_the_bits_that_are_worth_keeping(codec: str, bits: int | None, profile: str | None, kept: int) -> None:
    assert sample_bits(stream(codec=codec, bits_per_sample=bits, profile=profile)) == kept
