"""The values that describe a stream: what it is for, and its current state."""

from datetime import UTC, datetime

import attrs
import msgspec

from transcoded.plan.media.capabilities import EngineName
from transcoded.plan.media.hardware import Hardware
from transcoded.run.process.lifecycle import State
from transcoded.run.relay.pipes import BIG


@attrs.frozen
class StreamSpec:
    """What a stream is for.

    `path` and `format` are as in the API, `real_path` is the file on disk, `start_s` the position in the file at which the
    stream begins, in seconds. `client` and `request_id` say who requested it, `why` the reason for `action`. A `hasty` stream
    gets only `HASTY_GRACE` seconds to end: nobody needs what it would still write. `muxer` is ffmpeg's name of the output's
    container if the stream begins at its first byte of media; None: at its first byte, as for one that is cut into segments.
    `pipe` is the size in bytes of the pipe of its output: what a process still writes when it is paused. `background`: it gets what others leave of the CPU.
    `engine` is what encodes its video; None: nothing does. `hardware` is how it gets at hardware; None: it does not.
    """

    path: str
    format: str
    client: str
    request_id: str
    real_path: str = ""
    start_s: float = 0.0
    action: str = "transcode"
    why: str = ""
    hasty: bool = False
    muxer: str | None = None
    pipe: int = BIG
    background: bool = False
    engine: EngineName | None = None
    hardware: Hardware | None = None


class StreamInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a live stream, as in the API.

    Units: seconds, bytes, percent of one core. A value is None where it is not known (yet).
    """

    id: str
    request_id: str
    path: str
    format: str
    state: State
    pid: int | None
    client: str
    started: str
    uptime_s: float
    bytes_sent: int
    position_s: float | None
    speed: float | None
    fps: float | None
    cpu_percent: float | None
    rss_bytes: int | None
    backpressured: bool
    action: str
    why: str
    engine: str | None


def rfc3339(moment: datetime) -> str:
    """A time as in the API: RFC 3339, in UTC, with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
