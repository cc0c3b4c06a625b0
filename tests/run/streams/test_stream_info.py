"""The values that describe a stream, in the form that the API promises."""

from datetime import UTC, datetime, timedelta, timezone

from transcoded.run.streams.stream_info import rfc3339


def test_times_are_in_utc_with_milliseconds_wherever_they_come_from() -> None:
    """Programs sort them as text, so all must have the same form."""
    noon = datetime(2026, 1, 2, 12, 0, 0, 4_999, tzinfo=UTC)
    assert rfc3339(noon) == "2026-01-02T12:00:00.004Z"
    assert rfc3339(noon.astimezone(timezone(timedelta(hours=5)))) == rfc3339(noon)
    assert rfc3339(noon.replace(microsecond=0)) == "2026-01-02T12:00:00.000Z"
