"""Responses that are longer than a block: the last of their connection, ended cleanly or visibly not at all.

Three private attributes of Twisted are used, since it has no public way: `HTTPChannel._dataBuffer` and `_networkProducer`, and
`FileDescriptor._tempDataBuffer`. `pyproject.toml` bounds Twisted for them, and `tests/web/test_responses.py` holds them to it.
"""

import os
import socket
from collections.abc import Callable

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import ISystemHandle
from twisted.internet.tcp import Connection
from twisted.protocols.policies import ProtocolWrapper
from twisted.web.http import HTTPChannel
from twisted.web.server import Request

from transcoded.plan.policy.relay_strategy import Circumstances, Strategy, choose_strategy
from transcoded.run.reactor import IReactor
from transcoded.run.relay.sinks import ConsumerSink, FlowControl, SendmsgSink, Sink, SpliceSink


def make_last(request: Request) -> None:
    """Make this the last response of its connection: what else the client sends is read and dropped.

    A channel stops reading once a client has pipelined 16 KiB behind a request, and then never learns that the client has
    left. One that drops its input reads on, and notices at once. (HTTP/2 channels have streams instead of a last response.)
    """
    request.setHeader(b"Connection", b"close")
    channel = request.channel
    if not isinstance(channel, HTTPChannel):
        return
    channel.persistent = False
    channel.rawDataReceived = _drop  # type: ignore[method-assign]  # for this one connection, which is ours till it ends
    if sum(map(len, channel._dataBuffer)):  # noqa: SLF001 - there is no public way to look or to empty it
        channel._dataBuffer.clear()  # noqa: SLF001
        channel._networkProducer.resumeProducing()  # noqa: SLF001 - it may have been paused by then


def _drop(data: bytes) -> None:
    pass


async def abort(request: Request) -> None:
    """Break the connection, so that a body that is cut short cannot be taken for a whole one; returns when it is broken."""
    if request.channel is None:
        return
    broken = request.notifyFinish()
    transport = request.channel.transport
    if transport is not None and hasattr(transport, "abortConnection"):
        transport.abortConnection()
    else:
        request.loseConnection()
    try:
        await broken
    except CancelledError:
        raise
    except Exception:  # noqa: BLE001, S110 - the loss of the connection is the aim here, in whatever form it is told
        pass


def way_to(request: Request, reactor: IReactor, wanted: Strategy | None) -> Callable[[FlowControl], Sink]:
    """Send the headers, and make the outlet for the body of this response: the fastest way that works for its connection."""
    request.write(b"")
    plain = socket_of(request)
    transport = getattr(request.channel, "transport", None)
    here = Circumstances(
        plain_socket=isinstance(transport, Connection) and not transport.TLS and _flushed(transport),
        chunked=bool(request.chunked),
        splices=hasattr(os, "splice"),
    )
    strategy = choose_strategy(here, wanted)
    if strategy is Strategy.COPY or not isinstance(plain, socket.socket):
        return lambda flow: ConsumerSink(flow, request)
    if strategy is Strategy.SPLICE:
        return lambda flow: SpliceSink(reactor, flow, request, plain)
    return lambda flow: SendmsgSink(reactor, flow, request, plain, chunked=here.chunked)


def _flushed(transport: Connection) -> bool:
    """Send what is buffered, and tell whether nothing is left: the headers fit into any socket's buffer that is not full."""
    transport.doWrite()
    return not transport.dataBuffer and not transport._tempDataBuffer  # noqa: SLF001 - there is no public way to ask


def socket_of(request: Request) -> object:
    """The socket under a request's connection, through TLS; None if there is none to be had."""
    transport = getattr(request.channel, "transport", None)
    while isinstance(transport, ProtocolWrapper):
        transport = transport.transport
    return transport.getHandle() if ISystemHandle.providedBy(transport) else None
