"""The relay strategy: one that does not work for a connection damages each stream on it."""

from itertools import product

import pytest

from transcoded.plan.policy.relay_strategy import Circumstances, Strategy, choose_strategy

ALL = [Circumstances(plain, chunked, splices) for plain, chunked, splices in product([True, False], repeat=3)]


@pytest.mark.parametrize(
    ("circumstances", "expected"),
    [
        (Circumstances(plain_socket=True, chunked=True, splices=True), Strategy.SENDMSG),
        (Circumstances(plain_socket=True, chunked=False, splices=True), Strategy.SPLICE),
        (Circumstances(plain_socket=True, chunked=False, splices=False), Strategy.SENDMSG),
        (Circumstances(plain_socket=False, chunked=True, splices=True), Strategy.COPY),
        (Circumstances(plain_socket=False, chunked=False, splices=True), Strategy.COPY),
    ],
)
def test_the_fastest_strategy_that_works_is_chosen(circumstances: Circumstances, expected: Strategy) -> None:
    assert choose_strategy(circumstances) is expected


@pytest.mark.parametrize("circumstances", ALL, ids=str)
@pytest.mark.parametrize("wanted", [None, *Strategy])
def test_a_setting_is_used_only_if_it_works(circumstances: Circumstances, wanted: Strategy | None) -> None:
    chosen = choose_strategy(circumstances, wanted)
    if chosen is Strategy.SPLICE:
        assert circumstances.splices
        assert not circumstances.chunked, "splice cannot add chunk framing"
    if chosen is not Strategy.COPY:
        assert circumstances.plain_socket, "the client of TLS or HTTP/2 would not understand the bytes"
    if wanted is Strategy.COPY:
        assert chosen is Strategy.COPY
