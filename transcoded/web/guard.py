"""Authentication and authorization of requests: keys, cookies, signed URLs, and pages of other origins (CORS).

Without keys in the settings everything is allowed; the daemon should then listen on loopback only. With keys, a request
needs one of these: a key in `Authorization: Bearer`; the cookie that the login form sets for a key; or, to play a file, a
URL that was signed for this file. Keys, cookies and signatures are never logged and never repeated in an answer.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Literal

import attrs
from twisted.internet.interfaces import ITransport
from twisted.logger import Logger
from twisted.protocols.policies import ProtocolWrapper
from twisted.web.server import Request

from transcoded.plan.errors import Forbidden, TooManyAttempts, Unauthorized
from transcoded.plan.http.access import Access, Key, find_key
from transcoded.plan.http.forwarded import Trusted, client_address, forwarded_https, is_local, is_trusted_peer
from transcoded.plan.http.signed_urls import given_query, media_url, signature_opens, signed_query
from transcoded.plan.http.wrong_keys import WrongKeys
from transcoded.web.cookies import Cookies
from transcoded.web.request import pairs_of, prefix_of

_SAFE = frozenset({b"GET", b"HEAD", b"OPTIONS"})
Via = Literal["open", "key", "cookie", "signature"]
_log = Logger()


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
    url_key: bytes = attrs.field(repr=False)
    cookies: Cookies
    now: Callable[[], float]
    clock: Callable[[], float]
    cors_origins: Sequence[str] = ()
    proxies: Sequence[Trusted] = ()
    plain_http_login: bool = False
    _wrong_keys: WrongKeys = attrs.field(factory=WrongKeys)

    def admit(self, request: Request, client: str, wanted: Access, paths: Collection[str] = ()) -> Session:
        """The session of a request that has the access `wanted`; else raises `Unauthorized`, `Forbidden`, `TooManyAttempts`.

        `paths` are the media files that the URL can mean. A signature for any of them is accepted here; the caller then
        asks `Session.opens` which ones.
        """
        self._refuse_foreign_pages(request)
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
        key_of_cookie = self.cookies.read(request, self.keys, https=self._is_https(request))
        if key_of_cookie is not None:
            return Session(key_of_cookie.name, key_of_cookie.access, "cookie")
        signed = self._signed(request, paths)
        return Session("", Access.PLAY, "signature", signed) if signed else None

    def check(self, secret: str, client: str) -> Key:
        """The key with this secret. Raises `Unauthorized`, or `TooManyAttempts` if there were too many wrong ones.

        A right key is never refused because of wrong ones: everybody behind one proxy may have the same address.
        """
        key = find_key(self.keys, secret)
        if key is not None:
            return key
        verdict = self._wrong_keys.count(client, self.clock())
        if verdict.report is not None:
            _log.warn(
                "too many wrong keys from {network}; no more of them are logged for a minute", network=verdict.report
            )
        if verdict.wait:
            raise TooManyAttempts(verdict.wait)
        raise Unauthorized("The key is wrong.")

    def require_safe_way(self, request: Request, client: str) -> None:
        """Raise `Forbidden` if somebody wants to sign in, and others could read the key and the cookie on their way."""
        if not (self._is_https(request) or self.plain_http_login or is_local(client)):
            raise Forbidden(
                "Signing in from another machine over plain HTTP is off, because others could read the key. Use HTTPS: with TLS "
                "in the daemon, or through a trusted_proxy that sends X-Forwarded-Proto. In a network that you trust, the "
                "setting plain_http_login allows it."
            )

    def remember(self, request: Request, key: Key) -> None:
        """Set a cookie for a key."""
        self.cookies.issue(request, key, https=self._is_https(request))

    def forget(self, request: Request) -> None:
        """End the sign-in of the request's cookie, on the server too, and delete the cookie."""
        self.cookies.end(request, https=self._is_https(request))

    def sign(self, request: Request, path: str, seconds: int) -> tuple[str, int]:
        """A URL that opens a file for `seconds`, and when it expires, in seconds since the epoch."""
        expires = int(self.now()) + seconds
        return prefix_of(request) + media_url(path, signed_query(self.url_key, path, expires)), expires

    def inherited_query(self, request: Request) -> str:
        """The signature in the query of a playlist's URL, for the URLs in the playlist; empty if it has none."""
        given = given_query(pairs_of(request))
        return "" if given is None else "expires={}&signature={}".format(*given)

    def allow_origin(self, request: Request) -> None:
        """Set the CORS headers if a page of an allowed origin makes the request (Fetch standard, CORS protocol)."""
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
        """Raise `Forbidden` if a page of another origin wants to change something: the cookie would be sent with it."""
        if request.method in _SAFE:
            return
        origin = request.getHeader(b"Origin")
        if origin is None:
            return
        own = origin.partition(b"://")[2] == (request.getHeader(b"Host") or b"")
        allowed = {one.encode("ascii", "replace") for one in self.cors_origins}
        if not own and origin not in allowed and b"*" not in allowed:
            raise Forbidden(
                "A page of another origin may not do this. The setting cors_origin lists the allowed origins."
            )

    def _signed(self, request: Request, paths: Collection[str]) -> frozenset[str]:
        """The paths for which the URL is signed."""
        given = given_query(pairs_of(request)) if paths else None
        if given is None:
            return frozenset()
        now = self.now()
        return frozenset(path for path in paths if signature_opens(self.url_key, path, *given, now))

    def _is_https(self, request: Request) -> bool:
        """Whether the client sent the request over HTTPS: to us, or to a trusted proxy that says so."""
        values = request.requestHeaders.getRawHeaders(b"X-Forwarded-Proto")
        # A request whose connection was lost has no channel.
        transport = getattr(request.channel, "transport", None)
        if values and transport is not None and is_trusted_peer(_other_end(transport), self.proxies):
            return forwarded_https([value.decode("latin-1") for value in values])
        return bool(request.isSecure())


def _other_end(transport: ITransport) -> str | None:
    """The address at the other end of a connection; None: a UNIX socket.

    With the PROXY protocol, a connection says that the client is there. Here the proxy is wanted, which speaks for the client.
    """
    while isinstance(transport, ProtocolWrapper) and transport.transport is not None:
        transport = transport.transport
    return getattr(transport.getPeer(), "host", None)
