"""The routes of health checks, which load balancers and service managers request every few seconds."""

from typing import Literal

import attrs
import msgspec
from twisted.web.server import Request

from transcoded.plan.errors import NotReady
from transcoded.plan.http.access import Access
from transcoded.run.streams.admission import AdmissionQueue
from transcoded.web.answers import json_of
from transcoded.web.route import route


class Alive(msgspec.Struct):
    """The daemon answers."""

    status: Literal["ok"] = "ok"


class Ready(msgspec.Struct):
    """A transcode would start at once."""

    status: Literal["ready"] = "ready"


@attrs.frozen
class HealthRoutes:
    """The routes."""

    admission: AdmissionQueue

    @route("/healthz", access=Access.OPEN, quiet=True, answers=json_of(Alive))
    async def alive(self, request: Request) -> Alive:
        """200 as long as the daemon answers at all."""
        return Alive()

    @route("/readyz", access=Access.OPEN, quiet=True, answers=json_of(Ready))
    async def ready(self, request: Request) -> Ready:
        """Whether a transcode would start at once."""
        reasons = self.admission.not_ready()
        if reasons:
            raise NotReady(f"Not ready: {'; '.join(reasons)}.", self.admission.reasons())
        return Ready()
