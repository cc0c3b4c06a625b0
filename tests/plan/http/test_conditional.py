"""Conditions and ranges: a wrong answer gives a resumed download two halves of different films."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transcoded.plan.errors import RangeNotSatisfiable
from transcoded.plan.http.conditional import ByteRange, Validators, Verdict, evaluate_conditions, requested_range

CHANGED = 784_111_777  # Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110
NOW = Validators.of("abc", CHANGED * 10**9 + 999_999_999)
BEFORE, SAME, AFTER = "Sun, 06 Nov 1994 08:49:36 GMT", "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:38 GMT"
SERVE, NOT_MODIFIED, FAILED = Verdict.SERVE, Verdict.NOT_MODIFIED, Verdict.PRECONDITION_FAILED


def headers(**fields: str) -> Callable[[str], str | None]:
    return {name.replace("_", "-"): value for name, value in fields.items()}.get


def test_validators_are_written_as_headers() -> None:
    assert NOW.etag == '"abc"'
    assert NOW.modified == datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
    assert NOW.last_modified == SAME


@pytest.mark.parametrize("seconds", [-(2**40), -1, 0, 2**31, 2**34, 2**40, 2**60])
def test_a_file_from_any_year_can_be_served(seconds: int) -> None:
    """A damaged file system tells of the year 36812; the film is as good as ever."""
    assert Validators.of("x", seconds * 10**9).last_modified.endswith(" GMT")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, SERVE),
        ({"If_None_Match": '"abc"'}, NOT_MODIFIED),
        ({"If_None_Match": 'W/"abc"'}, NOT_MODIFIED),
        ({"If_None_Match": '"x", W/"y" ,"abc"'}, NOT_MODIFIED),
        ({"If_None_Match": "*"}, NOT_MODIFIED),
        ({"If_None_Match": '"x"'}, SERVE),
        ({"If_None_Match": "abc"}, SERVE),
        ({"If_None_Match": ""}, SERVE),
        ({"If_Modified_Since": SAME}, NOT_MODIFIED),
        ({"If_Modified_Since": AFTER}, NOT_MODIFIED),
        ({"If_Modified_Since": BEFORE}, SERVE),
        ({"If_Modified_Since": "Sunday, 06-Nov-94 08:49:37 GMT"}, NOT_MODIFIED),
        ({"If_Modified_Since": "Sun Nov  6 08:49:37 1994"}, NOT_MODIFIED),
        ({"If_Modified_Since": "yesterday"}, SERVE),
        # RFC 9110, 13.1.3: ignored beside If-None-Match.
        ({"If_None_Match": '"x"', "If_Modified_Since": AFTER}, SERVE),
        ({"If_Match": '"abc"'}, SERVE),
        ({"If_Match": "*"}, SERVE),
        ({"If_Match": '"x"'}, FAILED),
        # RFC 9110, 13.1.1: compared strongly.
        ({"If_Match": 'W/"abc"'}, FAILED),
        ({"If_Unmodified_Since": SAME}, SERVE),
        ({"If_Unmodified_Since": BEFORE}, FAILED),
        ({"If_Unmodified_Since": "never"}, SERVE),
        # RFC 9110, 13.1.4: ignored beside If-Match.
        ({"If_Match": '"abc"', "If_Unmodified_Since": BEFORE}, SERVE),
        ({"If_Match": '"x"', "If_None_Match": '"abc"'}, FAILED),
        ({"If_Match": '"abc"', "If_None_Match": '"abc"'}, NOT_MODIFIED),
    ],
    ids=lambda value: ", ".join(f"{name}: {text}" for name, text in value.items()) if isinstance(value, dict) else "",
)
def test_conditions(fields: dict[str, str], expected: Verdict) -> None:
    assert evaluate_conditions(headers(**fields), NOW) is expected


WHOLE = ByteRange(0, 100)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-99", (0, 100)),
        ("bytes=10-19", (10, 10)),
        ("bytes=10-", (10, 90)),
        ("bytes=90-1000", (90, 10)),
        ("bytes=-1", (99, 1)),
        ("bytes=-1000", (0, 100)),
        ("Bytes= 5-6 ", (5, 2)),
    ],
)
def test_a_range_is_the_bytes_that_were_asked_for(wanted: str, expected: tuple[int, int]) -> None:
    part = requested_range(headers(Range=wanted), NOW, 100)
    assert part == ByteRange(*expected, partial=True)
    assert part.content_range(100) == f"bytes {part.first}-{part.first + part.length - 1}/100"


def test_what_is_no_single_range_of_bytes_is_answered_with_the_whole() -> None:
    for wanted in (
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=1-2,4-5",
        "lines=1-2",
        "bytes=5-2",
        "bytes=--5",
    ):
        assert requested_range(headers(Range=wanted), NOW, 100) == WHOLE, wanted
    assert requested_range(headers(), NOW, 100) == WHOLE
    assert requested_range(headers(), NOW, 0) == ByteRange(0, 0)


@pytest.mark.parametrize(
    ("wanted", "size"), [("bytes=100-", 100), ("bytes=500-600", 100), ("bytes=-0", 100), ("bytes=0-", 0)]
)
def test_a_range_that_is_not_there_is_refused_with_the_size(wanted: str, size: int) -> None:
    with pytest.raises(RangeNotSatisfiable) as caught:
        requested_range(headers(Range=wanted), NOW, size)
    assert caught.value.size == size


@pytest.mark.parametrize(
    ("condition", "partial"),
    [('"abc"', True), (SAME, True), ('"x"', False), ('W/"abc"', False), (BEFORE, False), (AFTER, False), ("x", False)],
)
def test_a_download_is_resumed_only_of_the_very_same_file(condition: str, partial: bool) -> None:
    assert requested_range(headers(Range="bytes=10-", If_Range=condition), NOW, 100).partial is partial


field_values = (
    st.text(max_size=30)
    | st.text('0123456789-,=bytes "W/*', max_size=30)
    | st.from_regex(
        r"(Mon|Sun), [0-9]{1,3} (Jan|Feb|xyz) [0-9]{1,25} [0-9:]{1,12} (GMT|[+-][0-9]{1,25})", fullmatch=True
    )
    | st.builds("bytes={}-{}".format, st.integers(0, 200) | st.just(""), st.integers(0, 200) | st.just(""))
)


@given(
    st.dictionaries(
        st.sampled_from(["Range", "If_Range", "If_Match", "If_None_Match", "If_Modified_Since", "If_Unmodified_Since"]),
        field_values,
    ),
    st.integers(0, 200),
)
@example({"If_Modified_Since": "Mon, 01 Jan 99999999999 00:00:00 GMT"}, 1)
@example({"If_Unmodified_Since": "Mon, 01 Jan 2020 00:00:00 +99999999999999999999"}, 1)
@example({"Range": "bytes=0-", "If_Range": "Mon, 01 Jan 2020 00:00:99999999999999999999 GMT"}, 1)
def test_any_header_gives_bytes_of_the_file_or_a_clean_refusal(fields: dict[str, str], size: int) -> None:
    assert evaluate_conditions(headers(**fields), NOW) in Verdict
    try:
        part = requested_range(headers(**fields), NOW, size)
    except RangeNotSatisfiable:
        assert "Range" in fields
        return
    assert part.partial or part == ByteRange(0, size)
    assert 0 <= part.first <= part.first + part.length <= size
    assert part.length or not part.partial
