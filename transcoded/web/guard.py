"""Authentication and authorization of requests: keys, cookies and signed URLs.

Without keys in the settings everything is allowed; the daemon should then listen on loopback only. With keys, a request
needs one of these: a key in `Authorization: Bearer`; the cookie that the login form sets for a key; or, to play a file, a
URL that was signed for this file. Keys, cookies and signatures are never logged and never repeated in an answer.
"""

import re
from collections.abc import Callable, Collection, Sequence
from typing import Literal

import attrs
from itsdangerous import BadSignature, URLSafeTimedSerializer
from twisted.web.server import Request

from transcoded.plan.errors import Forbidden, TooManyAttempts, Unauthorized
from transcoded.plan.http.access import Access, Attempts, Key, find_key, media_url, signature_opens, signed_query
from transcoded.plan.http.forwarded import Trusted, client_address

COOKIE = b"transcoded_session"
SESSION_SECONDS = 30 * 24 * 3600
Via = Literal["open", "key", "cookie", "signature"]
_PREFIX = re.compile(rb"(?:/[A-Za-z0-9._~-]+)+")


@attrs.frozen
class Session:
    """Who makes the request: the name of the key, what it allows, and how the request was authenticated.

    With `signature` only the paths in `signed` may be opened, otherwise all.
    """

    name: str
    access: Access
    via: Via
    signed: frozenset[str] = frozenset()

    def opens(self, path: str) -> bool:
        """Whether the file of this path may be played."""
        return self.via != "signature" or path in self.signed


@attrs.frozen
class Guard:
    """Authenticates requests. `now` returns seconds since the epoch, `clock` seconds of a monotonic clock."""

    keys: Sequence[Key]
    signing_key: bytes
    now: Callable[[], float]
    clock: Callable[[], float]
    proxies: Sequence[Trusted] = ()
    _attempts: Attempts = attrs.field(factory=Attempts)

    def admit(self, request: Request, client: str, wanted: Access, paths: Collection[str] = ()) -> Session:
        """The session of a request that has the access `wanted`; else raises `Unauthorized`, `Forbidden`, `TooManyAttempts`.

        `paths` are the media files that the URL can mean. A signature for any of them is accepted here; the caller then
        asks `Session.opens` which ones.
        """
        session = self.session(request, client, paths)
        if session is None:
            if wanted is Access.OPEN:
                return Session("", Access.OPEN, "open")
            raise Unauthorized("A key is required: send Authorization: Bearer KEY, or sign in on the page.")
        self.require(session, wanted)
        return session

    def require(self, session: Session, wanted: Access) -> None:
        """Raise `Forbidden` if a session does not allow this."""
        if session.access < wanted:
            raise Forbidden(
                "The signature of this URL allows playing one file, and nothing else."
                if session.via == "signature"
                else f"The key {session.name!r} has the role read; this needs the role admin."
            )

    def client(self, request: Request) -> str:
        """The client's address as text; `-` if it has none (a UNIX socket)."""
        host = getattr(request.getClientAddress(), "host", None)
        values = request.requestHeaders.getRawHeaders(b"X-Forwarded-For", [])
        return client_address(host, [value.decode("latin-1") for value in values], self.proxies)

    def session(self, request: Request, client: str, paths: Collection[str] = ()) -> Session | None:
        """The session of a request, or None without a valid credential. A wrong key raises what `check` raises."""
        if not self.keys:
            return Session("", Access.ADMIN, "open")
        scheme, _, secret = (request.getHeader(b"Authorization") or b"").partition(b" ")
        if scheme.lower() == b"bearer":
            key = self.check(secret.strip().decode("utf-8", "replace"), client)
            return Session(key.name, key.access, "key")
        session = self._from_cookie(request)
        if session is None and (signed := self._signed(request, paths)):
            session = Session("", Access.PLAY, "signature", signed)
        return session

    def check(self, secret: str, client: str) -> Key:
        """The key with this secret. Raises `Unauthorized`, or `TooManyAttempts` without checking the secret."""
        wait = self._attempts.wait(client, self.clock())
        if wait:
            raise TooManyAttempts(wait)
        key = find_key(self.keys, secret)
        if key is None:
            self._attempts.fail(client, self.clock())
            raise Unauthorized("The key is wrong.")
        return key

    def remember(self, request: Request, key: Key) -> None:
        """Set a cookie for a key."""
        self._set_cookie(request, self._serializer().dumps([key.name, key.digest.hex()[:16]]), SESSION_SECONDS)

    def forget(self, request: Request) -> None:
        """Delete the cookie."""
        self._set_cookie(request, "", 0)

    def sign(self, request: Request, path: str, seconds: int) -> tuple[str, int]:
        """A URL that opens a file for `seconds`, and when it expires, in seconds since the epoch."""
        expires = int(self.now()) + seconds
        return _prefix(request) + media_url(path, signed_query(self.signing_key, path, expires)), expires

    def inherited_query(self, request: Request) -> str:
        """The signature in the query of a playlist's URL, for the URLs in the playlist; empty if it has none."""
        expires, signature = _parameters(request)
        return f"expires={expires}&signature={signature}" if expires and signature and signature.isalnum() else ""

    def signed(self, request: Request, paths: Collection[str]) -> frozenset[str]:
        """Those of these files for which the URL is signed, also without keys in the settings."""
        return self._signed(request, paths)

    def _from_cookie(self, request: Request) -> Session | None:
        cookie = request.getCookie(COOKIE)
        if not cookie:
            return None
        try:
            name, mark = self._serializer().loads(cookie.decode("ascii", "replace"), max_age=SESSION_SECONDS)
        except (BadSignature, ValueError):
            return None
        # When a key is removed from the settings or changed, its cookies end.
        key = next((key for key in self.keys if key.name == name and key.digest.hex()[:16] == mark), None)
        return None if key is None else Session(key.name, key.access, "cookie")

    def _signed(self, request: Request, paths: Collection[str]) -> frozenset[str]:
        """The paths for which the URL is signed."""
        expires, signature = _parameters(request)
        now = self.now()
        return frozenset(path for path in paths if signature_opens(self.signing_key, path, expires, signature, now))

    def _set_cookie(self, request: Request, value: str, seconds: int) -> None:
        request.addCookie(
            COOKIE,
            value.encode("ascii"),
            path=(_prefix(request) or "/").encode("ascii"),
            max_age=str(seconds).encode("ascii"),
            secure=True,
            httpOnly=True,
            sameSite=b"strict",
        )

    def _serializer(self) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self.signing_key, salt="transcoded session")


def _parameters(request: Request) -> tuple[str, str]:
    return _argument(request, b"expires"), _argument(request, b"signature")


def _argument(request: Request, name: bytes) -> str:
    values = (request.args or {}).get(name)
    return values[0].decode("ascii", "replace") if values else ""


def _prefix(request: Request) -> str:
    """The path under which the resource is mounted: in this process, and by a proxy (`X-Forwarded-Prefix`)."""
    forwarded = request.getHeader(b"X-Forwarded-Prefix") or b""
    mounted = b"/".join((request.prepath or [])[: getattr(request, "transcoded_depth", 0)])
    own = b"/" + mounted if mounted else b""
    return ((forwarded if _PREFIX.fullmatch(forwarded) else b"") + own).decode("ascii", "replace")
