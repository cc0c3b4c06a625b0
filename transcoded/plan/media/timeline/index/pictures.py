"""Whether a frame is a keyframe, from its first bytes: what an index says of some of them is checked.

ffmpeg looks, too: when it copies, a frame that only the index calls a keyframe is dropped, and all up to the next one with it. Some muxers write no table
of keyframes, which means that all frames are; then an index would be of no use.
"""

from collections.abc import Sequence

import attrs

FIRST_BYTES = 2048
"""Bytes of a frame that are read: parameter sets and messages come before its first slice."""

_RECOVERY_POINT = 6


@attrs.frozen
class Look:
    """How the frames of a track begin. `width` is the number of bytes of the length of a NAL unit (0: not known)."""

    codec: str
    width: int = 0

    @classmethod
    def of(cls, codec: str, configuration: bytes) -> "Look":
        """From the configuration of a decoder (ISO/IEC 14496-15, sections 5.3.3.1 and 8.3.3.1), which Matroska has as CodecPrivate."""
        place = {"h264": 4, "hevc": 21}.get(codec, 0)
        known = place and len(configuration) > place and configuration[0] == 1
        return cls(codec, (configuration[place] & 3) + 1 if known else 0)

    def denies(self, data: bytes) -> bool:
        """Whether a frame that begins in this way is certainly no keyframe."""
        if self.codec == "vp9":
            return _is_inter_vp9(data)
        if not self.width:
            return False
        units = _units(data, self.width)
        if self.codec == "h264":
            return _is_inter_h264(units)
        # IRAP pictures (ITU-T H.265, table 7-1); what is above 31 is no slice.
        slices = [unit[0] >> 1 & 63 for unit in units if unit[0] >> 1 & 63 < 32]
        return bool(slices) and not 16 <= slices[0] <= 23


def _units(data: bytes, width: int) -> Sequence[bytes]:
    """The first bytes of the NAL units that begin in the data."""
    found: list[bytes] = []
    at = 0
    while at + width < len(data) and len(found) < 64:
        length = int.from_bytes(data[at : at + width], "big")
        found.append(data[at + width : at + width + min(max(length, 1), 64)])
        at += width + length
    return found


def _is_inter_h264(units: Sequence[bytes]) -> bool:
    """Whether the first slice is not of an IDR picture, and no message calls it a point of recovery (ITU-T H.264, table 7-1 and annex D)."""
    for unit in units:
        kind = unit[0] & 31
        # A message may hold several; which is not looked into.
        if kind == 5 or (kind == 6 and _RECOVERY_POINT in unit[1:]):
            return False
        if 1 <= kind <= 4:
            return True
    return False


def _is_inter_vp9(data: bytes) -> bool:
    """The uncompressed header (VP9 bitstream specification, section 6.2): marker, profile, whether a frame is repeated, and the type."""
    if not data or data[0] >> 6 != 2:
        return False
    shift = 2 if data[0] >> 4 & 3 != 3 else 1
    return bool(data[0] >> shift & 1)
