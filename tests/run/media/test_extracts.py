"""Small things made of a file: made once, kept for its version, and a failure is told and not kept."""

from collections.abc import Sequence
from typing import cast

import attrs
import pytest
from twisted.internet.defer import Deferred

from tests.run.fakes import new_file, result_of
from transcoded.plan.errors import NotMedia, TranscodeFailed
from transcoded.run.files.library import MediaFile
from transcoded.run.media.extracts import DEADLINE, Extracts
from transcoded.run.process.commands import Commands
from transcoded.run.segments.cache import SegmentCache


@attrs.frozen
class Status:
    exit_code: int
    stderr_tail: str = "what it said"
    signal: str | None = None


@attrs.frozen
class Output:
    data: bytes
    status: Status


@attrs.define
class Helper:
    """A command that gives this."""

    data: bytes = b"JPEG"
    exit_code: int = 0
    stderr_tail: str = "what it said"
    asked: list[tuple[object, ...]] = attrs.Factory(list)

    async def run(
        self,
        program: str,
        arguments: Sequence[str],
        file: MediaFile,
        deadline: float,
        max_bytes: int,
        permit: object,
        *,
        client: str,
        background: bool,
    ) -> Output:
        self.asked.append((program, arguments, file, deadline, max_bytes))
        return Output(self.data, Status(self.exit_code, self.stderr_tail))


def new(helper: Helper, quota: int = 10_000) -> Extracts:
    return Extracts(cast(Commands, helper), SegmentCache(quota), "/usr/bin/ffmpeg")


def make(extracts: Extracts, name: str = "thumbnail") -> object:
    return result_of(Deferred.fromCoroutine(extracts.make(new_file(), name, ["-i", "x"], 99)))


def test_what_was_made_is_kept_for_this_version_of_the_file_and_this_name() -> None:
    helper = Helper()
    extracts = new(helper)
    assert extracts.kept(new_file(), "thumbnail") is None
    assert make(extracts) == b"JPEG"
    assert helper.asked == [("/usr/bin/ffmpeg", ["-i", "x"], new_file(), DEADLINE, 99)]
    assert extracts.kept(new_file(), "thumbnail") == b"JPEG"
    assert extracts.kept(new_file(), "s0") is None
    file = new_file()
    changed = attrs.evolve(file, version=attrs.evolve(file.version, mtime_ns=file.version.mtime_ns + 1))
    assert extracts.kept(changed, "thumbnail") is None


def test_nothing_is_worth_keeping_too() -> None:
    """A film without a line of subtitles must not cost a process each time."""
    extracts = new(Helper(b""))
    assert make(extracts) == b""
    assert extracts.kept(new_file(), "thumbnail") == b""


@pytest.mark.parametrize("code", [1, 255])
def test_a_failure_is_told_with_what_was_said_and_not_kept(code: int) -> None:
    extracts = new(Helper(b"half a picture", code))
    failed = make(extracts)
    assert isinstance(failed, TranscodeFailed)
    assert failed.stderr_tail == "what it said"
    assert extracts.kept(new_file(), "thumbnail") is None


def test_a_picture_that_takes_too_much_memory_is_the_files_fault() -> None:
    """Not 500: nothing is wrong with the server."""
    assert isinstance(make(new(Helper(b"", 244, "av_malloc: Out of memory"))), NotMedia)
