"""The library for code in the reactor: the same results and errors, but the disk is used in threads alone."""

from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

from tests.run.fakes import StillThreads, result_of
from transcoded.plan.errors import NotFound
from transcoded.run.files.async_library import AsyncLibrary
from transcoded.run.files.library import Library
from transcoded.run.files.sidecars import find_sidecars


@pytest.fixture
def library(tmp_path: Path) -> Library:
    (tmp_path / "a.mkv").write_bytes(b"x")
    (tmp_path / "a.en.srt").write_bytes(b"x")
    return Library({"films": str(tmp_path.resolve())})


def test_each_call_is_made_in_a_thread_and_has_the_result_of_the_library(library: Library) -> None:
    """A call in the reactor's thread would stop all streams while a disk does not answer."""
    threads = StillThreads()
    asynchronous = AsyncLibrary(library, threads)
    file = library.locate("films/a.mkv")
    calls: list[tuple[Deferred[object], object]] = [
        (asynchronous.locate("films/a.mkv").addCallback(lambda found: found), file),
        (asynchronous.locate_first(["films/none.mkv", "films/a.mkv"]).addCallback(lambda found: found), file),
        (asynchronous.sidecars(file).addCallback(lambda found: found), find_sidecars(library, file)),
    ]
    assert len(find_sidecars(library, file)) == 1
    for deferred, expected in calls:
        assert not deferred.called
        threads.step()
        assert result_of(deferred) == expected


def test_its_errors_are_those_of_the_library(library: Library) -> None:
    threads = StillThreads()
    missing = AsyncLibrary(library, threads).locate("films/none.mkv")
    call, deferred = threads.calls.pop()
    with pytest.raises(NotFound) as caught:
        call()
    deferred.errback(caught.value)
    assert isinstance(result_of(missing), NotFound)
