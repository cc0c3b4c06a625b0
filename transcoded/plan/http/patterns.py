"""Regular expressions for decimal numbers between two bounds, in the syntax of JSON Schema (ECMA-262).

A JSON schema has bounds for numbers, but not for a number in a text such as `1.5M`. A pattern of this module expresses such
bounds, so one schema can be both published and checked.
"""

from fractions import Fraction


def integers(minimum: int, maximum: int) -> str:
    """Matches every whole number from `minimum` to `maximum` (both at least 0), written without leading zeros."""
    parts = []
    while minimum <= maximum:
        # The largest block of 10^k numbers that begins here and ends within the bounds.
        zeros = 0
        while minimum and minimum % 10 ** (zeros + 1) == 0 and minimum + 10 ** (zeros + 1) - 1 <= maximum:
            zeros += 1
        block = 10**zeros
        head, digit = divmod(minimum // block, 10)
        last = digit
        while last < 9 and minimum + (last - digit + 2) * block - 1 <= maximum:
            last += 1
        tail = "[0-9]" if zeros == 1 else f"[0-9]{{{zeros}}}" if zeros else ""
        choice = str(digit) if digit == last else f"[{digit}-{last}]"
        parts.append(f"{head or ''}{choice}{tail}")
        minimum += (last - digit + 1) * block
    return any_of(parts)


def decimals(minimum: Fraction, maximum: Fraction, places: int, *, dot_alone: bool = False) -> str:
    """Matches every decimal number from `minimum` to `maximum` with at most `places` digits after the dot. Leading zeros are allowed.

    `dot_alone`: `7.` is allowed, too. Raises ValueError if a bound needs more digits. The bounds must have different whole
    parts.
    """
    first, last = int(minimum), int(maximum)
    anything = f"(?:\\.[0-9]{{{0 if dot_alone else 1},{places}}})?"
    nothing = f"(?:\\.0{{{0 if dot_alone else 1},{places}}})?"
    parts = []
    if minimum > first:
        parts.append(f"{first}\\.{fraction_from(minimum - first, places)}")
    whole = integers(first if minimum == first else first + 1, last - 1)
    if whole != _NEVER:
        parts.append(f"{whole}{anything}")
    parts.append(f"{last}{nothing if maximum == last else _up_to(maximum - last, places)}")
    return f"0{{0,9}}{any_of(parts)}"


def fraction_from(minimum: Fraction, places: int) -> str:
    """Matches the digits after the dot, at most `places`, of every number from `minimum` up to 1 (not included)."""
    digits = _digits(minimum, places)
    parts = [
        f"{digits[:place]}[{int(digit) + 1}-9]{_any(places - place - 1)}"
        for place, digit in enumerate(digits)
        if digit != "9"
    ]
    return any_of([*parts, f"{digits}{_any(places - len(digits))}"])


def any_of(parts: list[str]) -> str:
    """Matches what one of the parts matches. Without parts it matches nothing."""
    return f"(?:{'|'.join(parts)})" if parts else _NEVER


_NEVER = "[^\\s\\S]"


def _up_to(maximum: Fraction, places: int) -> str:
    """An optional fraction that is not more than `maximum`."""
    digits = _digits(maximum, places)
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
