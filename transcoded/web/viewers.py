"""The routes for viewings: who watches which file, and to end that.

    GET /api/v1/viewers[/{id}]      who watches
    DELETE /api/v1/viewers/{id}     end it: the streams that nobody else watches, and this client's requests for this file

Starts and ends are told by events, too (`viewer-started`, `viewer-ended`).
"""

import attrs
import msgspec
from twisted.web.server import Request

from transcoded.plan.endings import Ending
from transcoded.run.streams.viewing import ViewerEnding, ViewerInfo
from transcoded.run.streams.viewings import REFUSAL, Viewings
from transcoded.web.answers import json_of
from transcoded.web.route import route


class Viewers(msgspec.Struct):
    """All that watch."""

    viewers: list[ViewerInfo]


class StoppedViewer(msgspec.Struct):
    """A viewing that was stopped. `endings` are those of its streams that nobody else watches; its client is refused for this file for `refused_s` seconds."""

    viewer: ViewerEnding
    endings: list[Ending]
    refused_s: float


@attrs.frozen
class ViewerRoutes:
    """The routes."""

    viewings: Viewings

    @route("/api/v1/viewers", answers=json_of(Viewers))
    async def live(self, request: Request) -> Viewers:
        """All live viewings, the oldest first."""
        return Viewers([*self.viewings.live()])

    @route("/api/v1/viewers/<viewing_id>", answers=json_of(ViewerInfo))
    async def one(self, request: Request, viewing_id: str) -> ViewerInfo:
        """One live viewing."""
        return self.viewings.get(viewing_id)

    @route("/api/v1/viewers/<viewing_id>", methods=("DELETE",), answers=json_of(StoppedViewer))
    async def stop(self, request: Request, viewing_id: str) -> StoppedViewer:
        """End a viewing; answers when its streams that nobody else watches are reaped."""
        viewer, endings = self.viewings.stop(viewing_id)
        return StoppedViewer(viewer, await endings, REFUSAL)
