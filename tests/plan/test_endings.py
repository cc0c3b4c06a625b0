"""Endings are a contract: journals, dashboards and scripts of operators read these names."""

import msgspec

from transcoded.plan.endings import PROVEN, Ending, Reason

FIELDS = """
    id request_id path format reason exit_code signal signals_sent kill_ms duration_s bytes_sent client started ended
    stderr_tail proof
""".split()
REASONS = """
    finished failed client-gone client-stalled stopped file-released hung expired overload preempted idle superseded
    shutdown
""".split()


def test_the_set_of_reasons_is_closed() -> None:
    assert [reason.value for reason in Reason] == REASONS


def test_an_ending_is_the_same_after_its_way_through_json() -> None:
    ending = Ending(
        id="a",
        request_id="b",
        path="films/é\n.mkv",
        format="mp4",
        reason=Reason.CLIENT_GONE,
        exit_code=None,
        signal="SIGKILL",
        signals_sent=("SIGTERM", "SIGCONT", "SIGKILL"),
        kill_ms=12.5,
        duration_s=3.25,
        bytes_sent=2**40,
        client="::1",
        started="2026-01-01T00:00:00.000Z",
        ended="2026-01-01T00:00:03.250Z",
        stderr_tail="",
    )
    encoded = msgspec.json.encode(ending)
    document = msgspec.json.decode(encoded)
    assert set(FIELDS) <= set(document)
    assert document["reason"] == "client-gone"
    assert document["signals_sent"] == ["SIGTERM", "SIGCONT", "SIGKILL"]
    assert document["proof"] == "proven"
    assert msgspec.json.decode(encoded, type=Ending) == ending


def test_an_ending_that_was_written_before_there_was_a_proof_can_still_be_read() -> None:
    """A daemon that is replaced by its next edition keeps its past."""
    old = (
        b'{"id":"a","request_id":"b","path":"c","format":"mp4","reason":"failed","exit_code":1,"signal":null,'
        b'"signals_sent":[],"kill_ms":null,"duration_s":1.0,"bytes_sent":0,"client":"-","started":"","ended":"",'
        b'"stderr_tail":""}'
    )
    assert msgspec.json.decode(old, type=Ending).proof == PROVEN
