"""The level of an H.264 encode (ITU-T H.264, annex A): a decoder refuses a level that it does not support."""

from fractions import Fraction

# Table A-1: level_idc, macroblocks a second, macroblocks a frame, and kbit/s. The High profile is allowed 1.25 times
# the bit rate.
_LEVELS = (
    (30, 40_500, 1_620, 10_000),
    (31, 108_000, 3_600, 14_000),
    (32, 216_000, 5_120, 20_000),
    (40, 245_760, 8_192, 20_000),
    (41, 245_760, 8_192, 50_000),
    (42, 522_240, 8_704, 50_000),
    (50, 589_824, 22_080, 135_000),
    (51, 983_040, 36_864, 240_000),
    (52, 2_073_600, 36_864, 240_000),
    (60, 4_177_920, 139_264, 240_000),
    (61, 8_355_840, 139_264, 480_000),
    (62, 16_711_680, 139_264, 800_000),
)


def h264_level(width: int, height: int, rate: Fraction, bit_rate: int) -> int:
    """The lowest level_idc, but at least 3.0 (30), that the High profile allows for this video.

    `width` and `height` in pixels, `rate` in frames per second, `bit_rate` in bits per second. For video beyond all
    levels it is the highest, 6.2 (62).
    """
    blocks = -(-width // 16) * -(-height // 16)
    for level, per_second, per_frame, kilobits in _LEVELS:
        # Section A.3.1: no side is longer than the square root of eight times the macroblocks of a frame.
        too_long = max(-(-width // 16), -(-height // 16)) ** 2 > 8 * per_frame
        if not too_long and blocks <= per_frame and blocks * rate <= per_second and bit_rate <= kilobits * 1250:
            return level
    return _LEVELS[-1][0]
