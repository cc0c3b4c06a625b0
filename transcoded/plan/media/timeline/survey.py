"""A survey of a file: a few short reads that tell whether its header can be believed.

* Is it whole? A download that broke off has a header for all of it. The outermost box, element or chunk then ends behind the end of the file.
* Does its clock go on evenly? Joined recordings have clocks that begin anew. The clock is read at many places.

It reads a file of any size in about the same time. The times themselves are found by counting packets (`packets`), if the survey has a doubt.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from transcoded.plan.media.vint import read_vint, unknown_size

Read = Callable[[int, int], bytes]
"""Returns up to so many bytes from an offset on; fewer at the end of the file."""

MAX_BOXES = 4096
"""Outermost boxes of an MP4 that are looked at. A fragmented file has two for each fragment."""

PLACES = 192
"""Places at which the clock is read."""

BLOCK = 48 * 1024
"""Bytes that are read at a place. At 8 Mbit/s a transport stream has a clock reference every 40,000 bytes (ISO/IEC 13818-1, section 2.7.2)."""

_SURVEYED = frozenset({"avi", "matroska", "mov", "mpeg", "mpegts", "wav"})

_WRAP = 1 << 33
_HERTZ = 90_000
_EVEN = 12.0
"""Seconds by which the clock may go on between two places more than it does on average, and twice that much by factor."""


def is_surveyed(container: str) -> bool:
    """Whether there is anything to find out about files of this kind."""
    return not _SURVEYED.isdisjoint(container.split(","))


def is_cut(container: str, size: int, read: Read) -> bool:
    """Whether a file of `size` bytes ends before its outermost box, element or chunk does."""
    names = container.split(",")
    if "mov" in names:
        return _mp4_is_cut(size, read)
    if "matroska" in names:
        return _matroska_is_cut(size, read)
    if "avi" in names or "wav" in names:
        head = read(0, 12)
        # A size of 0 or of 32 ones means: not known, as in a pipe.
        length = int.from_bytes(head[4:8], "little")
        return head[:4] == b"RIFF" and 0 < length < 0xFFFFFFFF and 8 + length > size + 1
    return False


def clock_is_uneven(container: str, size: int, read: Read) -> bool:
    """Whether the clock of a transport or program stream goes back somewhere, or jumps forward."""
    names = container.split(",")
    if "mpegts" in names:
        clocks: Callable[[bytes], Iterator[int]] = _transport_clocks
    elif "mpeg" in names:
        clocks = _program_clocks
    else:
        return False
    times: list[int] = []
    # In a small file the blocks follow one another, and do not overlap.
    places = min(PLACES, -(-size // BLOCK))
    for place in range(places):
        offset = max(size * place // places, place * BLOCK) if places < PLACES else size * place // places
        found = list(clocks(read(offset, BLOCK)))
        times += [found[0], found[-1]] if found else []
    steps = [_step(earlier, later) for earlier, later in pairwise(times)]
    if any(step < -_HERTZ for step in steps):
        return True
    between = sorted(steps[1::2])
    usual = between[len(between) // 2] if between else 0
    return any(step > 2 * usual + _EVEN * _HERTZ for step in steps)


def _step(earlier: int, later: int) -> int:
    """From one time to the next, on a clock of 33 bits that wraps around."""
    return (later - earlier + _WRAP // 2) % _WRAP - _WRAP // 2


def _mp4_is_cut(size: int, read: Read) -> bool:
    """ISO/IEC 14496-12, section 4.2: a size of 1 is followed by one of 64 bits, a size of 0 lasts to the end of the file."""
    offset = 0
    for _ in range(MAX_BOXES):
        head = read(offset, 16)
        if len(head) < 8:
            return len(head) > 0
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8 or not head[4:8].isascii():
            return False
        offset += length
        if offset >= size:
            return offset > size
    return False


def _matroska_is_cut(size: int, read: Read) -> bool:
    """RFC 8794, section 6: the size of the Segment, behind the EBML header. A size of ones only means: not known."""
    head = read(0, 4096)
    if head[:4] != b"\x1a\x45\xdf\xa3":
        return False
    outer = _size(head, 4)
    if outer is None:
        return False
    length, start = outer
    segment = start + length
    inner = _size(head, segment + 4) if head[segment : segment + 4] == b"\x18\x53\x80\x67" else None
    return inner is not None and sum(inner) > size


def _size(data: bytes, at: int) -> tuple[int, int] | None:
    """The size of an element, and the place behind it; None if it is not known."""
    found = read_vint(data, at)
    return None if found is None or found[0] == unknown_size(found[1] - at) else found


def _transport_clocks(block: bytes) -> Iterator[int]:
    """The clock references (PCR) of the first programme in a block, in ticks of 90 kHz (ISO/IEC 13818-1, section 2.4.3.5)."""
    layout = _packets(block)
    if layout is None:
        return
    start, step = layout
    chosen = None
    for at in range(start, len(block) - 12, step):
        # A sync byte, an adaptation field of at least seven bytes, and in it the flag of a clock reference.
        if block[at] != 0x47 or not block[at + 3] & 0x20 or block[at + 4] < 7 or not block[at + 5] & 0x10:
            continue
        pid = int.from_bytes(block[at + 1 : at + 3], "big") & 0x1FFF
        chosen = pid if chosen is None else chosen
        if pid == chosen:
            yield int.from_bytes(block[at + 6 : at + 11], "big") >> 7


def _packets(block: bytes) -> tuple[int, int] | None:
    """Where the first packet begins, and how long packets are: 188 bytes, with four more before each on a Blu-ray disc, 204 on air."""
    for step in (188, 192, 204):
        for start in range(min(step, len(block))):
            if all(block[at] == 0x47 for at in range(start, min(len(block), start + 8 * step), step)):
                return start, step
    return None


def _program_clocks(block: bytes) -> Iterator[int]:
    """The clock references (SCR) of pack headers, in ticks of 90 kHz (ISO/IEC 13818-1, section 2.5.3.3, and ISO/IEC 11172-1)."""
    at = block.find(b"\x00\x00\x01\xba")
    while 0 <= at <= len(block) - 10:
        field: Sequence[int] = block[at + 4 : at + 10]
        if field[0] >> 6 == 1:
            high, middle = field[0] >> 3 & 7, (field[0] & 3) << 13 | field[1] << 5 | field[2] >> 3
            yield high << 30 | middle << 15 | (field[2] & 3) << 13 | field[3] << 5 | field[4] >> 3
        elif field[0] >> 4 == 2:
            yield (field[0] >> 1 & 7) << 30 | (field[1] << 7 | field[2] >> 1) << 15 | (field[3] << 7 | field[4] >> 1)
        at = block.find(b"\x00\x00\x01\xba", at + 4)
