"""StreamRegistry and Endings for the tests of routes that only tell of them."""

import attrs

from transcoded.plan.endings import Ending, Reason
from transcoded.run.process.lifecycle import State
from transcoded.run.streams.stream_info import StreamInfo


def new_ending(
    number: str,
    reason: Reason = Reason.FINISHED,
    path: str = "films/a.mkv",
    format_: str = "mp4",
    bytes_sent: int = 7,
    kill_ms: float | None = None,
) -> Ending:
    return Ending(
        id=number,
        request_id="r",
        path=path,
        format=format_,
        reason=reason,
        exit_code=0,
        signal=None,
        signals_sent=(),
        kill_ms=kill_ms,
        duration_s=1.0,
        bytes_sent=bytes_sent,
        client="::1",
        started="2026-01-01T00:00:00.000Z",
        ended="2026-01-01T00:00:01.000Z",
        stderr_tail="",
    )


@attrs.define(eq=False)
class LivingStream:
    """A stream as an observer sees it."""

    id: str
    bytes_sent: int = 0
    uptime: float = 0.25

    def info(self) -> StreamInfo:
        return StreamInfo(
            id=self.id,
            request_id="r",
            path="films/a.mkv",
            format="mp4",
            state=State.RUNNING,
            pid=1234,
            client="::1",
            started="2026-01-01T00:00:00.000Z",
            uptime_s=self.uptime,
            bytes_sent=self.bytes_sent,
            position_s=None,
            speed=1.5,
            fps=None,
            cpu_percent=50.0,
            rss_bytes=1000,
            backpressured=False,
            action="copy",
            why="it fits",
            engine=None,
        )
