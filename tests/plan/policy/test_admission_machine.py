"""Admission as a state machine: its rules hold after any sequence of requests, departures and deadlines."""

from collections.abc import Sequence

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.plan.policy.test_admission import leave, ticket
from transcoded.plan.policy.admission import COPY, TRANSCODE, Admission, Answer, Ticket


class AdmissionMachine(RuleBasedStateMachine):
    """Any sequence of requests, departures and deadlines. The limits are small, so that all of them are reached."""

    def __init__(self) -> None:
        super().__init__()
        self.admission = Admission(5, queue_size=4, per_client=3)
        self.now = 0.0
        self.number = 0
        self.inside: dict[int, Ticket] = {}
        self.waiting: dict[int, Ticket] = {}
        self.gone: list[int] = []

    @rule(
        client=st.sampled_from("abcd"),
        slots=st.sampled_from([0, COPY, TRANSCODE, TRANSCODE]),
        patience=st.sampled_from([1.0, 5.0]),
    )
    def ask(self, client: str, slots: int, patience: float) -> None:
        self.number += 1
        one = ticket(self.number, client, slots, self.now + patience)
        mine = [t for t in self.everybody() if t.client == client and t.slots]
        queued = len(self.waiting)
        loads = {other: self.load(other) for other in "abcd"}
        answer, decision = self.admission.ask(one)
        assert not decision.evict
        for displaced in decision.displaced:
            assert answer is Answer.QUEUED
            assert queued == 4
            assert loads[displaced.client] == max(loads[t.client] for t in self.waiting.values()), "another is greedier"
            assert displaced.number == max(n for n, t in self.waiting.items() if t.client == displaced.client)
            assert self.load(client) + TRANSCODE < loads[displaced.client], "it had less"
            assert self.held(displaced.client) or loads[displaced.client] > TRANSCODE, "it was all that the client had"
            self.forget(displaced.number)
        match answer:
            case Answer.GRANTED:
                ahead = [t for t in self.waiting.values() if self.before(t, one)]
                assert not ahead or not slots, "it has overtaken another request"
                self.inside[one.number] = one
            case Answer.QUEUED:
                self.waiting[one.number] = one
            case Answer.FULL:
                assert queued == 4
                for other in {t.client for t in self.waiting.values()}:
                    assert loads[other] <= loads[client] + TRANSCODE, "a client with less is refused"
                    assert loads[client] or sum(t.client == other for t in self.waiting.values()) == 1
                self.gone.append(one.number)
            case Answer.TOO_MANY:
                assert len(mine) == 3
                assert slots
                self.gone.append(one.number)

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        known = [*self.inside, *self.waiting, *self.gone[-3:]]
        if known:
            number = data.draw(st.sampled_from(known))
            self.forget(number)
            self.admit(leave(self.admission, number))
            before = attrs.evolve(
                self.admission, granted=dict(self.admission.granted), queue=list(self.admission.queue)
            )
            assert leave(self.admission, number) == [], "leaving twice grants nothing"
            assert self.admission == before

    @rule(seconds=st.sampled_from([0.5, 1.0, 4.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        late = {t.number for t in self.admission.expired(self.now)}
        assert late == {n for n, one in self.waiting.items() if one.deadline <= self.now}
        for number in late:
            self.forget(number)
        self.admit(self.admission.advance().granted)

    @precondition(lambda self: not self.admission.closed)
    @rule()
    def close(self) -> None:
        self.admission.closed.add("memory is short")

    @precondition(lambda self: self.admission.closed)
    @rule()
    def open(self) -> None:
        self.admission.closed.clear()
        self.admit(self.admission.advance().granted)

    def everybody(self) -> list[Ticket]:
        return [*self.inside.values(), *self.waiting.values()]

    def held(self, client: str) -> int:
        return sum(t.slots for t in self.inside.values() if t.client == client)

    def load(self, client: str) -> int:
        return self.held(client) + TRANSCODE * sum(t.client == client for t in self.waiting.values())

    def before(self, one: Ticket, other: Ticket) -> bool:
        return self.rank(one) < self.rank(other)

    def rank(self, one: Ticket) -> tuple[bool, int, int]:
        return bool(one.slots), self.held(one.client), one.number

    def forget(self, number: int) -> None:
        self.inside.pop(number, None)
        self.waiting.pop(number, None)
        self.gone.append(number)

    def admit(self, granted: Sequence[Ticket]) -> None:
        assert not (granted and self.admission.closed)
        for one in granted:
            del self.waiting[one.number]
            assert all(self.before(one, other) for other in self.waiting.values()), "another request was next"
            self.inside[one.number] = one

    @invariant()
    def never_above_capacity(self) -> None:
        assert self.admission.used == sum(t.slots for t in self.inside.values()) <= 5

    @invariant()
    def the_queue_is_never_too_long(self) -> None:
        assert len(self.admission.queue) <= 4

    @invariant()
    def granted_and_waiting_requests_are_as_answered(self) -> None:
        assert set(self.admission.granted) == set(self.inside)
        assert {t.number for t in self.admission.queue} == set(self.waiting)
        places = sorted(self.admission.position(number) or 0 for number in self.waiting)
        assert places == list(range(1, len(self.waiting) + 1))

    @invariant()
    def no_request_waits_while_it_fits(self) -> None:
        if self.waiting and not self.admission.closed:
            following = min(self.waiting.values(), key=self.rank)
            assert following.slots > 5 - self.admission.used

    @invariant()
    def no_request_is_overtaken_by_a_later_one_of_its_client(self) -> None:
        for one in self.waiting.values():
            later = [t for t in self.inside.values() if t.client == one.client and t.number > one.number and t.slots]
            assert not later, "only a request for no slots is granted out of order"


TestAdmission = AdmissionMachine.TestCase
