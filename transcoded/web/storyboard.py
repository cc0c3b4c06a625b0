"""The routes of storyboards: small pictures of a video at equal distances, for scrubbing.

/media/{path}/storyboard.vtt           which tile is shown when, and where it is
/media/{path}/storyboard/{n}.jpg       a sheet of tiles, made when it is first asked for
/media/{path}/storyboard/index.m3u8    the sheets as an HLS image playlist

A sheet gives way to everything else: it has a permit like a copy, few are made at a time, and its ffmpeg gets what others leave of the CPU.
"""

import attrs
from twisted.web.server import Request

from transcoded.plan.cmaf import hls, tiles
from transcoded.plan.errors import NotFound, TranscodeFailed
from transcoded.plan.http.parameters import Values, matching
from transcoded.plan.media.argv import INPUT_PATH, Options
from transcoded.plan.media.storyboard import INTERVAL, TILE_WIDTH, Storyboard, storyboard
from transcoded.plan.media.storyboard_argv import storyboard_argv
from transcoded.plan.policy.admission import COPY
from transcoded.run.files.library import MediaFile
from transcoded.run.media.extracts import Extracts
from transcoded.run.places import FairPlaces
from transcoded.run.streams.admission import AdmissionQueue
from transcoded.web.answers import Body, made, sent
from transcoded.web.caching import CHANGED, NOT_MODIFIED, is_current
from transcoded.web.guard import Guard
from transcoded.web.playlists import Playlists, filled_text
from transcoded.web.presentations import VERSION, Presentations, PresentedFile, digest
from transcoded.web.request import unit_of
from transcoded.web.route import MEDIA, route

MAX_SHEET = 16 << 20
"""Bytes."""

SHEETS_AT_ONCE = 2
SHEETS_PER_CLIENT = 1
"""Sheets that are made at the same time, in all and for one client."""

_PLAYLIST = "index.m3u8"
_NAME = matching(
    "name", ("index\\.m3u8", "(?:0|[1-9][0-9]{0,4})\\.jpg"), "give index.m3u8 or a sheet such as 0.jpg.", str, ""
)
_PARAMETERS = (INTERVAL, TILE_WIDTH, VERSION)


@attrs.frozen
class StoryboardRoutes:
    """The routes."""

    presentations: Presentations
    playlists: Playlists
    extracts: Extracts
    admission: AdmissionQueue
    # A player that is scrubbed asks for many sheets at once.
    places: FairPlaces
    guard: Guard
    options: Options = attrs.field(factory=Options)

    @route(f"{MEDIA}/storyboard.vtt", params=_PARAMETERS, answers=sent("text/vtt", also={**NOT_MODIFIED, **CHANGED}))
    async def storyboard(self, request: Request, file: MediaFile, query: Values) -> bytes | Body:
        """Small pictures of the video at equal distances, as WebVTT: for each its sheet and its place in it."""
        presented, board = await self._find(request, file, query)
        return await self._listed(request, presented, board, tiles.VTT)

    @route(
        f"{MEDIA}/storyboard/<name>",
        params=_PARAMETERS,
        names=(_NAME,),
        answers=sent("image/jpeg", hls.CONTENT_TYPE, also={**NOT_MODIFIED, **CHANGED}),
    )
    async def sheet(self, request: Request, file: MediaFile, name: str, query: Values) -> bytes | Body:
        """A sheet of small pictures as JPEG, or the HLS image playlist of all sheets."""
        presented, board = await self._find(request, file, query)
        if name == _PLAYLIST:
            return await self._listed(request, presented, board, hls.CONTENT_TYPE)
        number = int(name.partition(".")[0])
        if number >= board.sheets:
            raise NotFound(f"The storyboard has {board.sheets} sheets; the first is 0.")
        request.setHeader("Content-Type", "image/jpeg")
        etag = f"{presented.film_tag}-sheet-{board.interval}-{board.width}-{number}"
        if is_current(request, etag, immutable=query[VERSION] is not None):
            return b""
        kept = self.extracts.kept(presented.file, etag)
        return made(kept, lambda: self._make(unit_of(request), presented, board, number, etag))

    async def _find(self, request: Request, file: MediaFile, query: Values) -> tuple[PresentedFile, Storyboard]:
        presented = await self.presentations.load(file, query[VERSION], unit_of(request))
        board = storyboard(presented.media, self.options.capabilities, query[INTERVAL], query[TILE_WIDTH])
        return presented, board

    async def _listed(self, request: Request, presented: PresentedFile, board: Storyboard, kind: str) -> bytes | Body:
        """The answer with a list of all sheets."""
        write = tiles.storyboard_webvtt if kind == tiles.VTT else tiles.image_playlist
        text = await self.playlists.text((kind, presented.tag, board.query), lambda: write(board))
        inherited = self.guard.inherited_query(request)
        query = "&".join(part for part in (board.query, f"v={presented.tag}", inherited) if part)
        # Its URLs have the signature of the request.
        if is_current(request, f"{presented.tag}-{digest(kind, query)}", immutable=False):
            request.setHeader("Content-Type", kind)
            return b""
        return filled_text(request, text, hls.fillings(query), kind)

    async def _make(self, client: str, presented: PresentedFile, board: Storyboard, number: int, name: str) -> bytes:
        """Wait for a turn and for a permit, then make a sheet."""
        with await self.places.ask(client):
            # Another request may have made the same one during the wait.
            if (kept := self.extracts.kept(presented.file, name)) is not None:
                return kept
            arguments = storyboard_argv(presented.media, board, number, INPUT_PATH, self.options)
            with await self.admission.ask(client, COPY) as permit:
                # The process takes the permit over: it may live longer than the request.
                image = await self.extracts.make(
                    presented.file, name, arguments, MAX_SHEET, permit=permit, client=client, background=True
                )
        if not image:
            raise TranscodeFailed(f"ffmpeg found no picture for sheet {number}.")
        return image
