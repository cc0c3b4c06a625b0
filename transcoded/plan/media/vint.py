"""Integers of variable size, as EBML and so Matroska have them (RFC 8794, section 4)."""


def read_vint(data: bytes, at: int, *, marker: bool = False) -> tuple[int, int] | None:
    """The integer at a place in the data, and the place behind it. `marker`: with the bit that tells its size, as in the ID of an element.

    None: there are too few bytes, or it is none.
    """
    first = data[at] if 0 <= at < len(data) else 0
    end = at + 9 - first.bit_length()
    if not first or end > len(data):
        return None
    value = int.from_bytes(data[at:end], "big")
    return (value if marker else value & unknown_size(end - at)), end


def unknown_size(width: int) -> int:
    """The value of so many bytes that means, as the size of an element, that it is not known (section 6.2)."""
    return (1 << 7 * width) - 1
