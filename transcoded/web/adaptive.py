"""The routes of adaptive streaming, and the small things that go with a film.

    /media/{path}/master.m3u8, manifest.mpd                      HLS and DASH over the same segments
    /media/{path}/cmaf/{rendition}/{index.m3u8,init.mp4,N.m4s}   media playlist, init segment, segment N
    POST /media/{path}/cmaf/leave                                what nobody watches any more ends at once
    /media/{path}/subtitles/{n}.vtt                              text subtitle stream n
    /media/{path}/thumbnail.jpg                                  one picture

Playlists are complete from the start and need no transcoder. Every URL in them carries `v`, which tells the version of the
file and of the settings: what it names never changes, and a file that did change has other URLs.
"""

import hashlib
import re
from collections.abc import Sequence

import attrs
from twisted.internet.defer import DeferredSemaphore
from twisted.web.server import Request

from transcoded.plan.cmaf import dash, hls
from transcoded.plan.cmaf.ladder import AudioRendition, Presentation, SubtitleRendition, present
from transcoded.plan.errors import BadParameter, NotFound, NotMedia, TranscodedError, TranscodeFailed
from transcoded.plan.http.access import Access
from transcoded.plan.http.conditional import not_modified
from transcoded.plan.media.argv import Options
from transcoded.plan.media.extras import SIDECARS, subtitles_argv, thumbnail_argv
from transcoded.plan.media.params import Reader, single, time, whole
from transcoded.plan.media.probe import Media, SubtitleStream
from transcoded.plan.policy.admission import COPY
from transcoded.run.files.library import Library, MediaFile
from transcoded.run.files.threads import Threads
from transcoded.run.host.tools import Tools
from transcoded.run.media.prober import Prober
from transcoded.run.process.commands import Commands
from transcoded.run.segments.cache import SegmentCache
from transcoded.run.segments.encoder import Source
from transcoded.run.segments.requests import INIT, Requester
from transcoded.run.segments.service import SegmentService
from transcoded.run.streams.admission import AdmissionQueue
from transcoded.web.app import begin, client_of, header_of, query_of, route
from transcoded.web.guard import Guard

_SEGMENT = re.compile(r"([0-9]{1,7})\.m4s")
_DEADLINE = 30.0
_MAX_SUBTITLES = 16 << 20
_MAX_PICTURE = 8 << 20
_IMMUTABLE = "private, max-age=31536000, immutable"


class _Gone(TranscodedError):
    status = 410
    title = "Gone"


REMEMBERED = 64
"""Presentations that are kept."""


@attrs.frozen
class _Film:
    """A file that is presented: what it holds, with the subtitle files beside it, and the tag of its version."""

    file: MediaFile
    media: Media
    sidecars: dict[int, str]
    tag: str


@attrs.frozen
class Adaptive:
    """The routes."""

    library: Library
    threads: Threads
    prober: Prober
    segments: SegmentService
    store: SegmentCache
    admission: AdmissionQueue
    commands: Commands
    guard: Guard
    tools: Tools
    options: Options
    _shown: dict[str, tuple[_Film, Presentation]] = attrs.field(factory=dict)
    # A library of pictures must not fill the queue of those who want to watch.
    _pictures: DeferredSemaphore = attrs.field(factory=lambda: DeferredSemaphore(2))

    @route("/media/<media:path>/master.m3u8")
    async def master(self, request: Request, path: str) -> bytes:
        """The HLS multivariant playlist."""
        film, presentation = await self._presented(request, path)
        return self._playlist(
            request, hls.master_playlist(presentation, self._children(request, film)), hls.CONTENT_TYPE
        )

    @route("/media/<media:path>/manifest.mpd")
    async def manifest(self, request: Request, path: str) -> bytes:
        """The DASH manifest."""
        film, presentation = await self._presented(request, path)
        return self._playlist(request, dash.manifest(presentation, self._children(request, film)), dash.CONTENT_TYPE)

    @route("/media/<media:path>/cmaf/<rendition>/<name>")
    async def part(self, request: Request, path: str, rendition: str, name: str) -> bytes:
        """A media playlist, an init segment, or a segment."""
        film, presentation = await self._presented(request, path)
        found = presentation.rendition(rendition)
        if found is None:
            raise NotFound("There is no such rendition of this file; see its master.m3u8.")
        if name == "index.m3u8":
            return self._playlist(request, hls.media_playlist(found, self._children(request, film)), hls.CONTENT_TYPE)
        match = _SEGMENT.fullmatch(name)
        if isinstance(found, SubtitleRendition) or (name != "init.mp4" and match is None):
            raise NotFound("There is nothing of this name; see the rendition's index.m3u8.")
        number = INIT if match is None else int(match[1])
        if number >= len(found.timeline):
            raise NotFound(f"The rendition has segments 0 to {len(found.timeline) - 1}.")
        kind = b"audio/mp4" if isinstance(found, AudioRendition) else b"video/mp4"
        if self._not_modified(request, film, f"{film.tag}-{found.id}-{name}") or request.method == b"HEAD":
            request.setHeader(b"Content-Type", kind)
            return b""
        source = Source(film.file, film.media, found)
        data = await self.segments.segment(source, number, Requester(client_of(request), begin(request)))
        request.setHeader(b"Content-Type", kind)
        request.setHeader(b"Content-Length", str(len(data)).encode("ascii"))
        return data

    @route("/media/<media:path>/cmaf/leave", methods=("POST",), access=Access.PLAY)
    async def leave(self, request: Request, path: str) -> bytes:
        """Say that one has stopped watching: transcoders whose segments nobody waits for end at once, not after a while."""
        single(query_of(request), ["v"])
        self.segments.leave(await self.threads.run(self.library.locate, path))
        request.setResponseCode(204)
        return b""

    @route("/media/<media:path>/subtitles/<name>.vtt")
    async def subtitles(self, request: Request, path: str, name: str) -> bytes:
        """A text subtitle stream, or a subtitle file beside the film, as WebVTT."""
        single(query_of(request), ["v"])
        film = await self._film(await self.threads.run(self.library.locate, path))
        stream = next((s for s in film.media.subtitles if str(s.position) == name), None)
        if stream is None:
            raise NotFound(f"The file has {len(film.media.subtitles)} subtitle streams, counted from 0.")
        if not stream.text:
            raise NotMedia(f"Subtitle stream {stream.position} is made of pictures ({stream.codec}), not of text.")
        if self._not_modified(request, film, f"{film.tag}-s{name}") or request.method == b"HEAD":
            return b""
        sidecar = film.sidecars.get(stream.position)
        arguments = subtitles_argv(sidecar or film.file.real_path, None if sidecar else stream.index, self.options)
        text = await self._made(
            film, f"s{name}", self.tools.ffmpeg, arguments, _MAX_SUBTITLES, [sidecar] if sidecar else []
        )
        request.setHeader(b"Content-Type", b"text/vtt; charset=utf-8")
        return text or b"WEBVTT\n"

    @route("/media/<media:path>/thumbnail.jpg")
    async def thumbnail(self, request: Request, path: str) -> bytes:
        """One picture of the film, or the cover of an album."""
        read = Reader(single(query_of(request), ["time", "width"]))
        at = read.value("time", time, None)
        width = read.value("width", whole(16, 3840), 320)
        film = await self._film(await self.threads.run(self.library.locate, path))
        picture = film.media.default_video or film.media.cover
        if picture is None:
            raise NotMedia("The file has no picture.")
        length = film.media.duration if film.media.default_video else None
        if at is not None and length is not None and at >= length:
            raise BadParameter("time", f"{at:g} s is not before the end of the file ({length:.3f} s).")
        # Films begin in the dark: a tenth into them there is something to see.
        at = (at if at is not None else min((length or 0) / 10, 300.0)) if film.media.default_video else 0.0
        name = f"thumbnail-{at:.3f}-{width}"
        if self._not_modified(request, film, f"{film.tag}-{name}") or request.method == b"HEAD":
            return b""
        if (film.file.real_path, film.file.version, name) not in self.store:
            await self._pictures.acquire()
            try:
                with await self.admission.ask(client_of(request), COPY):
                    arguments = thumbnail_argv(film.media, picture, film.file.real_path, at, width)
                    await self._made(film, name, self.tools.ffmpeg, arguments, _MAX_PICTURE)
            finally:
                self._pictures.release()
        image = self.store.get((film.file.real_path, film.file.version, name))
        if not image:
            raise TranscodeFailed("No picture could be made of this part of the file.")
        request.setHeader(b"Content-Type", b"image/jpeg")
        return image

    async def _made(
        self, film: _Film, name: str, program: str, arguments: Sequence[str], most: int, beside: Sequence[str] = ()
    ) -> bytes:
        """What a short-lived process makes, kept for the next who asks."""
        key = (film.file.real_path, film.file.version, name)
        kept = self.store.get(key)
        if kept is not None:
            return kept
        output = await self.commands.run(program, arguments, film.file, _DEADLINE, most, beside)
        if output.death.exit_code != 0:
            raise TranscodeFailed("This could not be made of the file.", output.death.stderr_tail)
        self.store.put(key, output.data)
        return output.data

    async def _presented(self, request: Request, path: str) -> tuple[_Film, Presentation]:
        """The file and its renditions.

        Making them takes long for a long film, so they are kept by their tag. A URL that carries a tag gets what it was made
        for, as long as that is remembered; raises `_Gone` if the file has changed since.
        """
        tag = single(query_of(request), ["v"]).get("v")
        file = await self.threads.run(self.library.locate, path)
        shown = self._shown.get(tag or "")
        if shown is not None and (shown[0].file.real_path, shown[0].file.version) == (file.real_path, file.version):
            return shown
        film = await self._film(file)
        scan = await self.prober.scan(film.file, film.media)
        film = attrs.evolve(film, tag=_tag(film.tag, scan))
        if tag not in {None, film.tag}:
            raise _Gone("The file has changed since this URL was made; load the playlist again.")
        shown = self._shown.get(film.tag)
        if shown is None:
            shown = film, await self.threads.run(present, film.media, scan)
            self._shown[film.tag] = shown
            if len(self._shown) > REMEMBERED:
                del self._shown[next(iter(self._shown))]
        return shown

    async def _film(self, file: MediaFile) -> _Film:
        """Probe, and look for subtitle files beside it."""
        media = await self.prober.probe(file)
        beside = await self.threads.run(self.library.sidecars, file)
        first = len(media.subtitles)
        subtitles = [_sidecar(first + offset, label, real) for offset, (label, real) in enumerate(beside)]
        return _Film(
            file=file,
            media=attrs.evolve(media, subtitles=(*media.subtitles, *subtitles)),
            sidecars={first + offset: real for offset, (_, real) in enumerate(beside)},
            tag=_tag(file.path, file.version.size, file.version.mtime_ns, [label for label, _ in beside], self.options),
        )

    def _children(self, request: Request, film: _Film) -> str:
        """The query of every URL in a playlist."""
        return "&".join(part for part in (f"v={film.tag}", self.guard.inherited_query(request)) if part)

    def _playlist(self, request: Request, text: str, content_type: str) -> bytes:
        request.setHeader("Content-Type", content_type)
        request.setHeader("Cache-Control", "private, no-cache")
        return text.encode("utf-8")

    def _not_modified(self, request: Request, film: _Film, etag: str) -> bool:
        """Say how long it may be kept; True (and 304) if the client has it already."""
        request.setHeader("ETag", f'"{etag}"')
        versioned = request.args.get(b"v") is not None
        request.setHeader("Cache-Control", _IMMUTABLE if versioned else "private, no-cache")
        if not_modified(header_of(request)("If-None-Match"), f'"{etag}"'):
            request.setResponseCode(304)
            return True
        return False


def _sidecar(position: int, label: str, path: str) -> SubtitleStream:
    """A subtitle file as a stream: `film.en.srt` is English."""
    language = label.split(".", maxsplit=1)[0].lower() if re.fullmatch(r"[A-Za-z]{2,3}(?:\..*)?", label) else None
    suffix = path[path.rfind(".") :].lower()
    return SubtitleStream(
        index=-1,
        position=position,
        codec=SIDECARS[suffix],
        text=True,
        forced="forced" in label.lower(),
        language=language,
        title=label or None,
    )


def _tag(*parts: object) -> str:
    """A short digest of what a URL depends on."""
    return hashlib.blake2b(repr(parts).encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
