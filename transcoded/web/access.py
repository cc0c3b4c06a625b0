"""The routes of access: who am I, sign in and out, sign a URL."""

from typing import TypeVar

import attrs
import msgspec
from twisted.web.server import Request

from transcoded.plan.errors import BadParameter, BadRequest
from transcoded.plan.http.access import Access
from transcoded.plan.media.params import single
from transcoded.run.files.library import Library
from transcoded.run.files.threads import Threads
from transcoded.web.app import client_of, json_body, query_of, route
from transcoded.web.guard import Guard, Unauthorized

T = TypeVar("T")
_MAX_BODY = 65_536


class SignRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What `POST /api/v1/sign` takes: a file of the library, and for how many seconds its URL is to be good."""

    path: str
    expires_in: int = 3600


class SignAnswer(msgspec.Struct):
    """What it answers: a URL from the root of the server, and when it expires in seconds since the epoch."""

    url: str
    expires: int


@attrs.frozen
class AccessRoutes:
    """The routes."""

    guard: Guard
    library: Library
    threads: Threads

    @route("/api/v1/session", access=Access.OPEN)
    async def session(self, request: Request) -> bytes:
        """What the one who asks may do."""
        single(query_of(request), [])
        session = self.guard.session(request, client_of(request), None)
        if session is None:
            raise Unauthorized("Not signed in.")
        role = "admin" if session.access is Access.ADMIN else "read"
        return json_body(request, {"role": role, "via": session.via, "name": session.name})

    @route("/login", methods=("POST",), access=Access.OPEN)
    async def login(self, request: Request) -> bytes:
        """A key from a form (`key=`), a cookie for it."""
        given = request.args.get(b"key", [])
        if len(given) != 1:
            raise BadParameter("key", "required once, in a form.")
        self.guard.remember(request, self.guard.check(given[0].decode("utf-8", "replace"), client_of(request)))
        request.setResponseCode(204)
        return b""

    @route("/logout", methods=("POST",), access=Access.OPEN)
    async def logout(self, request: Request) -> bytes:
        """Take the cookie away."""
        self.guard.forget(request)
        request.setResponseCode(204)
        return b""

    @route("/api/v1/sign", methods=("POST",))
    async def sign(self, request: Request) -> bytes:
        """A URL that opens one file for a while, without a key."""
        single(query_of(request), [])
        wanted = body_of(request, SignRequest)
        if not 1 <= wanted.expires_in <= 30 * 24 * 3600:
            raise BadParameter(
                "expires_in", f"{wanted.expires_in} is not allowed; give seconds from 1 to {30 * 24 * 3600}."
            )
        file = await self.threads.run(self.library.locate, wanted.path)
        url, expires = self.guard.sign(request, file.path, wanted.expires_in)
        return json_body(request, SignAnswer(url, expires))


def body_of(request: Request, kind: type[T]) -> T:
    """The JSON body of a request; raises `BadRequest` with what is wrong and where."""
    content = request.content.read(_MAX_BODY + 1) if request.content is not None else b""
    if len(content) > _MAX_BODY:
        raise BadRequest(f"The body is longer than {_MAX_BODY} bytes.")
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"The body is not the JSON that is expected: {error}.") from None
