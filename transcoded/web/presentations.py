"""How a file is presented over HLS and DASH: its version tag, its subtitle files, and the renditions that are offered.

Every URL in a playlist carries the tag as its parameter `v`. The tag is a digest of everything that the bytes of these URLs
depend on: the path and the version of the file, what ffprobe found in it, its subtitle files, the settings that change the
bytes, and the versions of ffmpeg and of this program. ffprobe's own version is not part of it, because ffprobe writes no
bytes: a new ffprobe matters only if it finds something else in the file, and what it finds is part of the tag.

The times of the keyframes are not part of the tag, because in a long file it takes a while to find them. So a file has the
same URLs after a restart, however slow its disk is. Only the copied rendition needs the keyframes. A playlist that is made
before they are known does not offer it, and a request for a part of it waits until they are known.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence

import attrs

from transcoded.plan.cmaf.copied_video import COPIED, needs_entry
from transcoded.plan.cmaf.ladder import Limits, present
from transcoded.plan.cmaf.renditions import Presentation, Rendition, SubtitleRendition, VideoRendition
from transcoded.plan.cmaf.trick import TRICK
from transcoded.plan.errors import BadParameter, Gone, NotFound, NotMedia
from transcoded.plan.http.parameters import any_text
from transcoded.plan.lru import ENTRY, LRU
from transcoded.plan.media.capabilities import Capabilities, EngineName
from transcoded.plan.media.ffprobe_streams import TEXT_SUBTITLES
from transcoded.plan.media.probe import EXTERNAL, Media, SubtitleStream
from transcoded.plan.media.storyboard import Storyboard, storyboard
from transcoded.plan.media.timeline.packets import PacketScan, scan_from_probe
from transcoded.run.files.async_library import AsyncLibrary
from transcoded.run.files.library import MediaFile
from transcoded.run.files.sidecars import Sidecar
from transcoded.run.media.prober import Prober
from transcoded.run.media.sample_entries import SampleEntries
from transcoded.run.media.subtitles import SubtitleSource
from transcoded.run.places import FairPlaces
from transcoded.run.reactor import IReactor
from transcoded.run.shared_results import SharedResults

REMEMBERED = 32 << 20
"""Bytes of files that are kept in memory, and again of presentations. The largest possible one takes 26 million, a usual film
less than 200,000."""

MAX_WAITING = 512
"""Presentations that wait to be computed, one after the other."""

VERSION = any_text("v", None, "The version of the file, as the URLs in a playlist have it.")


@attrs.frozen
class Selection:
    """What of a file a client wants to be offered: within limits, and with subtitles drawn into the video (their position; None: none)."""

    burn: int | None = None
    limits: Limits = Limits()


EVERYTHING = Selection()


@attrs.frozen
class PresentedFile:
    """A file with its subtitle files and the tag of its URLs.

    `media` includes the subtitle files as streams behind those of the file; `sidecars` are these files by the stream's
    position. `film_tag` is a tag of what is made from the file alone.
    """

    file: MediaFile
    media: Media
    sidecars: Mapping[int, Sidecar]
    tag: str
    film_tag: str

    def subtitles(self, position: int) -> SubtitleSource:
        """Where the subtitles at a position come from. Raises `NotFound` if there are none.

        Their key does not depend on the position, nor on other subtitle files: a file that is added does not make others anew.
        """
        streams = self.media.subtitles
        if position >= len(streams):
            raise NotFound(f"The file has {len(streams)} subtitle streams; the first is 0.")
        stream, sidecar = streams[position], self.sidecars.get(position)
        key = f"{self.film_tag}-s{stream.index}" if sidecar is None else digest(self.film_tag, _identity(sidecar))
        return SubtitleSource(self.file, self.media, stream, sidecar, key)


class Presentations:
    """Finds presented files and their renditions.

    `made_with` is everything besides the file that the bytes depend on: the settings, the versions of the programs. The
    `repr` of its values goes into the tag. `capabilities` are those of ffmpeg: what it cannot make is not presented. `entries` finds the codec
    strings of copied video; None: only H.264 is copied. `is_hopeless` says of an encode that it cannot be made here as fast as it is watched. `engine` encodes.
    """

    def __init__(
        self,
        reactor: IReactor,
        library: AsyncLibrary,
        prober: Prober,
        made_with: Sequence[object],
        capabilities: Capabilities | None = None,
        entries: SampleEntries | None = None,
        is_hopeless: Callable[[VideoRendition], bool] = lambda _: False,
        engine: EngineName = "software",
    ) -> None:
        self._library = library
        self._prober = prober
        self._made_with = tuple(made_with)
        self._capabilities = capabilities
        self._entries = entries
        self._is_hopeless = is_hopeless
        self._engine = engine
        self._files: LRU[str, PresentedFile] = LRU(REMEMBERED, lambda one: ENTRY + one.media.weight)
        # By the tag, whether the keyframes were known, the codec string, and what is wanted. Computing one takes some time for a long file.
        self._presentations: SharedResults[tuple[str, bool, str | None, Selection], Presentation] = SharedResults(
            reactor, REMEMBERED, lambda one: ENTRY + one.weight
        )
        # One at a time, as in `playlists`.
        self._turn = FairPlaces(reactor, 1, 1, MAX_WAITING, MAX_WAITING)

    async def load(self, file: MediaFile, tag: str | None = None, client: str = "") -> PresentedFile:
        """Probe a file and find its subtitle files, for a client (a unit of fairness).

        Raises `Gone` if the URL's tag is not that of the file as it is now (None: the URL has no tag), and what
        `Prober.probe` raises.
        """
        found = await self._library.sidecars(file)
        known = self._files.get(tag or "")
        if known is not None and (known.file.real_path, known.file.version, *known.sidecars.values()) == (
            file.real_path,
            file.version,
            *found,
        ):
            return known
        # Every segment is listed in advance, so the length must be a fact.
        media = await self._prober.probe(file, client, patience=None)
        presented = self._presented(file, media, found)
        self._files.put(presented.tag, presented)
        if tag not in {None, presented.tag}:
            raise Gone("The file has changed since this URL was made; load the playlist again.")
        return presented

    async def describe(self, file: MediaFile, client: str = "") -> Media:
        """What a file contains, with its subtitle files. Raises what `Prober.probe` raises."""
        found = await self._library.sidecars(file)
        return with_sidecars(await self._prober.probe(file, client), found)

    async def subtitles(self, file: MediaFile, position: int, client: str = "") -> SubtitleSource:
        """Where the subtitles at a position come from. Raises `NotFound` if there are none, and what `Prober.probe` raises."""
        found = await self._library.sidecars(file)
        return self._presented(file, await self._prober.probe(file, client), found).subtitles(position)

    def _presented(self, file: MediaFile, media: Media, found: Sequence[Sidecar]) -> PresentedFile:
        film_tag = digest(file.path, file.version.size, file.version.mtime_ns, media, self._made_with)
        return PresentedFile(
            file=file,
            media=with_sidecars(media, found),
            sidecars=dict(enumerate(found, len(media.subtitles))),
            tag=digest(film_tag, *map(_identity, found)),
            film_tag=film_tag,
        )

    async def presentation(
        self, presented: PresentedFile, client: str = "", selection: Selection = EVERYTHING
    ) -> Presentation:
        """What a playlist offers now. The copied rendition is in it if the keyframes are known within `SCAN_PATIENCE`. Raises as `present` does."""
        codecs = await self._codecs(presented, client, selection)
        scan = await self._prober.scan(presented.file, presented.media, client=client)
        found = await self._compute(presented, scan, codecs, selection)
        hopeful = [one for one in found.video if one.copied or not self._is_hopeless(one)]
        # One is offered in any case: who wants it may have time.
        return attrs.evolve(found, video=tuple(hopeful) or found.video[-1:])

    def images(self, presented: PresentedFile) -> Storyboard | None:
        """The storyboard that playlists name; None if the file has none."""
        try:
            return storyboard(presented.media, self._capabilities or Capabilities.everything())
        except NotMedia:
            return None

    async def rendition(
        self, presented: PresentedFile, name: str, client: str = "", selection: Selection = EVERYTHING
    ) -> Rendition | SubtitleRendition:
        """The rendition with this id. Only the copied one waits for the keyframes.

        Raises `NotFound`, what `present` raises, and for the copied one what `Prober.scan` raises.
        """
        found = (await self._with(presented, name, client, selection)).rendition(name)
        if found is None:
            raise NotFound("The file has no such rendition; its master.m3u8 lists all.")
        return found

    async def _with(self, presented: PresentedFile, name: str, client: str, selection: Selection) -> Presentation:
        """All renditions, of which the one with this id is wanted."""
        if name != COPIED or selection.burn is not None:
            scan = scan_from_probe(presented.media)
            if name == TRICK:
                # Keyframes make it cheaper, and no more.
                scan = await self._prober.scan(presented.file, presented.media, client=client)
            try:
                return await self._compute(presented, scan, None, selection)
            except (NotMedia, BadParameter):
                # It may be that nothing but the copied video can be offered. Its audio can be encoded all the same.
                if selection.burn is not None:
                    raise
        codecs = await self._codecs(presented, client, selection)
        scan = await self._prober.scan(presented.file, presented.media, patience=None, client=client)
        return await self._compute(presented, scan, codecs, selection)

    async def _codecs(self, presented: PresentedFile, client: str, selection: Selection) -> str | None:
        """The codec string of the video as it is, if it is needed; None: it is not, or is not known."""
        video = presented.media.default_video
        if self._entries is None or video is None or selection.burn is not None or not needs_entry(video):
            return None
        return await self._entries.codecs(presented.file, video, client)

    async def _compute(
        self, presented: PresentedFile, scan: PacketScan, codecs: str | None, selection: Selection
    ) -> Presentation:
        key = presented.tag, bool(scan.keyframes), codecs, selection
        # All that ask meanwhile wait for the same one, and go on one after the other. If each had a turn of its own, the end of
        # one turn would be called from within the end of the one before it, hundreds deep.
        return await self._presentations.get(key, lambda: self._present(presented.media, scan, codecs, selection))

    async def _present(self, media: Media, scan: PacketScan, codecs: str | None, selection: Selection) -> Presentation:
        with await self._turn.ask(""):
            return await self._library.threads.run(
                present,
                media,
                scan,
                capabilities=self._capabilities,
                burn=selection.burn,
                codecs=codecs,
                limits=selection.limits,
                engine=self._engine,
            )


def digest(*parts: object) -> str:
    """A tag of values: their `repr` is what counts."""
    return hashlib.blake2b(repr(parts).encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def with_sidecars(media: Media, sidecars: Sequence[Sidecar]) -> Media:
    """A file with its subtitle files as streams behind its own."""
    streams = [_stream(position, sidecar) for position, sidecar in enumerate(sidecars, len(media.subtitles))]
    return attrs.evolve(media, subtitles=(*media.subtitles, *streams))


def _identity(sidecar: Sidecar) -> tuple[object, ...]:
    """What the text of a subtitle file, and what is said of it, depends on."""
    return sidecar.path, sidecar.name, sidecar.codec, sidecar.version.size, sidecar.version.mtime_ns


def _stream(position: int, sidecar: Sidecar) -> SubtitleStream:
    return SubtitleStream(
        index=EXTERNAL,
        position=position,
        codec=sidecar.codec,
        text=sidecar.codec in TEXT_SUBTITLES,
        default=sidecar.name.default,
        forced=sidecar.name.forced,
        hearing_impaired=sidecar.name.hearing_impaired,
        language=sidecar.name.language,
        title=sidecar.name.title,
    )
