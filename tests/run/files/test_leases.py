"""Files in use: whoever is told that a file is free moves or deletes it, and must not cut somebody's film by that."""

import pytest

from transcoded.plan.errors import Unavailable
from transcoded.run.files.leases import FileLeases, Lease

FILM = "films/a.mkv"
REAL = "/srv/films/a.mkv"


class Users:
    """Those who hold files; they let go when the test says so."""

    def __init__(self, leases: FileLeases) -> None:
        self._leases = leases
        self.asked: list[str] = []

    def hold(self, path: str = FILM, real_path: str = REAL) -> Lease:
        return self._leases.hold(path, real_path, lambda: self.asked.append(path))


@pytest.fixture
def leases() -> FileLeases:
    return FileLeases()


@pytest.fixture
def users(leases: FileLeases) -> Users:
    return Users(leases)


def test_a_file_is_free_when_the_last_has_let_go(leases: FileLeases, users: Users) -> None:
    holds = [users.hold() for _ in range(3)]
    release = leases.release(FILM, REAL)
    assert users.asked == [FILM] * 3
    for hold in holds:
        assert not release.freed.called
        hold.free()
        hold.free()
    assert release.freed.called
    assert len(leases) == 0


def test_a_file_that_nobody_has_is_free_at_once(leases: FileLeases, users: Users) -> None:
    users.hold("films/b.mkv", "/srv/films/b.mkv")
    assert leases.release(FILM, REAL).freed.called
    assert users.asked == []


def test_a_drain_waits_for_the_last_of_all_and_lets_newcomers_in(leases: FileLeases) -> None:
    empty = leases.when_empty()
    assert empty.called, "nobody has anything"
    first = leases.hold("m/a", "/srv/a", lambda: None)
    empty, another = leases.when_empty(), leases.when_empty()
    second = leases.hold("m/b", "/srv/b", lambda: None)
    first.free()
    assert not empty.called
    second.free()
    assert empty.called
    assert another.called


def test_it_is_kept_free_until_it_was_moved(leases: FileLeases, users: Users) -> None:
    release = leases.release(FILM, REAL)
    with pytest.raises(Unavailable, match="moved or deleted") as caught:
        users.hold()
    assert caught.value.status == 503
    users.hold("films/b.mkv", "/srv/films/b.mkv")
    release.over()
    release.over()
    users.hold()


def test_two_who_want_it_back_both_get_it_and_it_stays_free_for_the_slower(leases: FileLeases, users: Users) -> None:
    hold = users.hold()
    one, two = leases.release(FILM, REAL), leases.release("films", "/srv/films")
    hold.free()
    assert one.freed.called
    assert two.freed.called
    one.over()
    with pytest.raises(Unavailable):
        users.hold()
    two.over()
    users.hold()


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
    leases: FileLeases, users: Users, path: str, real_path: str | None, covered: bool
) -> None:
    hold = users.hold()
    release = leases.release(path, real_path)
    assert users.asked == ([FILM] if covered else [])
    assert release.freed.called is not covered
    hold.free()
    assert release.freed.called


def test_one_that_lets_go_as_soon_as_it_is_asked(leases: FileLeases) -> None:
    holds: list[Lease] = []
    holds.append(leases.hold(FILM, REAL, lambda: holds[0].free()))
    holds.append(leases.hold(FILM, REAL, lambda: holds[1].free()))
    assert leases.release(FILM, REAL).freed.called


def test_who_is_told_may_begin_anew_in_the_same_moment(leases: FileLeases, users: Users) -> None:
    hold = users.hold()
    release = leases.release(FILM, REAL)

    def begin_anew(_: None) -> None:
        release.over()
        users.hold()

    release.freed.addCallback(begin_anew)
    hold.free()
    assert len(leases) == 1
