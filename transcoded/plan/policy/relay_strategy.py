"""How bytes get from a transcoder's pipe to a client: chosen from the properties of the connection.

* `SENDMSG`: bytes are read into one buffer that all streams share, and sent together with the chunk's framing in one
  system call, without Twisted's buffers. For HTTP/1.1: chunks show the client that a stream was cut off, even if the
  daemon was killed.
* `SPLICE`: the kernel moves pages from the pipe to the socket, without copying them into this process. It cannot add
  framing, so it is for responses that end with their connection: HTTP/1.0.
* `COPY`: through Twisted's transport. For TLS, HTTP/2, transports of tests, and other operating systems.
"""

from enum import StrEnum

import attrs


class Strategy(StrEnum):
    """The strategies. The values are those of the setting `relay`."""

    COPY = "copy"
    SENDMSG = "sendmsg"
    SPLICE = "splice"


@attrs.frozen
class Circumstances:
    """What the choice depends on.

    `plain_socket`: the bytes of the response go to a stream socket unchanged, and no earlier bytes wait in a buffer.
    `chunked`: the response has chunk framing. `splices`: this system has splice(2).
    """

    plain_socket: bool
    chunked: bool
    splices: bool


def choose_strategy(circumstances: Circumstances, wanted: Strategy | None = None) -> Strategy:
    """The `wanted` strategy (a setting) if it works under these circumstances, else the fastest one that works."""
    works = {
        Strategy.COPY: True,
        Strategy.SENDMSG: circumstances.plain_socket,
        Strategy.SPLICE: circumstances.plain_socket and circumstances.splices and not circumstances.chunked,
    }
    preferred = (wanted, Strategy.SPLICE, Strategy.SENDMSG, Strategy.COPY)
    return next(strategy for strategy in preferred if strategy is not None and works[strategy])
