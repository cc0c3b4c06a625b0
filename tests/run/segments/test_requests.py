"""Who waits for what: everybody who asks for the same gets the same, once, and who leaves is forgotten."""

from twisted.internet.defer import CancelledError

from tests.run.fakes import Machine, result_of
from transcoded.run.reactor import as_reactor
from transcoded.run.segments.requests import INIT, Requester, Requests

ANNE, BERT = Requester("192.0.2.1", "a"), Requester("192.0.2.2", "b")


def new_requests(machine: Machine) -> tuple[Requests, list[str]]:
    left: list[str] = []
    return Requests(as_reactor(machine), lambda: left.append("left")), left


def test_all_who_ask_for_the_same_get_the_same(machine: Machine) -> None:
    requests, left = new_requests(machine)
    waiting = [requests.wait(3, ANNE), requests.wait(3, BERT)]
    assert requests
    requests.answer(3, b"three")
    assert not requests, "what was answered is not waited for, though it is told in a later turn"
    machine.advance(0)
    assert [result_of(one) for one in waiting] == [b"three"] * 2
    assert left == []


def test_the_last_who_asked_is_the_one_who_counts(machine: Machine) -> None:
    requests, _ = new_requests(machine)
    for number, requester in ((3, ANNE), (7, ANNE), (3, BERT)):
        requests.wait(number, requester).addErrback(lambda _: None)
    assert requests.segments == {3, 7}
    assert (requests.latest, requests.requester) == (3, BERT)
    requests.wait(INIT, ANNE).addErrback(lambda _: None)
    assert (requests.latest, requests.requester) == (3, ANNE), "the init segment is at no place of the file"
    requests.fail_all(ValueError("no"))
    machine.advance(0)


def test_who_leaves_is_forgotten_when_nobody_else_waits_for_the_same(machine: Machine) -> None:
    requests, left = new_requests(machine)
    first, second = requests.wait(3, ANNE), requests.wait(3, BERT)
    first.cancel()
    assert isinstance(result_of(first), CancelledError)
    assert requests
    assert left == []
    second.cancel()
    assert isinstance(result_of(second), CancelledError)
    assert not requests
    assert left == ["left"]


def test_some_may_fail_and_the_others_go_on_waiting(machine: Machine) -> None:
    requests, _ = new_requests(machine)
    absent, there = requests.wait(3, ANNE), requests.wait(4, ANNE)
    requests.fail({3, 99}, ValueError("absent"))
    machine.advance(0)
    assert isinstance(result_of(absent), ValueError)
    assert requests.segments == {4}
    requests.answer(4, b"four")
    machine.advance(0)
    assert result_of(there) == b"four"
