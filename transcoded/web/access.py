"""The routes of access: the current session, signing in and out, signing a URL."""

from typing import Annotated, Literal

import attrs
import msgspec
from msgspec import Meta
from twisted.web.server import Request

from transcoded.plan.errors import BadParameter, Unauthorized
from transcoded.plan.http.access import Access
from transcoded.plan.http.parameters import any_text
from transcoded.plan.http.signed_urls import MAX_LIFETIME
from transcoded.run.files.async_library import AsyncLibrary
from transcoded.web.answers import json_of, nothing
from transcoded.web.guard import Guard
from transcoded.web.request import client_of
from transcoded.web.route import route

_KEY = any_text("key", "")


class SignRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /api/v1/sign`: the path of a file, and the seconds until its URL expires."""

    path: str
    # The schema only describes the bounds. The route checks them, because its error names the field.
    expires_in: Annotated[int, Meta(extra_json_schema={"minimum": 1, "maximum": MAX_LIFETIME})] = 3600


class SignAnswer(msgspec.Struct):
    """The signed URL, beginning with `/`, and when it expires, in seconds since the epoch."""

    url: str
    expires: int


class SessionInfo(msgspec.Struct):
    """What the session may do, and how the request was authenticated (`open`: the daemon has no keys)."""

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
        """The session of the request; else 401, or 403 where signing in would be refused."""
        session = self.guard.session(request, client_of(request))
        # A signed URL opens one media file. It signs nobody in.
        if session is None or session.via == "signature":
            # The page asks here before it asks for a key, which would else be sent in clear before it is refused.
            self.guard.require_safe_way(request, client_of(request))
            raise Unauthorized("Not signed in.")
        return SessionInfo("admin" if session.access is Access.ADMIN else "read", session.via, session.name)

    @route("/login", methods=("POST",), access=Access.OPEN, form=_KEY, answers=nothing())
    async def login(self, request: Request, form: str) -> None:
        """Check the key in a form, and set a cookie for it."""
        self.guard.require_safe_way(request, client_of(request))
        self.guard.remember(request, self.guard.check(form, client_of(request)))

    @route("/logout", methods=("POST",), access=Access.OPEN, answers=nothing())
    async def logout(self, request: Request) -> None:
        """End the sign-in for every copy of its cookie, and delete the cookie."""
        self.guard.forget(request)

    @route("/api/v1/sign", methods=("POST",), body=SignRequest, answers=json_of(SignAnswer))
    async def sign(self, request: Request, body: SignRequest) -> SignAnswer:
        """Sign a URL that opens one file without a key until it expires."""
        if not 1 <= body.expires_in <= MAX_LIFETIME:
            raise BadParameter(
                "expires_in", f"{body.expires_in} is not allowed; give whole seconds from 1 to {MAX_LIFETIME}."
            )
        file = await self.library.locate_meant(body.path)
        return SignAnswer(*self.guard.sign(request, file.path, body.expires_in))
