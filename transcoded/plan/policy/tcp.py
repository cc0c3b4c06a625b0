"""What Linux knows of a TCP connection (`struct tcp_info`, linux/tcp.h), and how a dead peer differs from a paused one.

A viewer who has paused closes the receive window. The kernel then sends window probes, and a live peer answers each of them,
for hours. A peer behind a dead network answers nothing: probes or retransmissions go unanswered, and the last ACK grows old.
`TCP_USER_TIMEOUT` cannot tell the two apart and would cut the paused viewer.
"""

import struct

import attrs

SILENCE = 15.0
"""Seconds without an ACK, while something is due to be acknowledged, after which a peer is dead."""

KEEPALIVE = (10, 5, 3)
"""Seconds of silence before the first keepalive probe, seconds between them, and how many may go unanswered: for the third
case, a connection on which nothing is due. Together 25 s."""

RTO_MAX_MS = 5000
"""The longest pause between retransmissions and between window probes (`TCP_RTO_MAX_MS`, Linux 6.15); without it the kernel
backs off to two minutes, and silence means nothing for as long."""

_HEAD = struct.Struct("=8B24I")
# Behind the 32-bit fields: pacing_rate, max_pacing_rate, bytes_acked.
_ACKED = struct.Struct("=3Q")


@attrs.frozen
class TcpInfo:
    """Counts of unanswered retransmissions and window probes, seconds since the last ACK, bytes acknowledged so far."""

    retransmits: int
    probes: int
    last_ack_s: float
    bytes_acked: int | None = None


def parse(raw: bytes) -> TcpInfo | None:
    """From the bytes that getsockopt gives; None if there are too few."""
    if len(raw) < _HEAD.size:
        return None
    fields = _HEAD.unpack_from(raw)
    acked = _ACKED.unpack_from(raw, _HEAD.size)[2] if len(raw) >= _HEAD.size + _ACKED.size else None
    return TcpInfo(retransmits=fields[2], probes=fields[3], last_ack_s=fields[20] / 1000, bytes_acked=acked)


def dead(info: TcpInfo) -> bool:
    """Whether nobody answers any more. One unanswered packet is none: it may be on its way."""
    return info.last_ack_s >= SILENCE and (info.retransmits >= 2 or info.probes >= 2)
