"""What the encoders of sound accept: sample rates, bit rates, bits of a sample. What they do not, they refuse, and the stream fails."""

from transcoded.plan.media.formats import Encoder
from transcoded.plan.media.probe import AudioStream

_FULL = 44_100
"""Hz. A rate of at least this much holds all that people hear."""

_OPUS_CHANNEL, _OPUS_ALL = 256_000, 510_000
"""Bits per second that libopus takes for a channel, and that a stream has at most (RFC 6716, section 2.1.1)."""

_AAC_FRAME = 6144 / 1024
"""Bits that a sample of a channel has at most in AAC (ISO/IEC 14496-3, section 4.5.3.1)."""

_MP3_RATES = {
    True: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Kilobits per second of layer III: in MPEG-1, that is from 32 kHz on, and in MPEG-2 (ISO/IEC 11172-3 and 13818-3, section 2.4.2.3)."""

_SHARES = {1: 0.5, 6: 2.4}
"""The bit rate of so many channels, where two have 1. In 5.1, one channel has only a few frequencies."""

_LOSSY = frozenset(
    "aac aac_latm ac3 eac3 mp1 mp2 mp3 opus vorbis wmav1 wmav2 wmapro wmavoice amr_nb amr_wb cook atrac3 atrac3p".split()
)


def encoded_rate(stream: AudioStream, encoder: Encoder) -> int:
    """The sample rate for a source: its own, else the next higher, else one that divides it.

    A rate that divides the source's (48,000 of 96,000, 44,100 of the 352,800 of DSD) is converted with the least loss.
    """
    rates, source = encoder.sample_rates, stream.sample_rate
    if stream.codec == "aac" and source <= 24_000 and stream.profile in {None, "LC"}:
        # It can have twice the rate that its header says: of spectral band replication only the decoder knows.
        source *= 2
    if source in rates or (
        encoder.any_rate and rates[-1] <= source <= rates[0] and (source < 65_536 or source % 10 == 0)
    ):
        return source
    higher = [rate for rate in rates if rate >= source]
    if higher:
        return min(higher)
    return next((rate for rate in rates if source % rate == 0 and rate >= _FULL), rates[0])


def encoded_bit_rate(encoder: Encoder, channels: int, sample_rate: int, requested: int | None) -> int | None:
    """Bits per second that the encoder takes, as near to those that were requested as possible. None: it has no bit rate."""
    if encoder.bit_rate is None:
        return None
    wanted = requested or round(encoder.bit_rate * _SHARES.get(channels, channels / 2))
    match encoder.codec:
        case "opus":
            return min(wanted, channels * _OPUS_CHANNEL, _OPUS_ALL)
        case "aac":
            return min(wanted, int(channels * sample_rate * _AAC_FRAME))
        case "mp3":
            rates = [1000 * rate for rate in _MP3_RATES[sample_rate >= 32_000]]
            return min(rates, key=lambda rate: abs(rate - wanted))
        case _:
            return wanted


def sample_bits(stream: AudioStream) -> int:
    """The bits of a sample that are worth keeping: 16 or 24.

    Lossy codecs decode to floating point; more bits would only store more of their noise.
    """
    codec = stream.codec
    if codec.startswith("dsd_") or codec in {"pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be", "pcm_f24le"}:
        return 24
    if codec in _LOSSY or (codec == "dts" and stream.profile != "DTS-HD MA"):
        return 16
    return 24 if (stream.bits_per_sample or 16) > 16 else 16
