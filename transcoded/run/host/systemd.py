"""Tells systemd the state of the daemon (sd_notify(3)): datagrams to the socket that the environment names."""

import os
import socket
from contextlib import suppress


class Notifier:
    """Sends the messages; does nothing without a service manager. `address`: the socket; by default that of `NOTIFY_SOCKET`."""

    def __init__(self, address: str | None = None) -> None:
        self._address = address if address is not None else os.environ.get("NOTIFY_SOCKET", "")
        self._watchdog = bool(os.environ.get("WATCHDOG_USEC"))

    def ready(self) -> None:
        """The daemon serves. systemd waits for this at the start."""
        self._send(b"READY=1\nSTATUS=serving")

    def stopping(self) -> None:
        """The daemon is stopping."""
        self._send(b"STOPPING=1\nSTATUS=ending all streams")

    def draining(self) -> None:
        """The daemon accepts no new streams."""
        self._send(b"STATUS=draining")

    def watchdog(self, elapsed: float) -> None:
        """The reactor runs. A task of the ticker: without it systemd kills a daemon for which `WatchdogSec` is set."""
        if self._watchdog:
            self._send(b"WATCHDOG=1")

    def _send(self, state: bytes) -> None:
        if not self._address:
            return
        # A name that begins with @ is in the abstract namespace (unix(7)).
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
            to.setblocking(False)
            to.sendto(state, address)
