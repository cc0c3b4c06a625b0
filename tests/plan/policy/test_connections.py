"""Too many connections: who must go. A wrong choice cuts a film, or lets one client shut out all others."""

from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.policy.connections import ConnectionTable, Entry


def test_a_client_with_too_many_loses_the_one_that_has_waited_longest() -> None:
    table: ConnectionTable[int] = ConnectionTable(10, 2)
    assert table.enter(1, "other") == Entry(admitted=True)
    assert table.enter(2, "a") == Entry(admitted=True)
    assert table.enter(3, "a") == Entry(admitted=True)
    table.works(2)
    assert table.enter(4, "a") == Entry(admitted=True, evicted=3)
    table.waits(2)
    assert table.enter(5, "a") == Entry(admitted=True, evicted=4)
    assert table.enter(6, "a") == Entry(admitted=True, evicted=2)
    table.works(5)
    table.works(6)
    assert table.enter(7, "a") == Entry(admitted=False)
    assert table.enter(8, "b") == Entry(admitted=True)
    table.leave(5)
    assert table.enter(9, "a") == Entry(admitted=True)


def test_if_there_are_too_many_in_all_the_one_goes_that_has_waited_longest() -> None:
    table: ConnectionTable[int] = ConnectionTable(2, None)
    table.enter(1, "a")
    table.enter(2, None)
    assert table.enter(3, "b") == Entry(admitted=True, evicted=1)
    table.works(2)
    table.works(3)
    assert table.enter(4, "b") == Entry(admitted=False)
    assert len(table) == 2


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["enter", "waits", "works", "leave"]), st.integers(0, 9), st.sampled_from([None, "a", "b"])
        )
    )
)
def test_the_limits_hold_and_no_answer_is_cut(steps: list[tuple[str, int, str | None]]) -> None:
    table: ConnectionTable[int] = ConnectionTable(5, 3)
    clients: dict[int, str | None] = {}
    working: set[int] = set()
    for step, number, client in steps:
        if step == "enter" and number not in clients:
            entry = table.enter(number, client)
            if entry.evicted is not None:
                assert entry.evicted not in working
                del clients[entry.evicted]
            if entry.admitted:
                clients[number] = client
            else:
                assert len(working) >= 3
        elif step != "enter":
            getattr(table, step)(number)
            if step == "leave":
                clients.pop(number, None)
            (working.add if step == "works" and number in clients else working.discard)(number)
        assert len(table) == len(clients) <= 5
        assert max(list(clients.values()).count("a"), list(clients.values()).count("b")) <= 3
    for number in range(10):
        table.leave(number)
    empty: ConnectionTable[int] = ConnectionTable(5, 3)
    assert vars(table) == vars(empty), "something is kept of connections that are gone"
