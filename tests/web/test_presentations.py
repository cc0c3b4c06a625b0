"""Presentations: a URL that was given out must mean the same after a restart, however slow the disk is then."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import cast

import attrs
import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from tests.plan.examples import MEDIA as EXAMPLE
from tests.web.server import reactor
from transcoded.plan.cmaf.copied_video import COPIED
from transcoded.plan.cmaf.renditions import Presentation, VideoRendition
from transcoded.plan.errors import Gone, NotFound, TimedOut
from transcoded.plan.media.capabilities import Capabilities
from transcoded.plan.media.probe import Media
from transcoded.plan.media.timeline.packets import PacketScan, scan_from_probe
from transcoded.run.files.async_library import AsyncLibrary
from transcoded.run.files.library import Library, MediaFile
from transcoded.run.files.threads import Threads
from transcoded.run.media.packet_scans import SCAN_PATIENCE
from transcoded.run.media.prober import Prober
from transcoded.web.presentations import Presentations, PresentedFile

MADE_WITH = ("threads=0", "ffmpeg 8.1", "0.1.0")
MOVIE = attrs.evolve(
    EXAMPLE,
    size=90_000_000,
    video=(
        attrs.evolve(
            EXAMPLE.video[0], bit_rate=12_000_000, profile="High", level=40, pix_fmt="yuv420p", fps=Fraction(25)
        ),
    ),
)
"""Its keyframes allow a copied rendition."""


@attrs.define
class SlowProber:
    """A prober whose look at the keyframes comes when the test says so; until then nobody's patience suffices."""

    media: Media = MOVIE
    probed: int = 0
    scanned: "Deferred[PacketScan] | None" = attrs.field(factory=Deferred)

    async def probe(self, file: MediaFile, client: str = "", patience: float | None = None) -> Media:
        self.probed += 1
        return self.media

    async def scan(
        self, file: MediaFile, media: Media, patience: float | None = SCAN_PATIENCE, client: str = ""
    ) -> PacketScan:
        if self.scanned is None:
            return attrs.evolve(scan_from_probe(media), keyframes=range(0, 60_000_000, 4_000_000))
        if patience is not None:
            return scan_from_probe(media)
        return await self.scanned


@pytest.fixture
def library(tmp_path: Path, threads: Threads) -> AsyncLibrary:
    (tmp_path / "a.mkv").write_bytes(b"a movie")
    return AsyncLibrary(Library({"films": str(tmp_path.resolve())}), threads)


def new(library: AsyncLibrary, prober: SlowProber, made_with: Sequence[object] = MADE_WITH) -> Presentations:
    return Presentations(reactor, library, cast(Prober, prober), made_with)


async def load(library: AsyncLibrary, presentations: Presentations, tag: str | None = None) -> PresentedFile:
    return await presentations.load(await library.locate("films/a.mkv"), tag)


def ids(presentation: Presentation) -> list[str]:
    return [one.id for one in presentation.video]


@pytest_twisted.ensureDeferred
async def test_urls_are_the_same_whether_or_not_the_keyframes_were_known_in_time(library: AsyncLibrary) -> None:
    slow, fast = new(library, SlowProber()), new(library, SlowProber(scanned=None))
    before, after = await load(library, slow), await load(library, fast)
    assert before.tag == after.tag
    assert COPIED not in ids(await slow.presentation(before))
    assert ids(await fast.presentation(after)) == [COPIED, *ids(await slow.presentation(before))]
    assert (await load(library, slow, after.tag)).tag == after.tag


@pytest_twisted.ensureDeferred
async def test_what_was_made_before_the_keyframes_were_known_is_the_same_after(library: AsyncLibrary) -> None:
    """A late first frame gives the renditions a phase; it must come from the probe alone."""
    late = attrs.evolve(MOVIE, video=(attrs.evolve(MOVIE.video[0], start_time=0.093),))
    slow, fast = SlowProber(late), SlowProber(late, scanned=None)
    presentations = new(library, slow), new(library, fast)
    loaded = [await load(library, one) for one in presentations]
    made = [await one.presentation(presented) for one, presented in zip(presentations, loaded, strict=True)]
    for rendition in made[0].video:
        assert rendition.phase
        assert made[1].rendition(rendition.id) == rendition
        for one, presented in zip(presentations, loaded, strict=True):
            assert await one.rendition(presented, rendition.id) == rendition
    assert made[0].audio == made[1].audio


@pytest_twisted.ensureDeferred
async def test_a_url_of_the_copy_waits_until_the_keyframes_are_known(library: AsyncLibrary) -> None:
    prober = SlowProber()
    presentations = new(library, prober)
    presented = await load(library, presentations)
    asking = Deferred.fromCoroutine(presentations.rendition(presented, COPIED))
    assert not asking.called
    coming, prober.scanned = prober.scanned, None
    assert coming is not None
    coming.callback(await prober.scan(presented.file, presented.media))
    found = await asking
    assert isinstance(found, VideoRendition)
    assert found.copied
    assert (await presentations.presentation(presented)).rendition(COPIED) == found


@pytest_twisted.ensureDeferred
async def test_audio_of_video_that_can_only_be_copied_is_there(library: AsyncLibrary) -> None:
    """Without the keyframes nothing of the video could be offered, and without them a request for audio would find nothing."""
    able = Capabilities.everything()
    unable = attrs.evolve(able, decoders=able.decoders - {"h264"})
    presentations = Presentations(
        reactor, library, cast(Prober, SlowProber(scanned=None)), MADE_WITH, capabilities=unable
    )
    presented = await load(library, presentations)
    offered = await presentations.presentation(presented)
    assert ids(offered) == [COPIED]
    for one in offered.audio:
        assert await presentations.rendition(presented, one.id) == one
    assert offered.audio


@pytest_twisted.ensureDeferred
async def test_where_they_cannot_be_found_out_that_is_said_and_not_that_the_file_changed(library: AsyncLibrary) -> None:
    prober = SlowProber()
    presentations = new(library, prober)
    presented = await load(library, presentations)
    asking = Deferred.fromCoroutine(presentations.rendition(presented, COPIED))
    assert prober.scanned is not None
    prober.scanned.errback(TimedOut("Too slow."))
    with pytest.raises(TimedOut):
        await asking
    with pytest.raises(NotFound):
        await presentations.rendition(presented, "v4711")


@pytest.mark.parametrize("changed", [0, 1, 2], ids=["a setting", "ffmpeg", "this program"])
@pytest_twisted.ensureDeferred
async def test_whatever_changes_the_bytes_changes_the_urls(library: AsyncLibrary, changed: int) -> None:
    other = [*MADE_WITH[:changed], "other", *MADE_WITH[changed + 1 :]]
    presented = await load(library, new(library, SlowProber()))
    assert (await load(library, new(library, SlowProber(), other))).tag != presented.tag
    with pytest.raises(Gone):
        await load(library, new(library, SlowProber(), other), presented.tag)


@pytest_twisted.ensureDeferred
async def test_so_do_another_version_of_the_file_and_of_its_subtitles(library: AsyncLibrary, tmp_path: Path) -> None:
    presentations = new(library, SlowProber())
    tags = [(await load(library, presentations)).tag]
    for name, content in (("a.en.srt", "1"), ("a.en.srt", "22"), ("a.mkv", "another movie")):
        (tmp_path / name).write_text(content)
        presented = await load(library, presentations)
        tags.append(presented.tag)
    assert len(set(tags)) == 4
    (english,) = presented.media.subtitles
    assert (english.language, english.text, english.codec) == ("en", True, "subrip")
    assert presented.sidecars[english.position].name.language == "en"
    with pytest.raises(Gone):
        await load(library, presentations, tags[0])


@pytest_twisted.ensureDeferred
async def test_a_url_that_is_remembered_is_gone_when_a_subtitle_file_changes(
    library: AsyncLibrary, tmp_path: Path
) -> None:
    """Else a restart, which forgets, would change the answer."""
    (tmp_path / "a.en.srt").write_text("1")
    presentations = new(library, SlowProber())
    tag = (await load(library, presentations)).tag
    assert (await load(library, presentations, tag)).tag == tag
    (tmp_path / "a.en.srt").write_text("22")
    with pytest.raises(Gone):
        await load(library, presentations, tag)


@pytest_twisted.ensureDeferred
async def test_a_url_of_a_file_that_is_remembered_costs_no_probe(library: AsyncLibrary) -> None:
    """A player asks for a segment every few seconds."""
    prober = SlowProber()
    presentations = new(library, prober)
    tag = (await load(library, presentations)).tag
    for _ in range(3):
        await load(library, presentations, tag)
    assert prober.probed == 1
