"""Is a request addressed to this daemon, and which page makes it? The rules are in `plan.http.origins`.

The answers to pages are also marked for the browser: by the headers of CORS (Fetch standard, section 3.2), and by
`Cross-Origin-Resource-Policy` (Fetch standard, section 3.7), which says who may embed an answer without reading it.
"""

import attrs
from twisted.web.server import Request

from transcoded.plan.errors import BadRequest, Forbidden, Misdirected
from transcoded.plan.http.forwarded import Trusted
from transcoded.plan.http.origins import CorsRules, HostRules, Source, own_origin, source_of, split_authority
from transcoded.web.request import header_of, is_https, text_of

_EXPOSED = b"X-Stream-Id, X-Request-Id, Accept-Ranges, Content-Disposition, Content-Length, Content-Range, Date, ETag, Retry-After"
"""Headers of answers that scripts of other origins may read. Those that every script may read are not among them, except
`Content-Length`, which older browsers keep back. dash.js reads `Date`; players that read parts of files read `Content-Range`."""

_ALLOWED = (
    b"Authorization, Cache-Control, Content-Type, If-Match, If-Modified-Since, If-None-Match, If-Range, If-Unmodified-Since, "
    b"Last-Event-ID, Pragma, Range, X-Request-Id, CMCD-Object, CMCD-Request, CMCD-Session, CMCD-Status"
)
"""Headers that scripts of other origins may send. `CMCD-…` are Common Media Client Data (CTA-5004), and are ignored."""


@attrs.frozen
class Origins:
    """The hosts that are served, the origins that are allowed, and the proxies that say which scheme the client has used."""

    hosts: HostRules
    cors: CorsRules
    proxies: tuple[Trusted, ...] = ()

    def check_host(self, request: Request) -> None:
        """Raise `BadRequest` for a bad `Host` header (RFC 9112, section 3.2), and `Misdirected` for a host that is not served."""
        given = request.requestHeaders.getRawHeaders(b"Host", [])
        if not given and request.clientproto == b"HTTP/1.0":
            return
        if len(given) != 1:
            raise BadRequest(f"The request has {len(given)} Host headers; HTTP/1.1 needs exactly one.")
        try:
            name, _ = split_authority(given[0].decode("latin-1"))
        except ValueError as error:
            raise BadRequest(f"The Host header is not the name of a host: {error}.") from None
        if not self.hosts.allow(name):
            raise Misdirected(
                f"This server is not known as {name!r}. If it should be, add the name to the setting host of the server."
            )

    def source(self, request: Request) -> Source:
        """Where a request comes from."""
        header = header_of(request)
        own = own_origin("https" if is_https(request, self.proxies) else "http", header("Host"))
        return source_of(text_of(request.method), header, own, self.cors)

    def mark(self, request: Request) -> None:
        """Set the headers that tell a browser which pages may use the answer.

        A cache must not give the answer for one origin to another, nor one without an origin (`<video>`) to a request with one
        (`<video crossorigin>`), which then fails for as long as it is kept. So every answer has `Vary`, whoever asks.
        """
        request.setHeader(b"Cross-Origin-Resource-Policy", b"same-origin")
        request.setHeader(b"Vary", b"Origin, Sec-Fetch-Site")
        if self.cors.every:
            # Also without an Origin: whatever keeps the answer can give it to everybody.
            request.setHeader(b"Access-Control-Allow-Origin", b"*")
        if self.source(request) is not Source.ALLOWED:
            return
        embeddable(request)
        origin = request.getHeader(b"Origin")
        if origin is None:
            return
        allowed = b"*" if self.cors.every else origin
        request.setHeader(b"Access-Control-Allow-Origin", allowed)
        # hls.js and dash.js estimate the bandwidth from the times of a request, which a browser else keeps from them.
        request.setHeader(b"Timing-Allow-Origin", allowed)
        request.setHeader(b"Access-Control-Expose-Headers", _EXPOSED)
        if request.method == b"OPTIONS":
            request.setHeader(b"Access-Control-Allow-Methods", b"GET, HEAD, POST, DELETE, OPTIONS")
            request.setHeader(b"Access-Control-Allow-Headers", _ALLOWED)
            request.setHeader(b"Access-Control-Max-Age", b"600")

    def refuse_foreign(self, request: Request) -> None:
        """Raise `Forbidden` for a request of a foreign page. A link may be followed."""
        if self.source(request) is Source.FOREIGN:
            raise foreign_page()


def embeddable(request: Request) -> None:
    """Let pages of other origins embed the answer."""
    request.setHeader(b"Cross-Origin-Resource-Policy", b"cross-origin")


def foreign_page() -> Forbidden:
    """The error for a request that a page of another origin has made."""
    return Forbidden(
        "A page of another origin may not do this. The setting cors_origin lists the origins that may. If this is the page of "
        "this server, a proxy in between changes Host, or ends TLS without X-Forwarded-Proto from a trusted_proxy."
    )
