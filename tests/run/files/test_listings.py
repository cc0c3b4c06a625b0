"""Listings: a folder that takes long, or a disk that hangs, keeps nobody else from listing, and nobody from playing."""

from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

from tests.run.fakes import Machine, StillThreads, result_of
from transcoded.plan.errors import NotFound
from transcoded.run.files.complaints import Complaints
from transcoded.run.files.folders import Folders
from transcoded.run.files.library import Library
from transcoded.run.files.listings import AT_ONCE, PER_CLIENT, Listings
from transcoded.run.reactor import as_reactor


@pytest.fixture
def library(tmp_path: Path) -> Library:
    for name in "ab":
        (tmp_path / f"{name}.mkv").touch()
    return Library({"films": str(tmp_path)})


@pytest.fixture
def complaints() -> Complaints:
    return Complaints(lambda: 0.0)


def test_a_page_is_read_in_a_thread(machine: Machine, library: Library, complaints: Complaints) -> None:
    threads = StillThreads()
    page = Deferred.fromCoroutine(Listings(as_reactor(machine), Folders(library), complaints, threads).page("films", 1))
    assert not page.called
    threads.step()
    assert result_of(page) == Folders(library).page("films", 1)


def test_slow_listings_of_one_client_leave_threads_for_the_others(
    machine: Machine, library: Library, complaints: Complaints
) -> None:
    threads = StillThreads()
    listings = Listings(as_reactor(machine), Folders(library), complaints, threads)
    greedy = [Deferred.fromCoroutine(listings.page("films", 1, client="greedy")) for _ in range(100)]
    modest = Deferred.fromCoroutine(listings.page("films", 2, client="modest"))
    assert len(threads.calls) == PER_CLIENT + 1 <= AT_ONCE
    call, deferred = threads.calls.pop()
    deferred.callback(call())
    assert [entry.name for entry in result_of(modest).entries] == ["a.mkv", "b.mkv"]
    for one in greedy:
        one.addErrback(lambda _: None)
        one.cancel()


def test_what_is_no_directory_is_told(machine: Machine, library: Library, complaints: Complaints) -> None:
    threads = StillThreads()
    page = Deferred.fromCoroutine(
        Listings(as_reactor(machine), Folders(library), complaints, threads).page("films/none", 1)
    )
    call, deferred = threads.calls.pop()
    with pytest.raises(NotFound) as caught:
        call()
    deferred.errback(caught.value)
    assert isinstance(result_of(page), NotFound)
