"""Who waits for what: everybody who asks for the same gets the same, once, and who leaves is forgotten."""

from twisted.internet.defer import CancelledError

from tests.run.fakes import Machine, result_of
from transcoded.run.reactor import as_reactor
from transcoded.run.segments.requests import INIT, Requester, Requests

ANNE, BERT = Requester("192.0.2.1", "a", "anne"), Requester("192.0.2.2", "b", "bert")


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


def test_of_each_client_the_latest_request_counts(machine: Machine) -> None:
    requests, _ = new_requests(machine)
    again = Requester(ANNE.client, "c", ANNE.unit)
    for number, requester in ((3, ANNE), (7, ANNE), (3, BERT), (5, ANNE), (3, again)):
        requests.wait(number, requester).addErrback(lambda _: None)
    assert requests.segments == {3, 5, 7}
    assert requests.by_unit == {"anne": {3, 5, 7}, "bert": {3}}
    assert requests.clients == ["anne", "bert"]
    assert (requests.start_for("anne"), requests.requester("anne")) == (3, again)
    assert (requests.start_for("bert"), requests.requester("bert")) == (3, BERT)
    requests.fail_all(ValueError("no"))
    machine.advance(0)


def test_of_segments_that_follow_each_other_the_first_one_is_the_start(machine: Machine) -> None:
    requests, _ = new_requests(machine)
    for number in (INIT, 0, 1, 9, 5, 6, 7):
        requests.wait(number, ANNE).addErrback(lambda _: None)
    assert requests.start_for("anne") == 5
    requests.wait(1, ANNE).addErrback(lambda _: None)
    assert requests.start_for("anne") == 0
    requests.fail_all(ValueError("no"))
    machine.advance(0)


def test_the_init_segment_is_at_no_place_of_the_file(machine: Machine) -> None:
    requests, _ = new_requests(machine)
    requests.wait(INIT, ANNE).addErrback(lambda _: None)
    assert requests.clients == ["anne"]
    assert requests.start_for("anne") is None
    requests.wait(3, BERT).addErrback(lambda _: None)
    assert requests.clients == ["bert"], "an encoder at his place makes it, too"
    requests.fail_all(ValueError("no"))
    machine.advance(0)


def test_what_fails_for_one_client_does_not_fail_for_another(machine: Machine) -> None:
    requests, _ = new_requests(machine)
    anne, bert = requests.wait(3, ANNE), requests.wait(3, BERT)
    requests.fail_client("anne", ValueError("no"))
    machine.advance(0)
    assert isinstance(result_of(anne), ValueError)
    requests.answer(3, b"three")
    machine.advance(0)
    assert result_of(bert) == b"three"


def test_who_leaves_is_forgotten_when_he_waits_no_more_for_the_same(machine: Machine) -> None:
    requests, left = new_requests(machine)
    first, second = requests.wait(3, ANNE), requests.wait(3, ANNE)
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
