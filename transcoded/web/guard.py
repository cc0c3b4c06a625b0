"""Authentication and authorization of requests: keys, cookies and signed URLs.

Without keys in the settings everything is allowed; the daemon should then listen on loopback only. With keys, a request
needs one of these: a key in `Authorization: Bearer`; the cookie that the login form sets for a key; or, to play a file, a
URL that was signed for this file. Keys, cookies and signatures are never logged and never repeated in an answer.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Literal

import attrs
from twisted.logger import Logger
from twisted.web.server import Request

from transcoded.plan.errors import Forbidden, TooManyAttempts, Unauthorized
from transcoded.plan.http.access import Access, Key, find_key
from transcoded.plan.http.forwarded import Trusted, client_address, is_local
from transcoded.plan.http.signed_urls import given_query, media_url, signature_opens, signed_query
from transcoded.plan.http.wrong_keys import WrongKeys
from transcoded.web.cookies import Cookies
from transcoded.web.request import is_https, pairs_of, prefix_of

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
    proxies: Sequence[Trusted] = ()
    plain_http_login: bool = False
    _wrong_keys: WrongKeys = attrs.field(factory=WrongKeys)

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
        key_of_cookie = self.cookies.read(request, self.keys, https=is_https(request, self.proxies))
        if key_of_cookie is not None:
            return Session(key_of_cookie.name, key_of_cookie.access, "cookie")
        signed = self.signed(request, paths)
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
        if not (is_https(request, self.proxies) or self.plain_http_login or is_local(client)):
            raise Forbidden(
                "Signing in from another machine over plain HTTP is off, because others could read the key. Use HTTPS: with TLS "
                "in the daemon, or through a trusted_proxy that sends X-Forwarded-Proto. In a network that you trust, the "
                "setting plain_http_login allows it."
            )

    def remember(self, request: Request, key: Key) -> None:
        """Set a cookie for a key."""
        self.cookies.issue(request, key, https=is_https(request, self.proxies))

    def forget(self, request: Request) -> None:
        """End the sign-in of the request's cookie, on the server too, and delete the cookie."""
        self.cookies.end(request, https=is_https(request, self.proxies))

    def sign(self, request: Request, path: str, seconds: int) -> tuple[str, int]:
        """A URL that opens a file for `seconds`, and when it expires, in seconds since the epoch."""
        expires = int(self.now()) + seconds
        return prefix_of(request) + media_url(path, signed_query(self.url_key, path, expires)), expires

    def inherited_query(self, request: Request) -> str:
        """The signature in the query of a playlist's URL, for the URLs in the playlist; empty if it has none."""
        given = given_query(pairs_of(request))
        return "" if given is None else "expires={}&signature={}".format(*given)

    def signed(self, request: Request, paths: Collection[str]) -> frozenset[str]:
        """Those of these files for which the URL is signed, also without keys in the settings."""
        given = given_query(pairs_of(request)) if paths else None
        if given is None:
            return frozenset()
        now = self.now()
        return frozenset(path for path in paths if signature_opens(self.url_key, path, *given, now))
