"""The routes that have segments made in advance.

    POST /api/v1/prepare          begin, or wait for the turn; the body says what
    GET /api/v1/prepare[/{id}]    how far it is
    DELETE /api/v1/prepare/{id}   end it

Progress is told by events, too (`prepare-updated`).
"""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor
from typing import Annotated

import attrs
import msgspec
from msgspec import Meta
from twisted.web.server import Request

from transcoded.plan.cmaf.renditions import Presentation, Rendition, SubtitleRendition
from transcoded.plan.errors import BadParameter, DoesNotFit, Gone, NotFound
from transcoded.plan.http.parameters import printable
from transcoded.run.files.async_library import AsyncLibrary
from transcoded.run.files.library import MediaFile
from transcoded.run.segments.encoder import Source
from transcoded.run.segments.prepare import Prepares
from transcoded.run.segments.prepare_info import Part, PrepareInfo, Wanted
from transcoded.run.segments.service import SegmentService
from transcoded.web.answers import json_of
from transcoded.web.presentations import Presentations, PresentedFile
from transcoded.web.request import unit_of
from transcoded.web.route import route

_CHANGED = "The file has changed since this was asked for."


class PrepareRequest(msgspec.Struct, forbid_unknown_fields=True, rename={"from_": "from"}):
    """The body of `POST /api/v1/prepare`.

    `renditions` are ids as the playlists have them; none: those that a player begins with. `from` and `seconds` say which part of
    the file, in seconds; without `seconds` to its end.
    """

    path: str
    renditions: list[str] = []
    # The schema only describes the bounds. The route checks them, because its error names the field.
    from_: Annotated[float, Meta(extra_json_schema={"minimum": 0})] = 0.0
    seconds: Annotated[float, Meta(extra_json_schema={"exclusiveMinimum": 0})] | None = None


class PrepareList(msgspec.Struct):
    """Those that run or wait, in the order of their turns, and then the latest that are over, the newest first."""

    prepares: list[PrepareInfo]


@attrs.frozen
class PrepareRoutes:
    """The routes."""

    library: AsyncLibrary
    presentations: Presentations
    segments: SegmentService
    prepares: Prepares

    @route("/api/v1/prepare", methods=("POST",), body=PrepareRequest, answers=json_of(PrepareInfo, 202))
    async def begin(self, request: Request, body: PrepareRequest) -> PrepareInfo:
        """Have segments made in advance, in the background."""
        client = unit_of(request)
        file = await self.library.locate_meant(body.path.strip("/"))
        presented = await self.presentations.load(file, client=client)
        names = tuple(dict.fromkeys(body.renditions))
        if not names:
            names = _first(await self.presentations.presentation(presented, client))
        parts = await self._parts(presented, names, body, client)
        needed, room = sum(part.bytes for part in parts), self.segments.room
        if needed > room:
            raise DoesNotFit(
                f"These segments take about {needed:,} bytes, and the cache has {room:,}. Give fewer seconds or renditions, or "
                "a larger cache_disk_max."
            )

        async def load() -> Sequence[Part]:
            await check()
            again = await self.presentations.load(file, client=client)
            if again.tag != presented_tag:
                raise Gone(_CHANGED)
            return await self._parts(again, names, body, client)

        async def check() -> None:
            found: MediaFile = await self.library.locate(file.path)
            if found != file:
                raise Gone(_CHANGED)

        presented_tag = presented.tag
        total = sum(part.end - part.first for part in parts)
        seconds = max(part.seconds for part in parts)
        wanted = Wanted(file, names, body.from_, round(seconds, 3), total, needed, load, check)
        # Nothing of a long film is held while it waits for its turn.
        del presented, parts
        return self.prepares.add(wanted)

    @route("/api/v1/prepare", answers=json_of(PrepareList))
    async def list(self, request: Request) -> PrepareList:
        """What is being made in advance, what waits for that, and the latest that are over."""
        return PrepareList([*self.prepares.all()])

    @route("/api/v1/prepare/<prepare_id>", answers=json_of(PrepareInfo))
    async def one(self, request: Request, prepare_id: str) -> PrepareInfo:
        """How far one of them is."""
        return self.prepares.get(prepare_id)

    @route("/api/v1/prepare/<prepare_id>", methods=("DELETE",), answers=json_of(PrepareInfo))
    async def cancel(self, request: Request, prepare_id: str) -> PrepareInfo:
        """End one of them; answers when its encoder is reaped."""
        return await self.prepares.cancel(prepare_id)

    async def _parts(
        self, presented: PresentedFile, names: Sequence[str], body: PrepareRequest, client: str
    ) -> Sequence[Part]:
        """The segments that are wanted of each rendition. Raises `BadParameter`."""
        found = [await self._rendition(presented, name, client) for name in names]
        return [
            Part(Source(presented.file, presented.media, one), *_segments(one, body.from_, body.seconds))
            for one in found
        ]

    async def _rendition(self, presented: PresentedFile, name: str, client: str) -> Rendition:
        try:
            found = await self.presentations.rendition(presented, name, client)
        except NotFound:
            found = None
        if found is None or isinstance(found, SubtitleRendition):
            offered = await self.presentations.presentation(presented, client)
            offers: Sequence[Rendition] = (*offered.video, *offered.audio)
            allowed = ", ".join(one.id for one in offers)
            raise BadParameter(
                "renditions", f"{printable(name)!r} has no segments in this file; give some of {allowed}."
            )
        return found


def _first(offered: Presentation) -> tuple[str, ...]:
    """The renditions that a player begins with: the first video, and the default audio."""
    audio = [one for one in offered.audio if one.default] or list(offered.audio)
    first: list[Rendition] = [*offered.video[:1], *audio[:1]]
    return tuple(one.id for one in first)


def _segments(rendition: Rendition, start: float, seconds: float | None) -> tuple[int, int]:
    """The first segment, and the one behind the last, for some seconds of the file from `start` on."""
    timeline = rendition.timeline
    if not 0 <= start < timeline.total:
        raise BadParameter(
            "from", f"{start:g} is not in the file; give seconds from 0 to below {float(timeline.total):g}."
        )
    if seconds is not None and not seconds > 0:
        raise BadParameter("seconds", f"{seconds:g} is not allowed; give more than 0.")
    first = max(0, timeline.locate(floor(Fraction(start) * timeline.timescale)))
    if seconds is None:
        return first, len(timeline)
    last = ceil((Fraction(start) + Fraction(seconds)) * timeline.timescale) - 1
    return first, max(first, min(timeline.locate(last), len(timeline) - 1)) + 1
