"""The daemon of the live tests, and its clips."""

from tests.live.conftest import _quick_starts, clips, daemon, hostile, programs, root, shared_daemon

__all__ = ["_quick_starts", "clips", "daemon", "hostile", "programs", "root", "shared_daemon"]
