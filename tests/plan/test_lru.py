"""The cache: it must not grow above its limit, and values that are used must stay."""

from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.lru import LRU


def test_the_least_recently_used_value_is_forgotten_first() -> None:
    cache: LRU[str, int] = LRU(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert "b" not in cache
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (1, None, 3)


def test_in_does_not_count_as_use() -> None:
    cache: LRU[str, int] = LRU(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert "a" in cache
    cache.put("c", 3)
    assert "a" not in cache


def test_a_value_above_the_limit_is_not_kept() -> None:
    cache: LRU[str, bytes] = LRU(10, len)
    cache.put("a", bytes(6))
    cache.put("b", bytes(4))
    assert cache.weight == 10
    cache.put("c", bytes(1))
    assert "a" not in cache
    assert cache.weight == 5
    cache.put("d", bytes(11))
    assert "d" not in cache
    assert "b" in cache, "no other value was forgotten for it"


def test_a_new_value_replaces_the_old_one_even_if_it_is_too_heavy() -> None:
    cache: LRU[str, bytes] = LRU(10, len)
    cache.put("a", bytes(6))
    cache.put("a", bytes(2))
    assert cache.weight == 2
    cache.put("a", bytes(11))
    assert "a" not in cache, "the old value must not stay"
    assert cache.weight == 0


def test_an_empty_value_is_a_value() -> None:
    cache: LRU[str, bytes] = LRU(10, len)
    cache.put("a", b"")
    assert "a" in cache
    assert cache.get("a") == b""
    assert cache.pop("a") == b""
    assert cache.pop("a") is None


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.binary(max_size=12), st.booleans())), st.integers(0, 20))
def test_the_weight_is_the_sum_of_all_weights_and_never_above_the_limit(
    steps: list[tuple[str, bytes, bool]], limit: int
) -> None:
    cache: LRU[str, bytes] = LRU(limit, len)
    for key, value, put in steps:
        if put:
            cache.put(key, value)
        else:
            cache.pop(key)
        kept = [cache.get(name) for name in "abcdef" if name in cache]
        assert cache.weight == sum(len(one) for one in kept if one is not None) <= limit
        assert len(cache) == len(kept)
