"""The routes of access: who am I, sign in and out, sign a URL."""

from typing import Annotated, Literal

import attrs
import msgspec
from msgspec import Meta
from twisted.web.server import Request

from transcoded.plan.errors import BadParameter, Unauthorized
from transcoded.plan.http.access import Access
from transcoded.plan.http.parameters import any_text
from transcoded.run.files.async_library import AsyncLibrary
from transcoded.web.answers import json_of, nothing
from transcoded.web.guard import Guard
from transcoded.web.request import client_of
from transcoded.web.route import route

MAX_LIFETIME = 30 * 24 * 3600
"""Seconds for which a URL can be signed."""

_KEY = any_text("key", "")


class SignRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What `POST /api/v1/sign` takes: a file of the library, and for how many seconds its URL is to be good."""

    path: str
    # Checked by the route, whose answer names the field.
    expires_in: Annotated[int, Meta(extra_json_schema={"minimum": 1, "maximum": MAX_LIFETIME})] = 3600


class SignAnswer(msgspec.Struct):
    """What it answers: a URL from the root of the server, and when it expires in seconds since the epoch."""

    url: str
    expires: int


class SessionInfo(msgspec.Struct):
    """What the one who asks may do, and how the key came (`open`: there are no keys)."""

    role: Literal["admin", "read"]
    via: Literal["open", "key", "cookie"]
    name: str


@attrs.frozen
class AccessRoutes:
    """The routes."""

    guard: Guard
    library: AsyncLibrary

    @route("/api/v1/session", access=Access.OPEN, answers=json_of(SessionInfo))
    async def session(self, request: Request) -> SessionInfo:
        """What the one who asks may do."""
        session = self.guard.session(request, client_of(request))
        # A signed URL is for media, and none was asked for.
        if session is None or session.via == "signature":
            raise Unauthorized("Not signed in.")
        return SessionInfo("admin" if session.access is Access.ADMIN else "read", session.via, session.name)

    @route("/login", methods=("POST",), access=Access.OPEN, form=_KEY, answers=nothing())
    async def login(self, request: Request) -> None:
        """A cookie for the key in a form."""
        given = request.args.get(b"key", [])
        if len(given) != 1:
            raise BadParameter("key", "required once, in a form.")
        self.guard.remember(request, self.guard.check(given[0].decode("utf-8", "replace"), client_of(request)))

    @route("/logout", methods=("POST",), access=Access.OPEN, answers=nothing())
    async def logout(self, request: Request) -> None:
        """Take the cookie away."""
        self.guard.forget(request)

    @route("/api/v1/sign", methods=("POST",), body=SignRequest, answers=json_of(SignAnswer))
    async def sign(self, request: Request, body: SignRequest) -> SignAnswer:
        """A URL that opens one file for a while, without a key."""
        if not 1 <= body.expires_in <= MAX_LIFETIME:
            raise BadParameter(
                "expires_in", f"{body.expires_in} is not allowed; give seconds from 1 to {MAX_LIFETIME}."
            )
        file = await self.library.locate(body.path)
        return SignAnswer(*self.guard.sign(request, file.path, body.expires_in))
