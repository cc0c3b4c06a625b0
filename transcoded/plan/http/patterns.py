"""Regular expressions for decimal numbers between two bounds, in the dialect that JSON Schema asks for (ECMA-262).

A schema can bound a JSON number, but not a number inside a text such as `1.5M`. With these expressions it can, so what a
schema promises and what is checked are one and the same text.
"""

from fractions import Fraction


def integers(least: int, most: int) -> str:
    """Matches every whole number from `least` to `most` (both at least 0), written without leading zeros."""
    parts = []
    while least <= most:
        # The largest block of 10^k numbers that begins here and ends within the bounds.
        zeros = 0
        while least and least % 10 ** (zeros + 1) == 0 and least + 10 ** (zeros + 1) - 1 <= most:
            zeros += 1
        block = 10**zeros
        head, digit = divmod(least // block, 10)
        last = digit
        while last < 9 and least + (last - digit + 2) * block - 1 <= most:
            last += 1
        tail = "[0-9]" if zeros == 1 else f"[0-9]{{{zeros}}}" if zeros else ""
        choice = str(digit) if digit == last else f"[{digit}-{last}]"
        parts.append(f"{head or ''}{choice}{tail}")
        least += (last - digit + 1) * block
    return any_of(parts)


def decimals(least: Fraction, most: Fraction, places: int, *, dot_alone: bool = False) -> str:
    """Matches every decimal number from `least` to `most` with up to `places` digits behind the dot; leading zeros are allowed.

    `dot_alone`: whether `7.` is a number. The bounds must be writable with that many digits, and not lie in one unit.
    """
    first, last = int(least), int(most)
    anything = f"(?:\\.[0-9]{{{0 if dot_alone else 1},{places}}})?"
    nothing = f"(?:\\.0{{{0 if dot_alone else 1},{places}}})?"
    parts = []
    if least > first:
        parts.append(f"{first}\\.{fraction_from(least - first, places)}")
    whole = integers(first if least == first else first + 1, last - 1)
    if whole != _NEVER:
        parts.append(f"{whole}{anything}")
    parts.append(f"{last}{nothing if most == last else _up_to(most - last, places)}")
    return f"0{{0,9}}{any_of(parts)}"


def fraction_from(least: Fraction, places: int) -> str:
    """Matches the digits behind a dot, as many as `places`, of every number from `least` up to 1 (not included)."""
    digits = _digits(least, places)
    parts = [
        f"{digits[:place]}[{int(digit) + 1}-9]{_any(places - place - 1)}"
        for place, digit in enumerate(digits)
        if digit != "9"
    ]
    return any_of([*parts, f"{digits}{_any(places - len(digits))}"])


def any_of(parts: list[str]) -> str:
    """Matches what any of these does; without a part, nothing."""
    return f"(?:{'|'.join(parts)})" if parts else _NEVER


_NEVER = "[^\\s\\S]"


def _up_to(most: Fraction, places: int) -> str:
    """An optional fraction that is not more than `most`."""
    digits = _digits(most, places)
    parts = [
        f"{digits[:place]}[0-{int(digit) - 1}]{_any(places - place - 1)}"
        for place, digit in enumerate(digits)
        if digit != "0"
    ]
    parts += [f"{digits[:place]}" for place in range(1, len(digits))]
    zeros = places - len(digits)
    return f"(?:\\.{any_of([*parts, f'{digits}0{{0,{zeros}}}' if zeros else digits])})?"


def _digits(fraction: Fraction, places: int) -> str:
    scaled = fraction * 10**places
    if scaled.denominator != 1:
        raise ValueError(f"{fraction} cannot be written with {places} digits")
    return f"{int(scaled):0{places}}".rstrip("0")


def _any(count: int) -> str:
    return f"[0-9]{{0,{count}}}" if count else ""
