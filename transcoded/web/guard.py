"""Who is asking, and may they: keys, cookies, signed URLs, foreign pages, and browsers of other origins (CORS).

Without keys everything is allowed, and the daemon is meant to listen on loopback. With keys, a request brings one as
`Authorization: Bearer`, or the cookie that the login form gives for one, or, to play a file, a URL that was signed for it.
Neither a key nor a cookie nor a signature is ever logged or repeated in an answer.
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
_SAFE = frozenset({b"GET", b"HEAD", b"OPTIONS"})
Via = Literal["open", "key", "cookie", "signature"]
_PREFIX = re.compile(rb"(?:/[A-Za-z0-9._~-]+)+")


@attrs.frozen
class Session:
    """Who asks: the name of a key, what it allows, and how it came.

    With `signature` only the paths in `signed` may be opened, else all.
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
    """Lets requests in. `now` gives seconds since the epoch, `clock` seconds of a clock that does not jump."""

    keys: Sequence[Key]
    signing_key: bytes
    now: Callable[[], float]
    clock: Callable[[], float]
    cors_origins: Sequence[str] = ()
    proxies: Sequence[Trusted] = ()
    _attempts: Attempts = attrs.field(factory=Attempts)

    def admit(self, request: Request, client: str, wanted: Access, paths: Collection[str] = ()) -> Session:
        """Who asks; raises `Unauthorized`, `Forbidden` or `TooManyAttempts` if they may not.

        `paths` are the media files that the URL may be about; a signature for any of them will do here.
        """
        self._refuse_foreign_pages(request)
        session = self.session(request, client, paths)
        if session is None:
            if wanted is Access.OPEN:
                return Session("", Access.OPEN, "open")
            raise Unauthorized("A key is needed: Authorization: Bearer KEY, or sign in on the page.")
        self.require(session, wanted)
        return session

    def require(self, session: Session, wanted: Access) -> None:
        """Raise `Forbidden` if a session does not allow this."""
        if session.access < wanted:
            raise Forbidden(
                "The URL was signed for playing one file, and not for this."
                if session.via == "signature"
                else f"The key {session.name!r} allows reading only."
            )

    def client(self, request: Request) -> str:
        """The address of who asks, as text; `-` if it has none (a UNIX socket)."""
        host = getattr(request.getClientAddress(), "host", None)
        values = request.requestHeaders.getRawHeaders(b"X-Forwarded-For", [])
        return client_address(host, [value.decode("latin-1") for value in values], self.proxies)

    def session(self, request: Request, client: str, paths: Collection[str] = ()) -> Session | None:
        """Who asks, or None; raises if a key was brought and is wrong."""
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
        """The key with this secret; raises `Unauthorized`, or `TooManyAttempts` without looking."""
        wait = self._attempts.wait(client, self.clock())
        if wait:
            raise TooManyAttempts(wait)
        key = find_key(self.keys, secret)
        if key is None:
            self._attempts.fail(client, self.clock())
            raise Unauthorized("This key is not known here.")
        return key

    def remember(self, request: Request, key: Key) -> None:
        """Give the browser a cookie for a key."""
        self._set_cookie(request, self._serializer().dumps([key.name, key.digest.hex()[:16]]), SESSION_SECONDS)

    def forget(self, request: Request) -> None:
        """Take the cookie away."""
        self._set_cookie(request, "", 0)

    def sign(self, request: Request, path: str, seconds: int) -> tuple[str, int]:
        """A URL that opens a file for so many seconds, and when it expires, in seconds since the epoch."""
        expires = int(self.now()) + seconds
        return _prefix(request) + media_url(path, signed_query(self.signing_key, path, expires)), expires

    def inherited_query(self, request: Request) -> str:
        """What URLs in a playlist must carry so that they open as the playlist's own URL did."""
        expires, signature = _parameters(request)
        return f"expires={expires}&signature={signature}" if expires and signature and signature.isalnum() else ""

    def allow_origin(self, request: Request) -> None:
        """Answer a browser that asks on behalf of another origin (Fetch standard, CORS protocol)."""
        origin = (request.getHeader(b"Origin") or b"").decode("ascii", "replace")
        if not origin or not ("*" in self.cors_origins or origin in self.cors_origins):
            return
        request.setHeader(b"Access-Control-Allow-Origin", b"*" if "*" in self.cors_origins else origin.encode("ascii"))
        request.setHeader(b"Vary", b"Origin")
        request.setHeader(
            b"Access-Control-Expose-Headers", b"X-Stream-Id, X-Request-Id, Content-Range, Retry-After, ETag"
        )
        if request.method == b"OPTIONS":
            request.setHeader(b"Access-Control-Allow-Methods", b"GET, HEAD, POST, DELETE, OPTIONS")
            request.setHeader(b"Access-Control-Allow-Headers", b"Authorization, Content-Type, Range, X-Request-Id")
            request.setHeader(b"Access-Control-Max-Age", b"600")

    def _refuse_foreign_pages(self, request: Request) -> None:
        """A page of another origin must not change anything, be it with a cookie or because no key is needed."""
        if request.method in _SAFE:
            return
        origin = request.getHeader(b"Origin")
        if origin is None:
            return
        own = origin.partition(b"://")[2] == (request.getHeader(b"Host") or b"")
        listed = {one.encode("ascii", "replace") for one in self.cors_origins}
        if not own and origin not in listed and b"*" not in listed:
            raise Forbidden("A page of another origin may not do this; see the setting cors_origin.")

    def _from_cookie(self, request: Request) -> Session | None:
        cookie = request.getCookie(COOKIE)
        if not cookie:
            return None
        try:
            name, mark = self._serializer().loads(cookie.decode("ascii", "replace"), max_age=SESSION_SECONDS)
        except (BadSignature, ValueError):
            return None
        # A key that was taken away takes its sessions with it.
        key = next((key for key in self.keys if key.name == name and key.digest.hex()[:16] == mark), None)
        return None if key is None else Session(key.name, key.access, "cookie")

    def _signed(self, request: Request, paths: Collection[str]) -> frozenset[str]:
        """Those of these paths for which the URL is signed."""
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
    """The path under which the resource is mounted, here or by a proxy that says so."""
    forwarded = request.getHeader(b"X-Forwarded-Prefix") or b""
    mounted = b"/".join((request.prepath or [])[: getattr(request, "transcoded_depth", 0)])
    own = b"/" + mounted if mounted else b""
    return ((forwarded if _PREFIX.fullmatch(forwarded) else b"") + own).decode("ascii", "replace")
