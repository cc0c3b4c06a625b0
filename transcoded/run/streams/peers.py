"""The TCP connections under the responses: set up so that a dead peer shows, and asked what the kernel knows of them."""

import socket
from collections.abc import Callable
from contextlib import suppress

from transcoded.plan.policy.tcp import KEEPALIVE, RTO_MAX_MS, TcpInfo, dead, parse

_TCP_RTO_MAX_MS = 44
_TCP_INFO_SIZE = 232


class Peer:
    """One watched connection, from `Peers.watch` until `forget`."""

    def __init__(self, handle: socket.socket, gone: Callable[[], object], forget: "Callable[[Peer], None]") -> None:
        self._socket = handle
        self.gone = gone
        self._forget = forget

    def info(self) -> TcpInfo | None:
        """What the kernel knows now; None if the connection is no more."""
        try:
            return parse(self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_SIZE))
        except OSError:
            return None

    def forget(self) -> None:
        """Watch it no more. May be repeated."""
        self._forget(self)


class Peers:
    """All watched connections."""

    def __init__(self) -> None:
        self._watched: set[Peer] = set()

    def watch(self, handle: object, gone: Callable[[], object]) -> Peer | None:
        """Set up a transport's handle, and call `gone` once its peer is dead; None if it is no TCP socket, or not on Linux."""
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
            with suppress(OSError):  # older kernels know fewer of them
                handle.setsockopt(level, option, value)
        peer = Peer(handle, gone, self._watched.discard)
        self._watched.add(peer)
        return peer

    def tick(self, elapsed: float) -> None:
        """Look at each, and tell of those whose peer is dead."""
        for peer in list(self._watched):
            info = peer.info()
            if info is not None and dead(info):
                peer.forget()
                peer.gone()
