"""Arguments for the ffmpeg that makes one sheet of a storyboard. A tile shows the keyframe at or before its time.

* Where there is not much between two tiles, the file is read through from the first tile of the sheet to the last, and its keyframes
  are decoded. So is a file whose clock begins anew: no seek finds a time in it.
* Else each tile is an input of its own, which begins at the keyframe and ends behind it. In a file without an index it begins some
  seconds before its tile, and reads on to it.
* A tile without a picture is black. It costs only itself.
* Everything runs in one thread where ffmpeg lets us: what somebody watches comes first.
"""

from collections.abc import Sequence

import attrs

from transcoded.plan.media.argv import Options, input_argv, prologue
from transcoded.plan.media.capabilities import Capabilities
from transcoded.plan.media.colors import reshaped
from transcoded.plan.media.picture import decoding_argv, graph_argv, picture_filters
from transcoded.plan.media.probe import Media, VideoStream
from transcoded.plan.media.storyboard import Storyboard
from transcoded.plan.media.timeline.landing import GUESS, MARGIN, is_indexed

LEAD = GUESS + MARGIN
"""Seconds before a time from which on a file without an index is read: a usual group of pictures."""

REORDER_LEAD = 3 / 23
"""Seconds by which ffmpeg seeks earlier than it was told, in files whose frames are reordered and whose demuxer seeks by decode
times: it guesses how much earlier these are. Here the keyframe at the very time is wanted."""

_SEEKS_BY_DISPLAY = frozenset({"mov"})
"""Demuxers that seek by the times of display, so that ffmpeg needs no guess."""

_LATE = 0.002
"""Seconds by which a keyframe may be behind the time of its tile: rounding."""

_HOLD_RATE = 25


def storyboard_argv(
    media: Media, board: Storyboard, sheet: int, path: str, options: Options | None = None
) -> list[str]:
    """One JPEG on stdout: a sheet, with the tiles that are before the end of the file, and black where there are none."""
    options = options or Options()
    able = _tone_mapper(board.stream, options.capabilities)
    times = [tile * board.interval for tile in board.of_sheet(sheet)]
    inputs, graph = (_through if board.through else _apart)(media, board, times, path, able)
    return [
        *prologue(),
        *("-filter_complex_threads", "1"),
        *inputs,
        *graph,
        *("-an", "-sn", "-dn", "-frames:v", "1", "-fps_mode", "passthrough"),
        *("-c:v", "mjpeg", "-q:v", "4", "-threads", "1", "-f", "mjpeg", "pipe:1"),
    ]


def _through(
    media: Media, board: Storyboard, times: Sequence[int], path: str, able: Capabilities
) -> tuple[Sequence[str], Sequence[str]]:
    """One input that is read from before the first tile to the last."""
    place = 0.0 if media.restarts else max(0.0, times[0] - LEAD)
    clock = () if media.restarts else _clock(media)
    hold = (
        f"tpad=stop=-1:stop_mode=clone,fps=fps=1/{board.interval}:round=up:start_time={max(0.0, times[0] + _LATE):.6f}"
    )
    picture = picture_filters(board.stream, (hold,), board.width, board.height, able, jpeg=True)
    tiled = f"{picture},trim=end_frame={len(times)},tile=layout={board.columns}x{board.rows}:color=black"
    return _input(path, place, able, (*clock, *_KEYFRAMES)), graph_argv(board.stream, tiled)


def _apart(
    media: Media, board: Storyboard, times: Sequence[int], path: str, able: Capabilities
) -> tuple[Sequence[str], Sequence[str]]:
    """An input for each tile."""
    indexed = is_indexed(media)
    early = board.stream.reorder and _SEEKS_BY_DISPLAY.isdisjoint(media.container.split(","))
    inputs: list[str] = []
    chains: list[str] = []
    for number, time in enumerate(times):
        if indexed:
            place = time + _LATE / 2 + (REORDER_LEAD if early else 0.0) if time else 0.0
            # The first frames may be older than the keyframe, and impossible to decode. Where pictures are refreshed bit by bit, there is none.
            inputs += _input(path, place, able, ("-noaccurate_seek",))
            timing = ("select=key+gte(n\\,15)", "trim=end_frame=1")
        else:
            inputs += _input(path, max(0.0, time - LEAD), able, (*_clock(media), *_KEYFRAMES))
            hold = f"tpad=stop=-1:stop_mode=clone,fps=fps={_HOLD_RATE}:start_time={time:.6f}"
            timing = (hold, "trim=end_frame=1")
        picture = picture_filters(board.stream, timing, board.width, board.height, able, jpeg=True)
        # If there is no frame, one that is black.
        filled = "setpts=N,tpad=stop=1:stop_mode=add:color=black,trim=end_frame=1,setpts=0"
        chains.append(f"[{number}:{board.stream.index}]{picture},{filled}[t{number}]")
    return inputs, ("-filter_complex", ";".join([*chains, _stacked(board, len(times))]), "-map", "[v]")


def _stacked(board: Storyboard, number: int) -> str:
    """The filters that put so many tiles into a sheet."""
    tiles = "".join(f"[t{tile}]" for tile in range(number))
    whole = f"pad=w={board.columns * board.width}:h={board.rows * board.height}:x=0:y=0:color=black"
    if number == 1:
        return f"{tiles}{whole}[v]"
    places = "|".join(
        f"{tile % board.columns * board.width}_{tile // board.columns * board.height}" for tile in range(number)
    )
    return f"{tiles}xstack=inputs={number}:layout={places}:fill=black,{whole}[v]"


_KEYFRAMES = ("-skip_frame:v", "nokey", "-noaccurate_seek")


def _clock(media: Media) -> Sequence[str]:
    """Times count from the container's start."""
    return ("-copyts", "-itsoffset", f"{0.000_001 - media.start_time:.6f}")


def _input(path: str, place: float, able: Capabilities, options: Sequence[str]) -> Sequence[str]:
    """One input, read from a place in seconds on. One thread: each further one keeps a frame of its own."""
    return ("-threads", "1", *options, *decoding_argv(able), *input_argv(path, start=place))


def _tone_mapper(stream: VideoStream, capabilities: Capabilities) -> Capabilities:
    """Zscale where it will do. Each libplacebo opens the graphics card anew, and there is one for each tile."""
    if reshaped(stream) or not {"zscale", "tonemap"} <= capabilities.filters:
        return capabilities
    return attrs.evolve(capabilities, tone_mapping="zscale")
