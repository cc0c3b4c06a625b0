"""Messages to systemd about the state of the daemon (sd_notify(3)): datagrams to the socket that the environment names."""

import os
import socket
from contextlib import suppress


class Notifier:
    """Sends them if there is a service manager. `address` is the socket's, else `NOTIFY_SOCKET` says it."""

    def __init__(self, address: str | None = None) -> None:
        self._address = address if address is not None else os.environ.get("NOTIFY_SOCKET", "")
        self._watchdog = bool(os.environ.get("WATCHDOG_USEC"))

    def ready(self) -> None:
        """Say that the daemon serves: systemd waits for this at the start."""
        self._send(b"READY=1\nSTATUS=serving")

    def stopping(self) -> None:
        """Say that the daemon is stopping."""
        self._send(b"STOPPING=1\nSTATUS=ending all streams")

    def draining(self) -> None:
        """Say that the daemon accepts no new streams."""
        self._send(b"STATUS=draining")

    def watchdog(self, elapsed: float) -> None:
        """Say that the reactor runs, as a tick. Without this systemd kills a daemon that has a watchdog."""
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
