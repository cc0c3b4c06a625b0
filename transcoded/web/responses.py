"""Tools for streamed responses: notice that a client leaves, break a response that fails, and find the fastest sink.

Three private attributes of Twisted are used, because it has no public ones for this: `HTTPChannel._dataBuffer`,
`HTTPChannel._networkProducer` and `FileDescriptor._tempDataBuffer`. `pyproject.toml` limits the versions of Twisted for that
reason, and `tests/web/test_responses.py` checks that the attributes exist.
"""

import os
import socket
from collections.abc import Callable

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import ISystemHandle
from twisted.internet.tcp import Connection
from twisted.web.http import HTTPChannel
from twisted.web.server import Request

from transcoded.plan.policy.relay_strategy import Circumstances, Strategy, choose_strategy
from transcoded.run.reactor import IReactor
from transcoded.run.relay.sinks import ConsumerSink, FlowControl, SendmsgSink, Sink, SpliceSink
from transcoded.web.request import broken_by_us, lowest_transport


def make_last(request: Request) -> None:
    """Make this the last response of its connection. Whatever else the client sends is read and dropped.

    Twisted's channel stops reading when a client has sent 16 KiB behind a request, and then it never notices that the client
    closes the connection. A channel that reads on and drops its input notices at once. HTTP/2 has no last response, so
    nothing is done there.
    """
    request.setHeader(b"Connection", b"close")
    channel = request.channel
    if not isinstance(channel, HTTPChannel):
        return
    channel.persistent = False
    channel.rawDataReceived = _drop  # type: ignore[method-assign]  # replaced on this one connection only
    if sum(map(len, channel._dataBuffer)):  # noqa: SLF001 - no public way to see or to empty it
        channel._dataBuffer.clear()  # noqa: SLF001
        channel._networkProducer.resumeProducing()  # noqa: SLF001 - the full buffer may have paused it


def _drop(data: bytes) -> None:
    pass


async def abort(request: Request, status: int) -> None:
    """Break the connection, so that a client cannot take an incomplete body for a complete one. Returns when it is broken.

    The request is logged with `status`: that of the error, which the client can no longer be told, or `CLIENT_LEFT`.
    """
    if request.channel is None:
        return
    broken_by_us(request, status)
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
    except Exception:  # noqa: BLE001, S110 - the errback is the expected result: the connection is lost
        pass


def sink_factory(request: Request, reactor: IReactor, wanted: Strategy | None) -> Callable[[FlowControl], Sink]:
    """Send the headers; returns a function that makes the sink for the body: the fastest that works for this connection.

    `wanted` is the strategy of the settings; None: choose.
    """
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
    """Send what is buffered. True if nothing is left; only then may a sink write to the socket directly."""
    transport.doWrite()
    return not transport.dataBuffer and not transport._tempDataBuffer  # noqa: SLF001 - no public way to see it


def socket_of(request: Request) -> object:
    """The socket of a request's connection, also below TLS; None if it has none."""
    transport = lowest_transport(request.channel)
    return transport.getHandle() if ISystemHandle.providedBy(transport) else None
