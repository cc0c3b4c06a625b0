"""What was made is kept under one hard limit of bytes, and each rendition finds its own."""

from twisted.logger import capturedLogs

from tests.plan.examples import MEDIA
from tests.run.fakes import new_file
from tests.run.segments.world import SMALL, VIDEO
from transcoded.plan.cmaf.segmenter import InitSegment, Segment
from transcoded.plan.lru import ENTRY
from transcoded.run.segments.cache import MAX_INIT, RenditionCache, SegmentCache
from transcoded.run.segments.encoder import Source
from transcoded.run.segments.requests import INIT


def test_the_quota_is_in_bytes_and_one_that_is_larger_than_all_of_it_drives_nobody_out() -> None:
    cache = SegmentCache(3 * (10 + ENTRY))
    for name in "abcd":
        cache.put(name, bytes(10))
    assert [name for name in "abcd" if name in cache] == ["b", "c", "d"]
    cache.put("large", bytes(3 * (10 + ENTRY)))
    assert cache.weight == 3 * (10 + ENTRY)


def test_empty_results_cannot_pile_up() -> None:
    cache = SegmentCache(100 * ENTRY)
    for number in range(1000):
        cache.put(number, b"")
    assert len(cache) == 100


def segment(number: int, data: bytes) -> Segment:
    return Segment(number, 0, 30_030, 30_000, data)


def rendition_cache(inode: int = 1) -> RenditionCache:
    return RenditionCache(SegmentCache(1000 + 2 * ENTRY), Source(new_file(inode=inode), MEDIA, VIDEO))


def test_renditions_and_versions_of_a_file_do_not_mix() -> None:
    """A segment of another size, or of the file before it was replaced, would be shown in the middle of a stream."""
    shared = SegmentCache(10 * ENTRY)
    one, other, changed = (
        RenditionCache(shared, Source(file, MEDIA, rendition))
        for file, rendition in ((new_file(), VIDEO), (new_file(), SMALL), (new_file(inode=2), VIDEO))
    )
    assert one.put(segment(3, b"three")) == 3
    assert one.get(3) == b"three"
    assert one.get(4) is other.get(3) is changed.get(3) is None
    assert RenditionCache(shared, Source(new_file(), MEDIA, VIDEO)).get(3) == b"three", "it outlasts its session"


def test_the_init_segment_is_not_lost_when_the_cache_is_full() -> None:
    cache = rendition_cache()
    assert cache.put(InitSegment(b"init", VIDEO.codecs)) == INIT
    for number in range(5):
        cache.put(segment(number, bytes(400)))
    assert cache.get(0) is None
    assert cache.get(INIT) == b"init"


def test_a_large_init_segment_counts_as_other_bytes_do() -> None:
    """A file's parameter sets can have megabytes, and each rendition of each file would keep them besides the cache."""
    shared = SegmentCache(2 * MAX_INIT)
    caches = [RenditionCache(shared, Source(new_file(inode=inode), MEDIA, VIDEO)) for inode in range(3)]
    for cache in caches:
        cache.put(InitSegment(bytes(MAX_INIT + 1), VIDEO.codecs))
    assert [cache.get(INIT) is not None for cache in caches] == [False, False, True]


def test_a_codec_that_the_playlist_does_not_announce_is_logged() -> None:
    """A player that was told another one may refuse to play."""
    with capturedLogs() as events:
        rendition_cache().put(InitSegment(b"init", VIDEO.codecs))
        assert not [event for event in events if "announced" in event]
        rendition_cache().put(InitSegment(b"init", "hvc1"))
    (event,) = [event for event in events if "announced" in event]
    assert (event["made"], event["announced"]) == ("hvc1", VIDEO.codecs)
