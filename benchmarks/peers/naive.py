"""The relay that Twisted's documentation leads to: what `outReceived` brings goes to `request.write`.

`python naive.py CHILD` listens on a free port of loopback and prints it; GET /NAME runs `CHILD NAME`. It has back-pressure
(without it, a stalled client would fill the memory), and a child whose client has left gets SIGKILL.
"""

import sys
from contextlib import suppress

from twisted.internet import reactor
from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site
from zope.interface import implementer


@implementer(IPushProducer)
class Relay(ProcessProtocol):
    """One stream."""

    def __init__(self, request: Request) -> None:
        self._request: Request | None = request
        request.setHeader(b"Content-Type", b"video/mp4")
        request.registerProducer(self, True)

    def outReceived(self, data: bytes) -> None:
        if self._request is not None:
            self._request.write(data)

    def processEnded(self, reason: Failure) -> None:
        if self._request is not None:
            self._request.unregisterProducer()
            if reason.check(ProcessDone):
                self._request.finish()
            else:
                self._request.loseConnection()

    def pauseProducing(self) -> None:
        self.transport.pauseProducing()  # type: ignore[union-attr]

    def resumeProducing(self) -> None:
        self.transport.resumeProducing()  # type: ignore[union-attr]

    def stopProducing(self) -> None:
        self._request = None
        self.resumeProducing()  # a paused reader never sees its end
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")  # type: ignore[union-attr]


class Root(Resource):
    """Everything."""

    isLeaf = True

    def render_GET(self, request: Request) -> bytes | int:
        name = request.path[1:].decode("ascii")
        if name == "healthz":
            return b"ok\n"
        reactor.spawnProcess(Relay(request), sys.argv[1], [sys.argv[1], name], env=None)
        return NOT_DONE_YET


def main() -> None:
    """Serve."""
    port = reactor.listenTCP(0, Site(Root()), interface="127.0.0.1", backlog=512)  # type: ignore[arg-type]
    print(port.getHost().port, flush=True)  # type: ignore[attr-defined]
    reactor.run()


if __name__ == "__main__":
    main()
