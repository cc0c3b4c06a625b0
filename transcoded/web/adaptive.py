"""The routes of adaptive streaming.

    /media/{path}/master.m3u8, manifest.mpd                      HLS and DASH over the same segments
    /media/{path}/cmaf/{rendition}/{index.m3u8,init.mp4,N.m4s}   media playlist, init segment, segment N
    POST /media/{path}/cmaf/leave                                what nobody watches any more ends at once

Playlists are complete from the start and need no transcoder. What the URLs in them mean: `presentations`.
"""

import attrs
from twisted.web.server import Request

from transcoded.plan.cmaf import dash, hls
from transcoded.plan.cmaf.ladder import AudioRendition, SubtitleRendition
from transcoded.plan.errors import NotFound
from transcoded.plan.http.parameters import Values, matching
from transcoded.run.files.library import MediaFile
from transcoded.run.segments.encoder import Source
from transcoded.run.segments.requests import INIT, Requester
from transcoded.run.segments.service import SegmentService
from transcoded.web.answers import nothing, sent
from transcoded.web.caching import CHANGED, NOT_MODIFIED, is_current
from transcoded.web.guard import Guard
from transcoded.web.presentations import VERSION, Film, Presentations
from transcoded.web.request import begin, client_of
from transcoded.web.route import MEDIA, route

_PLAYLIST = "index.m3u8"
_INIT = "init.mp4"
_PART = matching("name", ("index\\.m3u8", "init\\.mp4", "[0-9]{1,7}\\.m4s"), "see the rendition's index.m3u8.", str, "")
_VIDEO, _AUDIO = "video/mp4", "audio/mp4"


@attrs.frozen
class Adaptive:
    """The routes."""

    presentations: Presentations
    segments: SegmentService
    guard: Guard

    @route(f"{MEDIA}/master.m3u8", params=(VERSION,), answers=sent(hls.CONTENT_TYPE, also=CHANGED))
    async def master(self, request: Request, file: MediaFile, query: Values) -> bytes:
        """The HLS multivariant playlist."""
        film = await self.presentations.film(file, query[VERSION])
        offered = await self.presentations.offered(film)
        return _playlist(request, hls.master_playlist(offered, self._children(request, film)), hls.CONTENT_TYPE)

    @route(f"{MEDIA}/manifest.mpd", params=(VERSION,), answers=sent(dash.CONTENT_TYPE, also=CHANGED))
    async def manifest(self, request: Request, file: MediaFile, query: Values) -> bytes:
        """The DASH manifest."""
        film = await self.presentations.film(file, query[VERSION])
        offered = await self.presentations.offered(film)
        return _playlist(request, dash.manifest(offered, self._children(request, film)), dash.CONTENT_TYPE)

    @route(
        f"{MEDIA}/cmaf/<rendition>/<name>",
        params=(VERSION,),
        names=(_PART,),
        answers=sent(hls.CONTENT_TYPE, _AUDIO, _VIDEO, also={**NOT_MODIFIED, **CHANGED}),
    )
    async def part(self, request: Request, file: MediaFile, rendition: str, name: str, query: Values) -> bytes:
        """A media playlist, an init segment, or a segment."""
        film = await self.presentations.film(file, query[VERSION])
        found = await self.presentations.rendition(film, rendition)
        if name == _PLAYLIST:
            return _playlist(request, hls.media_playlist(found, self._children(request, film)), hls.CONTENT_TYPE)
        if isinstance(found, SubtitleRendition):
            raise NotFound("Subtitles have no segments; see the rendition's index.m3u8.")
        number = INIT if name == _INIT else int(name.partition(".")[0])
        if number >= len(found.timeline):
            raise NotFound(f"The rendition has segments 0 to {len(found.timeline) - 1}.")
        request.setHeader("Content-Type", _AUDIO if isinstance(found, AudioRendition) else _VIDEO)
        etag = f"{film.tag}-{found.id}-{name}"
        if is_current(request, etag, immutable=query[VERSION] is not None) or request.method == b"HEAD":
            return b""
        data = await self._segment(request, Source(film.file, film.media, found), number)
        request.setHeader("Content-Length", str(len(data)))
        return data

    @route(f"{MEDIA}/cmaf/leave", methods=("POST",), params=(VERSION,), answers=nothing())
    async def leave(self, request: Request, file: MediaFile, query: Values) -> None:
        """Say that one has stopped watching: transcoders whose segments nobody waits for end at once, not after a while."""
        self.segments.leave(file)

    async def _segment(self, request: Request, source: Source, number: int) -> bytes:
        return await self.segments.segment(source, number, Requester(client_of(request), begin(request)))

    def _children(self, request: Request, film: Film) -> str:
        """The query of every URL in a playlist."""
        return "&".join(part for part in (f"v={film.tag}", self.guard.inherited_query(request)) if part)


def _playlist(request: Request, text: str, content_type: str) -> bytes:
    request.setHeader("Content-Type", content_type)
    request.setHeader("Cache-Control", "private, no-cache")
    return text.encode("utf-8")
