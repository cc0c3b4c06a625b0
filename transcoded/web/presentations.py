"""How a file is presented over HLS and DASH: its version tag, its subtitle files, and what renditions are offered.

Every URL in a playlist carries `v`, the tag. It depends on what is known without looking through the file: its path and
version, its subtitle files, the settings that change the bytes, and the versions of ffmpeg and of this program. So the same
file has the same URLs in every run of the daemon, however fast its disk is.

Where the keyframes are takes longer to find out, and only the copied rendition depends on it. A playlist that is made before
they are known does not offer it. Who asks for a part of it waits until they are known.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence

import attrs

from transcoded.plan.cmaf.keyframes import scan_from_probe
from transcoded.plan.cmaf.ladder import KeyframeScan, Presentation, Rendition, SubtitleRendition, present
from transcoded.plan.errors import Gone, NotFound
from transcoded.plan.http.parameters import any_text
from transcoded.plan.lru import LRU
from transcoded.plan.media.probe import Media, SubtitleStream
from transcoded.plan.media.subtitle_argv import SIDECARS
from transcoded.run.files.async_library import AsyncLibrary
from transcoded.run.files.library import MediaFile, Sidecar
from transcoded.run.media.prober import Prober

REMEMBERED = 64
"""Films that are kept, and presentations."""

COPIED = "copy"
"""The id of the rendition that is cut at the file's own keyframes."""

VERSION = any_text("v", None, "The version of the file, as the URLs in a playlist carry it.")

_LANGUAGE = re.compile(r"([A-Za-z]{2,3})(?:\..*)?")


@attrs.frozen
class Film:
    """A file that is presented: what it holds, with the subtitle files beside it (by position), and the tag of its URLs."""

    file: MediaFile
    media: Media
    sidecars: Mapping[int, Sidecar]
    tag: str


class Presentations:
    """Films and their presentations. `made_by` is all else that the bytes of a URL depend on: settings, versions of programs."""

    def __init__(self, library: AsyncLibrary, prober: Prober, made_by: Sequence[object]) -> None:
        self._library = library
        self._prober = prober
        self._made_by = tuple(made_by)
        self._films: LRU[str, Film] = LRU(REMEMBERED)
        # Making one takes long for a long film.
        self._made: LRU[tuple[str, bool], Presentation] = LRU(REMEMBERED)

    async def film(self, file: MediaFile, tag: str | None = None) -> Film:
        """Probe a file, and look for subtitle files beside it. Raises `Gone` if it is not the version of this tag (None: any)."""
        known = self._films.get(tag or "")
        if known is not None and (known.file.real_path, known.file.version) == (file.real_path, file.version):
            return known
        media = await self._prober.probe(file)
        beside = dict(enumerate(await self._library.sidecars(file), len(media.subtitles)))
        subtitles = [_stream(position, sidecar) for position, sidecar in beside.items()]
        film = Film(
            file=file,
            media=attrs.evolve(media, subtitles=(*media.subtitles, *subtitles)),
            sidecars=beside,
            tag=self._tag(file, beside.values()),
        )
        self._films.put(film.tag, film)
        if tag not in {None, film.tag}:
            raise Gone("The file has changed since this URL was made; load the playlist again.")
        return film

    async def offered(self, film: Film) -> Presentation:
        """What a playlist offers now: the copied rendition only if its keyframes are known, or soon are."""
        return await self._presentation(film, await self._prober.scan(film.file, film.media))

    async def rendition(self, film: Film, name: str) -> Rendition | SubtitleRendition:
        """The rendition of this id, which waits for nothing; only the copied one waits until the keyframes are known.

        Raises `NotFound`; and for the copied one what `Prober.scan` raises.
        """
        if name == COPIED:
            scan = await self._prober.scan(film.file, film.media, patience=None)
        else:
            scan = scan_from_probe(film.media)
        found = (await self._presentation(film, scan)).rendition(name)
        if found is None:
            raise NotFound("There is no such rendition of this file; see its master.m3u8.")
        return found

    async def _presentation(self, film: Film, scan: KeyframeScan) -> Presentation:
        key = film.tag, bool(scan.keyframes)
        made = self._made.get(key)
        if made is None:
            made = await self._library.threads.run(present, film.media, scan)
            self._made.put(key, made)
        return made

    def _tag(self, file: MediaFile, beside: Iterable[Sidecar]) -> str:
        """A short digest of all that the bytes behind a URL depend on."""
        texts = [(one.label, one.version.size, one.version.mtime_ns) for one in beside]
        parts = (file.path, file.version.size, file.version.mtime_ns, texts, self._made_by)
        return hashlib.blake2b(repr(parts).encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def _stream(position: int, sidecar: Sidecar) -> SubtitleStream:
    """A subtitle file as a stream: `film.en.srt` is English."""
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
