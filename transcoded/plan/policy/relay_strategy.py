"""Which way the bytes take from a transcoder's pipe to a client: a choice from what is known of the connection.

* `SENDMSG`: read into one buffer that all streams share, and send with the chunk's framing in one system call, past
  Twisted's buffers. For HTTP/1.1, where chunks show that a stream was cut short even if the daemon itself is killed.
* `SPLICE`: the kernel moves pages from pipe to socket, and no byte is seen here. There is no room for framing, so it is
  for responses that end with their connection: HTTP/1.0.
* `COPY`: through Twisted's transport. For TLS, HTTP/2, test transports and other systems.
"""

from enum import StrEnum

import attrs


class Strategy(StrEnum):
    """The ways, as the setting `relay` names them."""

    COPY = "copy"
    SENDMSG = "sendmsg"
    SPLICE = "splice"


@attrs.frozen
class Circumstances:
    """What the choice depends on.

    `plain_socket`: the response's bytes go to a stream socket as they are, with nothing left to be sent before them.
    `chunked`: the response has chunk framing. `splices`: this system can splice.
    """

    plain_socket: bool
    chunked: bool
    splices: bool


def choose_strategy(here: Circumstances, wanted: Strategy | None = None) -> Strategy:
    """The best way that works here; `wanted` (a setting) is taken if it works."""
    works = {
        Strategy.COPY: True,
        Strategy.SENDMSG: here.plain_socket,
        Strategy.SPLICE: here.plain_socket and here.splices and not here.chunked,
    }
    preferred = (wanted, Strategy.SPLICE, Strategy.SENDMSG, Strategy.COPY)
    return next(strategy for strategy in preferred if strategy is not None and works[strategy])
