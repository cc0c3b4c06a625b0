"""A TCP connection as Linux describes it (`struct tcp_info`, linux/tcp.h), and whether its peer is dead or only paused.

If a viewer pauses, the receive window of its connection closes. The kernel then sends window probes, and a live peer
answers each of them, for hours. A dead peer, or a peer on a dead network, answers neither probes nor retransmissions,
and no ACK arrives. `TCP_USER_TIMEOUT` cannot tell the two apart: it would end the connection of the paused viewer.
"""

import struct

import attrs

SILENCE = 15.0
"""Seconds: if no ACK arrives for this time while one is expected, the peer is dead."""

KEEPALIVE = (10, 5, 3)
"""TCP keepalive: seconds without traffic before the first probe, seconds between probes, and number of unanswered
probes. This finds a dead peer, after 25 s, on a connection with nothing to send."""

RTO_MAX_MS = 5000
"""The maximum time between retransmissions, and between window probes (`TCP_RTO_MAX_MS`, Linux 6.15). Without it, the
kernel waits up to two minutes between them, and a dead peer is found only after that."""

_HEAD = struct.Struct("=8B24I")
# After the 32-bit fields: pacing_rate, max_pacing_rate, bytes_acked.
_ACKED = struct.Struct("=3Q")


@attrs.frozen
class TcpInfo:
    """Unanswered retransmissions and window probes, seconds since the last ACK, and acknowledged bytes.

    `bytes_acked` is None if the kernel is too old to report it.
    """

    retransmits: int
    probes: int
    last_ack_s: float
    bytes_acked: int | None = None


def parse(raw: bytes) -> TcpInfo | None:
    """Parse the bytes of getsockopt(TCP_INFO). None if there are too few."""
    if len(raw) < _HEAD.size:
        return None
    fields = _HEAD.unpack_from(raw)
    acked = _ACKED.unpack_from(raw, _HEAD.size)[2] if len(raw) >= _HEAD.size + _ACKED.size else None
    return TcpInfo(retransmits=fields[2], probes=fields[3], last_ack_s=fields[20] / 1000, bytes_acked=acked)


def dead(info: TcpInfo) -> bool:
    """Whether the peer does not answer any more. One unanswered packet is not enough: its answer can be on the way."""
    return info.last_ack_s >= SILENCE and (info.retransmits >= 2 or info.probes >= 2)
