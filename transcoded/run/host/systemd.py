"""Telling systemd how the daemon stands (sd_notify(3)): one datagram to the socket that the environment names."""

import os
import socket
from contextlib import suppress


class Notifier:
    """Tells it, if there is somebody to tell; `watchdog` is for each health tick."""

    def __init__(self, address: str | None = None) -> None:
        self._address = address if address is not None else os.environ.get("NOTIFY_SOCKET", "")
        self._watchdog = bool(os.environ.get("WATCHDOG_USEC"))

    def ready(self) -> None:
        """It serves."""
        self._send(b"READY=1\nSTATUS=serving")

    def stopping(self) -> None:
        """It is on its way out."""
        self._send(b"STOPPING=1\nSTATUS=ending all streams")

    def draining(self) -> None:
        """It takes nothing new."""
        self._send(b"STATUS=draining")

    def watchdog(self, elapsed: float) -> None:
        """The reactor turns."""
        if self._watchdog:
            self._send(b"WATCHDOG=1")

    def _send(self, state: bytes) -> None:
        if not self._address:
            return
        # A name that begins with @ is in the abstract name space.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
            to.setblocking(False)
            to.sendto(state, address)
