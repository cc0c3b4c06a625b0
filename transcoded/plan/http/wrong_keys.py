"""Limits for wrong keys: by address, and for all addresses together.

They limit what guessing costs the daemon and its log. They do not protect a secret that can be guessed: a right key is never
refused, because behind one proxy a stranger could otherwise lock everybody out. So secrets have at least `MIN_SECRET` characters.
"""

import math

import attrs

from transcoded.plan.http.forwarded import network_of


@attrs.frozen
class Verdict:
    """How a wrong key is answered.

    `wait` is 0 below the limits; else it is the number of seconds until they begin anew. `report`, if it is set, names whose
    limit was reached just now, for one line in the log.
    """

    wait: int = 0
    report: str | None = None


@attrs.define
class WrongKeys:
    """Counts wrong keys in windows of `window` seconds: at most `per_client` of one client, and `total` of all.

    A client is an IPv4 address or an IPv6 network of 64 bits. What is above a client's limit does not count for all. So there
    are at most `total` clients in memory, and at most `total / per_client + 1` reports in each window.
    """

    per_client: int = 10
    total: int = 1000
    window: float = 60.0
    _since: float = -math.inf
    _counts: dict[str, int] = attrs.Factory(dict)
    _counted: int = 0

    def count(self, client: str, now: float) -> Verdict:
        """Count a wrong key of a client. `now` is in seconds of a monotonic clock."""
        if now - self._since >= self.window:
            self._since, self._counts, self._counted = now, {}, 0
        wait = max(1, math.ceil(self.window - (now - self._since)))
        network = network_of(client)
        known = self._counts.get(network, 0)
        if known >= self.per_client:
            # One above the limit says that this was reported.
            self._counts[network] = self.per_client + 1
            return Verdict(wait, network if known == self.per_client else None)
        if self._counted >= self.total:
            first, self._counted = self._counted == self.total, self.total + 1
            return Verdict(wait, "all addresses" if first else None)
        self._counts[network] = known + 1
        self._counted += 1
        return Verdict()
