"""Places for short work: who waits gets one in his turn, is refused, or is forgotten; and no place is lost."""

import pytest
from twisted.internet.defer import CancelledError, Deferred

from tests.run.fakes import Machine, result_of
from transcoded.plan.errors import Unavailable
from transcoded.run.places import FairPlaces, Place
from transcoded.run.reactor import as_reactor


@pytest.fixture
def places(machine: Machine) -> FairPlaces:
    """One place, and two that wait."""
    return FairPlaces(as_reactor(machine), 1, 1, queue_size=2, queue_per_client=2)


def inside(asked: "Deferred[Place]") -> Place:
    found = result_of(asked)
    assert isinstance(found, Place), found
    return found


def test_a_place_is_given_on_in_a_later_turn_and_given_back_once(machine: Machine, places: FairPlaces) -> None:
    first, second, third = places.ask("a"), places.ask("a"), places.ask("b")
    place = inside(first)
    place.release()
    place.release()
    assert not second.called, "nobody starts from within another one's end"
    machine.advance(0)
    with pytest.raises(ZeroDivisionError), inside(second):
        raise ZeroDivisionError
    machine.advance(0)
    inside(third).release()
    assert places.running == 0
    assert machine.timers == []


def test_who_leaves_between_the_grant_and_its_delivery_has_given_it_back(machine: Machine, places: FairPlaces) -> None:
    first, second, third = places.ask("a"), places.ask("b"), places.ask("c")
    inside(first).release()
    second.cancel()
    assert isinstance(result_of(second), CancelledError)
    machine.advance(0)
    inside(third).release()
    assert places.running == 0


def test_a_thousand_requests_of_one_client_keep_nobody_out(machine: Machine, places: FairPlaces) -> None:
    first = places.ask("greedy")
    asked = [places.ask("greedy") for _ in range(1000)]
    refused = [one for one in asked if one.called]
    assert len(refused) == 998
    problems = [result_of(one) for one in refused]
    assert all(isinstance(problem, Unavailable) and "Retry-After" in problem.headers for problem in problems)
    modest = places.ask("modest")
    machine.advance(0)
    assert isinstance(result_of(asked[1]), Unavailable), "its newest gives way"
    inside(first).release()
    machine.advance(0)
    inside(asked[0]).release()
    machine.advance(0)
    inside(modest).release()
    assert places.running == 0
    assert machine.timers == []
