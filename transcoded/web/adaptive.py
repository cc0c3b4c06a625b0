"""The routes of adaptive streaming.

    /media/{path}/master.m3u8, manifest.mpd                      HLS and DASH over the same segments
    /media/{path}/cmaf/{rendition}/{index.m3u8,init.mp4,N.m4s}   media playlist, init segment, segment N
    POST /media/{path}/cmaf/leave                                the player stops: end encoders that nobody needs

Playlists are computed, complete and without an encoder. `presentations` defines what their URLs mean, `playlists` writes and
sends them.
"""

import attrs
from twisted.web.server import Request

from transcoded.plan.cmaf import dash, hls
from transcoded.plan.cmaf.ladder import Limits
from transcoded.plan.cmaf.renditions import AudioRendition, SubtitleRendition
from transcoded.plan.errors import NotFound
from transcoded.plan.http.parameters import Values, matching
from transcoded.plan.media.params import BURNED, MAX_BITRATE, MAX_HEIGHT, VARIANTS
from transcoded.run.files.library import MediaFile
from transcoded.run.segments.encoder import Source
from transcoded.run.segments.growing import GrowingSegment
from transcoded.run.segments.requests import INIT, Requester
from transcoded.run.segments.service import SegmentService
from transcoded.web.answers import Body, nothing, sent
from transcoded.web.blocks import BLOCK, send_blocks
from transcoded.web.caching import CHANGED, NOT_MODIFIED, is_current
from transcoded.web.guard import Guard
from transcoded.web.playlists import Playlists, filled_text
from transcoded.web.presentations import VERSION, Presentations, PresentedFile, Selection
from transcoded.web.request import begin, client_of, unit_of
from transcoded.web.route import MEDIA, route

SELECTION = (BURNED, MAX_HEIGHT, MAX_BITRATE)
"""The parameters of a `Selection`."""

_PLAYLIST = "index.m3u8"
_INIT = "init.mp4"
_PART = matching(
    "name", ("index\\.m3u8", "init\\.mp4", "[0-9]{1,7}\\.m4s"), "give index.m3u8, init.mp4 or a segment 0.m4s.", str, ""
)
_VIDEO, _AUDIO = "video/mp4", "audio/mp4"


@attrs.frozen
class AdaptiveRoutes:
    """The routes."""

    presentations: Presentations
    playlists: Playlists
    segments: SegmentService
    guard: Guard

    @route(f"{MEDIA}/master.m3u8", params=(VERSION, *SELECTION, VARIANTS), answers=sent(hls.CONTENT_TYPE, also=CHANGED))
    async def master(self, request: Request, file: MediaFile, query: Values) -> Body:
        """The HLS multivariant playlist."""
        presented = await self.presentations.load(file, query[VERSION], unit_of(request))
        selection = selection_of(query)
        presentation = await self.presentations.presentation(presented, unit_of(request), selection)
        variants = query[VARIANTS]
        if variants != "all":
            presentation = presentation.of_one_codec(copied=variants == "copy")
        images = self.presentations.images(presented)
        key = "master.m3u8", presented.tag, tuple(one.id for one in presentation.video), selection, variants
        text = await self.playlists.text(key, lambda: hls.master_playlist(presentation, images))
        return filled_text(
            request, text, hls.fillings(child_query(self.guard, request, presented, selection)), hls.CONTENT_TYPE
        )

    @route(f"{MEDIA}/manifest.mpd", params=(VERSION, *SELECTION), answers=sent(dash.CONTENT_TYPE, also=CHANGED))
    async def manifest(self, request: Request, file: MediaFile, query: Values) -> Body:
        """The DASH manifest."""
        presented = await self.presentations.load(file, query[VERSION], unit_of(request))
        selection = selection_of(query)
        presentation = await self.presentations.presentation(presented, unit_of(request), selection)
        images = self.presentations.images(presented)
        key = "manifest.mpd", presented.tag, tuple(one.id for one in presentation.video), selection
        text = await self.playlists.text(key, lambda: dash.manifest(presentation, images))
        return filled_text(
            request, text, dash.fillings(child_query(self.guard, request, presented, selection)), dash.CONTENT_TYPE
        )

    @route(
        f"{MEDIA}/cmaf/<rendition>/<name>",
        params=(VERSION, *SELECTION),
        names=(_PART,),
        answers=sent(hls.CONTENT_TYPE, _AUDIO, _VIDEO, also={**NOT_MODIFIED, **CHANGED}),
    )
    async def part(self, request: Request, file: MediaFile, rendition: str, name: str, query: Values) -> bytes | Body:
        """A media playlist, an init segment, or a segment."""
        presented = await self.presentations.load(file, query[VERSION], unit_of(request))
        selection = selection_of(query)
        found = await self.presentations.rendition(presented, rendition, unit_of(request), selection)
        if name == _PLAYLIST:
            text = await self.playlists.text((found.id, presented.tag), lambda: hls.media_playlist(found))
            return filled_text(
                request, text, hls.fillings(child_query(self.guard, request, presented, selection)), hls.CONTENT_TYPE
            )
        if isinstance(found, SubtitleRendition):
            raise NotFound("Subtitles have no such segment.")
        number = INIT if name == _INIT else int(name.partition(".")[0])
        if number >= len(found.timeline):
            raise NotFound(f"The rendition has segments 0 to {len(found.timeline) - 1}.")
        request.setHeader("Content-Type", _AUDIO if isinstance(found, AudioRendition) else _VIDEO)
        etag = f"{presented.tag}-{found.id}-{name}"
        # Two runs of an encoder that began at different places do not write the same bytes.
        if is_current(request, etag, immutable=query[VERSION] is not None, weak=not found.copied):
            return b""
        burn = selection.burn
        drawn = None if burn is None or isinstance(found, AudioRendition) else presented.subtitles(burn)
        source = Source(presented.file, presented.media, found, drawn)
        kept = self.segments.kept(source, number)

        async def segment() -> bytes | None:
            requester = Requester(client_of(request), begin(request), unit_of(request))
            data = await self.segments.segment(source, number, requester)
            if isinstance(data, GrowingSegment):
                await send_growing(request, data, requester.unit)
                return None
            request.setHeader("Content-Length", str(len(data)))
            return data

        # For a segment that is not made yet, HEAD cannot know what GET will tell.
        return Body(None if kept is None else len(kept), segment)

    @route(f"{MEDIA}/cmaf/leave", methods=("POST",), params=(VERSION,), answers=nothing())
    async def leave(self, request: Request, file: MediaFile, query: Values) -> None:
        """A player stops watching: encoders of this file that nobody else watches end now, not after `idle_timeout`."""
        self.segments.leave(file, unit_of(request))


def selection_of(query: Values) -> Selection:
    """What a client wants to be offered."""
    return Selection(query[BURNED], Limits(query[MAX_HEIGHT], query[MAX_BITRATE]))


def child_query(guard: Guard, request: Request, presented: PresentedFile, selection: Selection) -> str:
    """The query of every URL in a playlist."""
    values = (selection.burn, selection.limits.height, selection.limits.bit_rate)
    chosen = [f"{one.name}={value}" for one, value in zip(SELECTION, values, strict=True) if value is not None]
    return "&".join(part for part in (f"v={presented.tag}", *chosen, guard.inherited_query(request)) if part)


async def send_growing(request: Request, segment: GrowingSegment, unit: str) -> None:
    """Send a segment while it is being made, to a client as a unit of fairness. Its length is not known, so it is sent in chunks (RFC 9112, section 7.1).

    Raises the error with which it ends; then its connection is broken, and nobody takes a part of it for the whole.
    """
    sent = 0
    with segment.read_by(unit):
        while data := await segment.read(sent):
            sent += len(data)
            await send_blocks(request, data, BLOCK, lambda block: block)
