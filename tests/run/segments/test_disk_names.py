"""Names of segments on disk: under one name there is never something else, whatever was changed while the daemon did not run."""

from fractions import Fraction

import attrs

from tests.plan.examples import MEDIA
from tests.run.fakes import new_file
from tests.run.segments.world import SMALL, VIDEO
from transcoded.plan.cmaf.timeline import video_timeline
from transcoded.plan.media.argv import Options
from transcoded.plan.media.probe import SubtitleStream
from transcoded.run.media.subtitles import SubtitleSource
from transcoded.run.segments.disk_names import rendition_digest, segment_name
from transcoded.run.segments.encoder import Source
from transcoded.run.segments.requests import INIT

FILE = new_file()
SOURCE = Source(FILE, MEDIA, VIDEO)
MADE_WITH = (Options(), "zscale", None, "9.0", "0.1.0")
DRAWN = SubtitleSource(FILE, MEDIA, SubtitleStream(2, 0, "subrip", text=True), None, "drawn")


def test_everything_that_makes_the_bytes_makes_the_name() -> None:
    later = video_timeline(Fraction(40), VIDEO.rate, Fraction(2))
    others = [
        (MADE_WITH, Source(new_file("b.mkv"), MEDIA, VIDEO)),
        (MADE_WITH, Source(attrs.evolve(FILE, version=attrs.evolve(FILE.version, mtime_ns=2)), MEDIA, VIDEO)),
        (MADE_WITH, Source(attrs.evolve(FILE, version=attrs.evolve(FILE.version, size=2)), MEDIA, VIDEO)),
        (MADE_WITH, Source(FILE, attrs.evolve(MEDIA, duration=41.0), VIDEO)),
        (MADE_WITH, Source(FILE, MEDIA, SMALL)),
        (MADE_WITH, Source(FILE, MEDIA, attrs.evolve(VIDEO, average=VIDEO.average + 1))),
        (MADE_WITH, Source(FILE, MEDIA, attrs.evolve(VIDEO, timeline=later))),
        (MADE_WITH, Source(FILE, MEDIA, VIDEO, DRAWN)),
        ((Options(output_args=("-preset", "slow")), *MADE_WITH[1:]), SOURCE),
        ((*MADE_WITH[:3], "9.1", "0.1.0"), SOURCE),
        ((*MADE_WITH[:4], "0.2.0"), SOURCE),
    ]
    digests = {rendition_digest(*one) for one in [(MADE_WITH, SOURCE), *others]}
    assert len(digests) == 1 + len(others)


def test_a_restart_of_the_machine_changes_no_name() -> None:
    """Devices get other numbers, and everything would be made anew."""
    moved = attrs.evolve(FILE, version=attrs.evolve(FILE.version, device=9, inode=9))
    assert rendition_digest(MADE_WITH, Source(moved, MEDIA, VIDEO)) == rendition_digest(MADE_WITH, SOURCE)


def test_each_segment_has_a_name_of_its_own() -> None:
    digests = [rendition_digest(MADE_WITH, Source(FILE, MEDIA, one)) for one in (VIDEO, SMALL)]
    names = {segment_name(digest, number) for digest in digests for number in (INIT, *range(100))}
    assert len(names) == 2 * 101
