"""Files in use: whoever is told that a file is free moves or deletes it, and must not cut somebody's film by that."""

import pytest

from tests.run.fakes import Machine, new_leases
from transcoded.plan.errors import Unavailable
from transcoded.run.files.leases import FileLeases, FileRelease, Lease

FILM = "films/a.mkv"
REAL = "/srv/films/a.mkv"


class Users:
    """Those who have leases; they release them when the test says so."""

    def __init__(self, leases: FileLeases) -> None:
        self._leases = leases
        self.asked: list[str] = []

    def take(self, path: str = FILM, real_path: str = REAL) -> Lease:
        return self._leases.take(path, real_path, lambda: self.asked.append(path))


@pytest.fixture
def leases(machine: Machine) -> FileLeases:
    return new_leases(machine)


def free(machine: Machine, release: FileRelease) -> bool:
    """Whether who waits for a file is told by now that it is free."""
    waiting = release.when_free()
    machine.turn()
    if waiting.called:
        return True
    waiting.addErrback(lambda _: None)
    waiting.cancel()
    return False


@pytest.fixture
def users(leases: FileLeases) -> Users:
    return Users(leases)


def test_a_file_is_free_when_the_last_has_let_go(machine: Machine, leases: FileLeases, users: Users) -> None:
    taken = [users.take() for _ in range(3)]
    release = leases.release_file(FILM, REAL)
    assert users.asked == [FILM] * 3
    for lease in taken:
        assert not free(machine, release)
        lease.release()
        lease.release()
    assert free(machine, release)
    assert len(leases) == 0


def test_a_file_that_nobody_has_is_free_at_once(machine: Machine, leases: FileLeases, users: Users) -> None:
    users.take("films/b.mkv", "/srv/films/b.mkv")
    assert free(machine, leases.release_file(FILM, REAL))
    assert users.asked == []


def test_a_drain_waits_for_the_last_of_all_and_lets_newcomers_in(machine: Machine, leases: FileLeases) -> None:
    empty = leases.when_empty()
    machine.turn()
    assert empty.called, "nobody has anything"
    first = leases.take("m/a", "/srv/a", lambda: None)
    empty, another = leases.when_empty(), leases.when_empty()
    second = leases.take("m/b", "/srv/b", lambda: None)
    first.release()
    machine.turn()
    assert not empty.called
    second.release()
    machine.turn()
    assert empty.called
    assert another.called


def test_it_is_kept_free_until_it_was_moved(leases: FileLeases, users: Users) -> None:
    release = leases.release_file(FILM, REAL)
    with pytest.raises(Unavailable, match="moved or deleted") as caught:
        users.take()
    assert caught.value.status == 503
    users.take("films/b.mkv", "/srv/films/b.mkv")
    release.readmit()
    release.readmit()
    users.take()


def test_two_who_want_it_back_both_get_it_and_it_stays_free_for_the_slower(
    machine: Machine, leases: FileLeases, users: Users
) -> None:
    lease = users.take()
    one, two = leases.release_file(FILM, REAL), leases.release_file("films", "/srv/films")
    lease.release()
    assert free(machine, one)
    assert free(machine, two)
    one.readmit()
    with pytest.raises(Unavailable):
        users.take()
    two.readmit()
    users.take()


@pytest.mark.parametrize(
    ("path", "real_path", "covered"),
    [
        pytest.param("films", "/srv/films", True, id="the directory"),
        pytest.param("films/", "/srv/films/", True, id="with a slash"),
        pytest.param("links/a.mkv", REAL, True, id="another name of the same file"),
        pytest.param("mount", "/srv", True, id="a root above it"),
        pytest.param(FILM, None, True, id="a file that is not there any more"),
        pytest.param("films/a", "/srv/films/a", False, id="a name that begins alike"),
        pytest.param("film", "/srv/film", False, id="a directory that begins alike"),
        pytest.param("films/a.mkv/x", "/srv/films/a.mkv/x", False, id="something below it"),
        pytest.param("films/b.mkv", None, False, id="another that is not there"),
    ],
)
def test_what_is_meant_by_a_path(
    machine: Machine, leases: FileLeases, users: Users, path: str, real_path: str | None, covered: bool
) -> None:
    lease = users.take()
    release = leases.release_file(path, real_path)
    assert users.asked == ([FILM] if covered else [])
    assert free(machine, release) is not covered
    lease.release()
    assert free(machine, release)


def test_one_that_lets_go_as_soon_as_it_is_asked(machine: Machine, leases: FileLeases) -> None:
    taken: list[Lease] = []
    taken.append(leases.take(FILM, REAL, lambda: taken[0].release()))
    taken.append(leases.take(FILM, REAL, lambda: taken[1].release()))
    assert free(machine, leases.release_file(FILM, REAL))


def test_who_is_told_may_begin_anew_in_the_same_moment(machine: Machine, leases: FileLeases, users: Users) -> None:
    lease = users.take()
    release = leases.release_file(FILM, REAL)

    def begin_anew(_: None) -> None:
        release.readmit()
        users.take()

    release.when_free().addCallback(begin_anew)
    lease.release()
    machine.turn()
    assert len(leases) == 1


def test_a_lease_is_released_with_its_block_whatever_happens_in_it(leases: FileLeases) -> None:
    with pytest.raises(ZeroDivisionError), leases.take(FILM, REAL, lambda: None):
        assert len(leases) == 1
        raise ZeroDivisionError
    assert len(leases) == 0
