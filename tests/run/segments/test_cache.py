"""What was made is kept under one hard quota of bytes."""

from transcoded.run.segments.cache import new_cache


def test_the_quota_is_in_bytes_and_one_that_is_larger_than_all_of_it_drives_nobody_out() -> None:
    cache = new_cache(30)
    for name in "abcd":
        cache.put(name, bytes(10))
    assert [name for name in "abcd" if name in cache] == ["b", "c", "d"]
    cache.put("large", bytes(31))
    assert cache.weight == 30
