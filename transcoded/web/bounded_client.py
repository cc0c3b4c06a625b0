"""Connections of our HTTP client that read a bounded number of bytes: Twisted's client keeps headers without end."""

from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.web.client import URI, BrowserLikePolicyForHTTPS
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

MAX_BYTES = 65_536
"""Bytes of an answer that are read, its headers included."""


@implementer(IAgentEndpointFactory)
class BoundedEndpoints:
    """Connects an `Agent` by TCP, or by TLS with the certificates that this machine trusts."""

    def __init__(self, reactor: object) -> None:
        self._reactor = reactor

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """The endpoint for an absolute URI with http or https."""
        endpoint: IStreamClientEndpoint = HostnameEndpoint(self._reactor, uri.host.decode("ascii"), uri.port)
        if uri.scheme == b"https":
            endpoint = wrapClientTLS(BrowserLikePolicyForHTTPS().creatorForNetloc(uri.host, uri.port), endpoint)
        return _BoundedEndpoint(endpoint)


@implementer(IStreamClientEndpoint)
class _BoundedEndpoint:
    """An endpoint whose connections are aborted after `MAX_BYTES`."""

    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        self._endpoint = endpoint

    def connect(self, protocolFactory: IProtocolFactory) -> "Deferred[IProtocol]":
        """Connect. Fires with the protocol of the factory, as without the limit."""
        # A WrappingFactory needs of a factory only what IProtocolFactory has.
        connecting = self._endpoint.connect(_BoundedFactory(protocolFactory))
        return connecting.addCallback(lambda wrapper: cast(_Bounded, wrapper).wrappedProtocol)


class _Bounded(ProtocolWrapper):
    """Counts what comes in."""

    _left = MAX_BYTES

    def dataReceived(self, data: bytes) -> None:
        """Pass the bytes on, or abort the connection."""
        self._left -= len(data)
        if self._left < 0:
            self.abortConnection()
        else:
            super().dataReceived(data)


class _BoundedFactory(WrappingFactory):
    """Makes connections that count."""

    protocol = _Bounded

    def doStart(self) -> None:
        """Log nothing: Twisted would log a line for each connection."""

    def doStop(self) -> None:
        """Log nothing."""
