"""The site, which makes a `Channel` of each connection, and the requests on it."""

import re
from io import BytesIO

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.web.http import parse_qs
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

from transcoded.plan.errors import BodyTooLarge
from transcoded.web.bodies import MAX_BODY
from transcoded.web.channel import Channel
from transcoded.web.connections import Connections
from transcoded.web.request_turns import RequestTurns

_ABSOLUTE = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)


class BoundedRequest(Request):
    """A request with a small body, which is in memory and is not parsed.

    Its target may be in absolute form (RFC 9112, section 3.2.2), as clients send it to proxies.
    """

    content: BytesIO

    def gotLength(self, length: int | None) -> None:
        """Keep the body in memory; Twisted would write a long one to the disk."""
        self.content = BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        """Add to the body. Raises `BodyTooLarge`."""
        if self.content.tell() + len(data) > MAX_BODY:
            raise BodyTooLarge(MAX_BODY)
        super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Process the request, without reading its body as a form: only one route takes a form, and reads it itself."""
        self.content.seek(0)
        self.method, self.uri, self.clientproto = command, path, version
        self.path, _, query = path.partition(b"?")
        self.args = parse_qs(query, 1)
        self.process()

    def process(self) -> None:
        """Remove the scheme and the authority from the path, then process the request. The authority replaces `Host`."""
        absolute = _ABSOLUTE.match(self.path)
        if absolute is not None:
            self.path = self.path[absolute.end() :] or b"/"
            hosts = self.requestHeaders.getRawHeaders(b"Host", [])
            if len(hosts) == 1 or (not hosts and self.clientproto == b"HTTP/1.0"):
                self.requestHeaders.setRawHeaders(b"Host", [absolute[1]])
        super().process()


class QuietSite(Site):
    """A site whose connections are `Channel`s. It has no access log: Twisted's prints whole URLs with their signatures.

    `web.request` logs instead. `connections` limits how many there are; None: any number.
    """

    requestFactory = BoundedRequest
    protocol = Channel  # type: ignore[assignment]  # Twisted's own wraps the channel, to choose between HTTP/1.1 and HTTP/2

    def __init__(
        self, resource: IResource, reactor: IReactorTime | None = None, connections: Connections | None = None
    ) -> None:
        super().__init__(resource, timeout=None, reactor=reactor)
        self._connections = connections
        self._turns = RequestTurns(self.reactor)

    def buildProtocol(self, addr: IAddress | None) -> Channel:  # type: ignore[override]  # see `protocol`
        """A new connection."""
        channel: Channel = super().buildProtocol(addr)
        channel.connections = self._connections
        channel.turns = self._turns
        return channel

    def stopFactory(self) -> None:
        """The last port is closed."""
        super().stopFactory()
        if self._connections is not None:
            self._connections.stop()

    def acceptableProtocols(self) -> list[bytes]:
        """HTTP/1.1 only: HTTP/2 would not go through `Channel`."""
        return [b"http/1.1"]

    def log(self, request: object) -> None:
        """Log nothing."""
