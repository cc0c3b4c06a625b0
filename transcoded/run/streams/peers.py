"""The TCP connections of the responses: configured so that a dead peer is noticed, and checked at each tick."""

import socket
from collections.abc import Callable
from contextlib import suppress

from transcoded.plan.policy.tcp import KEEPALIVE, RTO_MAX_MS, TcpInfo, dead, parse

_TCP_RTO_MAX_MS = 44
"""The number of this option in newer kernels; Python has no name for it."""

_TCP_INFO_SIZE = 232
"""Bytes of `struct tcp_info` that are read."""


class Peer:
    """A watched connection, from `Peers.watch` until `forget`. `gone` is called if its peer is dead."""

    def __init__(self, handle: socket.socket, gone: Callable[[], object], forget: "Callable[[Peer], None]") -> None:
        self._socket = handle
        self.gone = gone
        self._forget = forget

    def info(self) -> TcpInfo | None:
        """The state of the connection in the kernel; None if it is closed."""
        try:
            return parse(self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_SIZE))
        except OSError:
            return None

    def forget(self) -> None:
        """Stop watching it. May be repeated."""
        self._forget(self)


class Peers:
    """All watched connections."""

    def __init__(self) -> None:
        self._watched: set[Peer] = set()

    def watch(self, handle: object, gone: Callable[[], object]) -> Peer | None:
        """Watch a transport's socket, and call `gone` once if its peer is dead. None if it is no TCP socket, or not on Linux."""
        if (
            not isinstance(handle, socket.socket)
            or handle.family not in {socket.AF_INET, socket.AF_INET6}
            or not hasattr(socket, "TCP_INFO")
        ):
            return None
        idle, interval, count = KEEPALIVE
        for level, option, value in (
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
            (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle),
            (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, interval),
            (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, count),
            (socket.IPPROTO_TCP, _TCP_RTO_MAX_MS, RTO_MAX_MS),
        ):
            with suppress(OSError):  # an older kernel does not have this option
                handle.setsockopt(level, option, value)
        peer = Peer(handle, gone, self._watched.discard)
        self._watched.add(peer)
        return peer

    def tick(self, elapsed: float) -> None:
        """A task of the ticker: call `gone` of the connections whose peer is dead."""
        for peer in list(self._watched):
            info = peer.info()
            if info is not None and dead(info):
                peer.forget()
                peer.gone()
