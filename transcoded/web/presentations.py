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
import re
from collections.abc import Iterable, Mapping, Sequence

import attrs

from transcoded.plan.cmaf.ladder import Presentation, Rendition, SubtitleRendition, present
from transcoded.plan.errors import Gone, NotFound
from transcoded.plan.http.parameters import any_text
from transcoded.plan.lru import ENTRY, LRU
from transcoded.plan.media.capabilities import Capabilities
from transcoded.plan.media.probe import Media, SubtitleStream
from transcoded.plan.media.subtitle_argv import SIDECARS
from transcoded.plan.media.timeline.packets import PacketScan, scan_from_probe
from transcoded.run.files.async_library import AsyncLibrary
from transcoded.run.files.library import MediaFile, Sidecar
from transcoded.run.media.prober import Prober
from transcoded.run.places import FairPlaces
from transcoded.run.reactor import IReactor
from transcoded.run.shared_results import SharedResults

REMEMBERED = 32 << 20
"""Bytes of files that are kept in memory, and again of presentations. The largest possible one takes 26 million, a usual film
less than 200,000."""

MAX_SIDECARS = 100
"""Subtitle files beside a media file that are offered."""

MAX_WAITING = 512
"""Presentations that wait to be computed, one after the other."""

COPIED = "copy"
"""The id of the rendition that is copied, with segments that begin at keyframes of the file."""

VERSION = any_text("v", None, "The version of the file, as the URLs in a playlist have it.")

_LANGUAGE = re.compile(r"([A-Za-z]{2,3})(?:\..*)?")


@attrs.frozen
class PresentedFile:
    """A file with its subtitle files and the tag of its URLs.

    `media` includes the subtitle files as streams behind those of the file; `sidecars` are these files by the stream's
    position.
    """

    file: MediaFile
    media: Media
    sidecars: Mapping[int, Sidecar]
    tag: str


class Presentations:
    """Finds presented files and their renditions.

    `made_with` is everything besides the file that the bytes depend on: the settings, the versions of the programs. The
    `repr` of its values goes into the tag. `capabilities` are those of ffmpeg: what it cannot make is not presented.
    """

    def __init__(
        self,
        reactor: IReactor,
        library: AsyncLibrary,
        prober: Prober,
        made_with: Sequence[object],
        capabilities: Capabilities | None = None,
    ) -> None:
        self._library = library
        self._prober = prober
        self._made_with = tuple(made_with)
        self._capabilities = capabilities
        self._files: LRU[str, PresentedFile] = LRU(REMEMBERED, lambda one: ENTRY + one.media.weight)
        # By the tag, and whether the keyframes were known. Computing one takes some time for a long file.
        self._presentations: SharedResults[tuple[str, bool], Presentation] = SharedResults(
            reactor, REMEMBERED, lambda one: ENTRY + one.weight
        )
        # One at a time, as in `playlists`.
        self._turn = FairPlaces(reactor, 1, 1, MAX_WAITING, MAX_WAITING)

    async def load(self, file: MediaFile, tag: str | None = None, client: str = "") -> PresentedFile:
        """Probe a file and find its subtitle files, for a client (a unit of fairness).

        Raises `Gone` if the URL's tag is not that of the file as it is now (None: the URL has no tag), and what
        `Prober.probe` raises.
        """
        found = (await self._library.sidecars(file))[:MAX_SIDECARS]
        known = self._files.get(tag or "")
        if known is not None and (known.file.real_path, known.file.version, *known.sidecars.values()) == (
            file.real_path,
            file.version,
            *found,
        ):
            return known
        # Every segment is listed in advance, so the length must be a fact.
        media = await self._prober.probe(file, client, patience=None)
        sidecars = dict(enumerate(found, len(media.subtitles)))
        streams = [_subtitle_stream(position, sidecar) for position, sidecar in sidecars.items()]
        presented = PresentedFile(
            file=file,
            media=attrs.evolve(media, subtitles=(*media.subtitles, *streams)),
            sidecars=sidecars,
            tag=self._tag(file, media, sidecars.values()),
        )
        self._files.put(presented.tag, presented)
        if tag not in {None, presented.tag}:
            raise Gone("The file has changed since this URL was made; load the playlist again.")
        return presented

    async def presentation(self, presented: PresentedFile, client: str = "") -> Presentation:
        """What a playlist offers now. The copied rendition is in it if the keyframes are known within `SCAN_PATIENCE`."""
        return await self._compute(presented, await self._prober.scan(presented.file, presented.media, client=client))

    async def rendition(self, presented: PresentedFile, name: str, client: str = "") -> Rendition | SubtitleRendition:
        """The rendition with this id. Only the copied one waits for the keyframes.

        Raises `NotFound`, and for the copied one what `Prober.scan` raises.
        """
        if name == COPIED:
            scan = await self._prober.scan(presented.file, presented.media, patience=None, client=client)
        else:
            scan = scan_from_probe(presented.media)
        found = (await self._compute(presented, scan)).rendition(name)
        if found is None:
            raise NotFound("The file has no such rendition; its master.m3u8 lists all.")
        return found

    async def _compute(self, presented: PresentedFile, scan: PacketScan) -> Presentation:
        key = presented.tag, bool(scan.keyframes)
        # All that ask meanwhile wait for the same one, and go on one after the other. If each had a turn of its own, the end of
        # one turn would be called from within the end of the one before it, hundreds deep.
        return await self._presentations.get(key, lambda: self._present(presented.media, scan))

    async def _present(self, media: Media, scan: PacketScan) -> Presentation:
        with await self._turn.ask(""):
            return await self._library.threads.run(present, media, scan, capabilities=self._capabilities)

    def _tag(self, file: MediaFile, media: Media, sidecars: Iterable[Sidecar]) -> str:
        texts = [(one.label, one.version.size, one.version.mtime_ns) for one in sidecars]
        parts = (file.path, file.version.size, file.version.mtime_ns, media, texts, self._made_with)
        return hashlib.blake2b(repr(parts).encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def _subtitle_stream(position: int, sidecar: Sidecar) -> SubtitleStream:
    """A subtitle file as a stream. Its label is what stands between the names: `en` in `movie.en.srt` is English."""
    language = _LANGUAGE.fullmatch(sidecar.label)
    suffix = sidecar.real_path[sidecar.real_path.rfind(".") :].lower()
    return SubtitleStream(
        index=-1,
        position=position,
        codec=SIDECARS[suffix],
        text=True,
        forced="forced" in sidecar.label.lower(),
        language=None if language is None else language[1].lower(),
        title=sidecar.label or None,
    )
