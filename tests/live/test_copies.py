"""Every copy: what is planned as one is made, by each ffmpeg, and decodes completely. Else a client has a 200 and a broken stream."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.copy_sources import (
    SOUNDS,
    SOURCES,
    UNTRIED,
    Track,
    codecs,
    copy_sources,
    decoded,
    make_streams,
    probed,
)
from tests.support.programs import Programs, by_turns
from transcoded.plan.errors import TranscodedError
from transcoded.plan.media.choose import Plan, choose
from transcoded.plan.media.formats import FORMATS
from transcoded.plan.media.packaging import Copy
from transcoded.plan.media.params import Mode, StreamParams

__all__ = ["copy_sources"]

DEMUXERS = {"mp4": "mov", "mkv": "matroska", "webm": "matroska", "ts": "mpegts", "opus": "ogg"}
"""ffmpeg's names, where they are others than ours."""

RUN_UP = 0.15
"""Seconds by which a stream may begin before or after 0: the run-up of a decoder, or frames that are decoded before they are shown."""

IN_STEP = 0.03
"""Seconds by which first frames may be further apart than in the source: the run-up of AAC is a frame, and not all muxers mark it."""


def copies(source: Path, *, cut: bool = False) -> Iterator[tuple[str, Plan]]:
    """What a client can have a copy of: for each format the plan, and for `mode=copy` too if that is another one."""
    media = probed(source)
    for name, output in FORMATS.items():
        seen: list[object] = []
        modes: tuple[Mode, ...] = ("auto",) if cut else ("auto", "copy")
        for mode in modes:
            params = StreamParams(mode=mode, start=0.5 if cut else 0.0, duration=0.5 if cut else None)
            try:
                plan = choose(media, output, params)
            except TranscodedError:
                continue
            actions = [plan.video_action, plan.audio_action]
            if actions not in seen and any(isinstance(action, Copy) for action in actions):
                seen.append(actions)
                yield f"{mode}.{name}", plan


def demuxer(name: str) -> str:
    fmt = name.rpartition(".")[2]
    return DEMUXERS.get(fmt, fmt)


@pytest.fixture(scope="module")
def source(copy_sources: Path, request: pytest.FixtureRequest) -> Path:
    path: Path = copy_sources / request.param
    return path


@pytest.mark.parametrize(("programs", "source"), by_turns([*SOURCES]), indirect=True, scope="module")
def test_every_copy_that_is_planned_is_made(programs: Programs, source: Path, tmp_path: Path) -> None:
    plans = dict(copies(source)) if source.exists() else {}
    if not plans:
        return  # no ffmpeg here makes it, or it is never copied
    assert not complaint(make_streams(programs.ffmpeg, source, plans, tmp_path))
    files = [(tmp_path / name, demuxer(name)) for name in plans]
    (own, *made), problems = decoded([(source, ""), *files])
    assert not problems
    for (name, plan), found in zip(plans.items(), made, strict=True):
        check(name, plan, own, found)
        wanted = {
            stream.codec if isinstance(action, Copy) else action.encoder.codec
            for stream, action in ((plan.video, plan.video_action), (plan.audio, plan.audio_action))
            if stream is not None and action is not None
        }
        assert set(codecs(tmp_path / name, demuxer(name))) == wanted


def complaint(stderr: str) -> str:
    """What ffmpeg says, but for what 5.1 says of TrueHD while it finds out what the file is."""
    known = ("No restart header present in substream", "No samples to output")
    return "\n".join(line for line in stderr.splitlines() if not any(one in line for one in known))


def check(name: str, plan: Plan, own: Mapping[str, Track], found: Mapping[str, Track]) -> None:
    expected = {kind for kind, stream in (("video", plan.video), ("audio", plan.audio)) if stream is not None}
    assert set(found) == expected, name
    for kind, track in found.items():
        # The delay of an encoder, which the header of an MP3 file tells and its packets do not, is up to three frames.
        assert track.length == pytest.approx(own[kind].length, abs=max(0.05, 3 * track.longest)), (name, kind)
    # A transport stream begins somewhere, and leaves room for the frames that are decoded before they are shown.
    assert plan.output.name == "ts" or all(abs(track.start) < RUN_UP for track in found.values()), name
    if len(found) == 2:
        apart = found["video"].start - found["audio"].start
        assert apart == pytest.approx(own["video"].start - own["audio"].start, abs=IN_STEP), name


# A seek in NUT complains, and works.
@pytest.mark.parametrize(
    ("programs", "source"), by_turns([name for name in SOUNDS if name != "aac.nut"]), indirect=True, scope="module"
)
def test_every_part_that_is_copied_has_its_length(programs: Programs, source: Path, tmp_path: Path) -> None:
    planned = copies(source, cut=True) if source.exists() else ()
    plans = {name: plan for name, plan in planned if plan.video is None}
    if not plans:
        return  # no ffmpeg here makes it, or no part of it is copied
    assert not complaint(make_streams(programs.ffmpeg, source, plans, tmp_path))
    made, problems = decoded([(tmp_path / name, demuxer(name)) for name in plans])
    assert not problems
    for name, found in zip(plans, made, strict=True):
        track = found["audio"]
        assert track.length == pytest.approx(0.5, abs=max(0.05, 2 * track.longest)), name


def test_every_codec_that_a_format_holds_has_been_copied_into_it(copy_sources: Path) -> None:
    made: dict[str, set[str]] = {name: set(UNTRIED) for name in FORMATS}
    for name in SOURCES:
        path = copy_sources / name
        for _, plan in copies(path) if path.exists() else ():
            for stream, action in ((plan.video, plan.video_action), (plan.audio, plan.audio_action)):
                if stream is not None and isinstance(action, Copy):
                    made[plan.output.name].add(stream.codec)
    for name, output in FORMATS.items():
        held = output.holds_video | output.holds_audio | output.plays_video | output.plays_audio
        assert held <= made[name], f"{name} can have a copy of {held - made[name]}, and none was tried"
