"""The way of the bytes: one that does not work for a connection garbles every film on it."""

from itertools import product

import pytest

from transcoded.plan.policy.relay_strategy import Circumstances, Strategy, choose_strategy

HERE = [Circumstances(plain, chunked, splices) for plain, chunked, splices in product([True, False], repeat=3)]


@pytest.mark.parametrize(
    ("here", "expected"),
    [
        (Circumstances(plain_socket=True, chunked=True, splices=True), Strategy.SENDMSG),
        (Circumstances(plain_socket=True, chunked=False, splices=True), Strategy.SPLICE),
        (Circumstances(plain_socket=True, chunked=False, splices=False), Strategy.SENDMSG),
        (Circumstances(plain_socket=False, chunked=True, splices=True), Strategy.COPY),
        (Circumstances(plain_socket=False, chunked=False, splices=True), Strategy.COPY),
    ],
)
def test_the_fastest_that_works_is_taken(here: Circumstances, expected: Strategy) -> None:
    assert choose_strategy(here) is expected


@pytest.mark.parametrize("here", HERE, ids=str)
@pytest.mark.parametrize("wanted", [None, *Strategy])
def test_whatever_the_operator_wants_only_what_works_is_done(here: Circumstances, wanted: Strategy | None) -> None:
    chosen = choose_strategy(here, wanted)
    if chosen is Strategy.SPLICE:
        assert here.splices
        assert not here.chunked, "spliced bytes have no room for the chunks' sizes"
    if chosen is not Strategy.COPY:
        assert here.plain_socket, "bytes past TLS or HTTP/2 would not be understood"
    if wanted is Strategy.COPY:
        assert chosen is Strategy.COPY
