"""The latest values: what is kept must not grow with the number of values, nor with their size."""

from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.latest import Latest


def test_the_oldest_go_first() -> None:
    latest: Latest[bytes] = Latest(3, 10, len)
    for value in (b"a", b"b", b"c", b"d"):
        latest.append(value)
    assert list(latest) == [b"b", b"c", b"d"]
    latest.append(bytes(9))
    assert list(latest) == [b"d", bytes(9)]
    latest.append(bytes(11))
    assert list(latest) == [], "one that is too heavy is not kept"


def test_what_is_taken_weighs_nothing_any_more() -> None:
    latest: Latest[bytes] = Latest(3, 10, len)
    for value in (b"a", b"bb", b"ccc"):
        latest.append(value)
    assert (latest.popleft(), latest.weight) == (b"a", 5)
    latest.clear()
    assert (list(latest), latest.weight) == ([], 0)


@given(st.lists(st.binary(max_size=12)), st.integers(0, 5), st.integers(0, 20))
def test_number_and_weight_are_never_above_their_limits(values: list[bytes], limit: int, max_weight: int) -> None:
    latest: Latest[bytes] = Latest(limit, max_weight, len)
    for number, value in enumerate(values, 1):
        latest.append(value)
        kept = list(latest)
        assert len(kept) == len(latest) <= limit
        assert sum(map(len, kept)) == latest.weight <= max_weight
        assert kept == values[number - len(kept) : number]
