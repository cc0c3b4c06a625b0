"""Parameters: what the description allows is taken, and what it does not is refused, since both are one schema."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from transcoded.plan.errors import BadParameter
from transcoded.plan.http.parameters import Parameter, any_text, matching, one_of, printable, read_query, whole
from transcoded.plan.media.params import DURATION, START, STREAM_PARAMETERS, TIME, VIDEO_BITRATE, WIDTH

WORD = matching("word", ["[a-z]{2}", "[0-9]+"], "give two letters.", str.upper, "-")
NUMBER = whole("number", 3, 12, None)
CHOICE = one_of("choice", ("yes", "no", "maybe"), "no")
ALL = (WORD, NUMBER, CHOICE, any_text("text", None), *STREAM_PARAMETERS, TIME, WIDTH)


def valid(parameter: "Parameter[object]", text: str) -> bool:
    """Whether a text is what the schema allows, as a validator sees it that was not made here."""
    if parameter.schema["type"] == "integer":
        # In a query a number is its decimal digits.
        return bool(re.fullmatch("[0-9]+", text)) and Draft202012Validator(parameter.schema).is_valid(int(text))
    # Python's `$` also matches before a line's end; that of ECMA-262 does not.
    return Draft202012Validator(parameter.schema).is_valid(text) and not text.endswith("\n")


def allowed(parameter: "Parameter[object]") -> "st.SearchStrategy[str]":
    """Texts that the schema allows."""
    schema = parameter.schema
    if schema["type"] == "integer":
        return st.integers(int(str(schema["minimum"])), int(str(schema["maximum"]))).map(str)
    if "enum" in schema:
        return st.sampled_from(list(schema["enum"]))  # type: ignore[arg-type]  # a list of words
    return st.from_regex(str(schema["pattern"])[1:-1], fullmatch=True) if "pattern" in schema else st.text()


@settings(max_examples=400)
@given(st.sampled_from(ALL), st.data())
def test_what_matches_the_schema_is_taken(parameter: "Parameter[object]", data: st.DataObject) -> None:
    text = data.draw(allowed(parameter))
    assert valid(parameter, text)
    parameter.parse(text)


ANYTHING = (
    st.text(max_size=12) | st.text("0123456789.:kM-+e_\n", max_size=14) | st.floats().map(str) | st.integers().map(str)
)


@settings(max_examples=600)
@given(st.sampled_from(ALL), ANYTHING)
def test_what_does_not_is_refused_with_a_hint(parameter: "Parameter[object]", text: str) -> None:
    if valid(parameter, text):
        parameter.parse(text)
        return
    with pytest.raises(BadParameter) as caught:
        parameter.parse(text)
    assert caught.value.name == parameter.name
    assert caught.value.detail.endswith(parameter.hint)


@pytest.mark.parametrize(
    ("parameter", "taken", "refused"),
    [
        (VIDEO_BITRATE, "1500000 1.5M 800k 10000 500M 0.01m", "1 9999 501M 0.009M 1.5.M 2.M"),
        (START, "0 83.5 1:23.5 00:01:23.500 864000 240:00:00 7. .5", "864001 240:00:01 1:60 -1 . 1:2:3:4"),
        (DURATION, "0.001 .001 0:00.001 1:00 0:1:0", "0 0:00 0.0009 .0 00:00:00"),
        (WIDTH, "16 3840 0320", "15 3841 320.0"),
    ],
    ids=lambda one: one.name if isinstance(one, Parameter) else "",
)
def test_what_players_send(parameter: "Parameter[object]", taken: str, refused: str) -> None:
    assert [text for text in taken.split() if not (valid(parameter, text) and parameter.allows(text))] == []
    assert [text for text in [*refused.split(), "1\n", ""] if valid(parameter, text) or parameter.allows(text)] == []


def test_values_come_by_their_parameter_and_defaults_where_nothing_was_said() -> None:
    values = read_query({"word": ["ab"], "number": ["7"]}, ALL)
    assert (values[WORD], values[NUMBER], values[CHOICE]) == ("AB", 7, "no")


def test_unknown_repeated_and_missing_ones_are_named() -> None:
    required = Parameter("path", {"type": "string"}, "a path.", str, "", required=True)
    for query, name, detail in (
        ({"x": ["1"]}, "x", "x: unknown parameter; allowed here: path."),
        ({"path": ["a", "b"]}, "path", "path: given 2 times; allowed once."),
        ({}, "path", "path: required; a path."),
    ):
        with pytest.raises(BadParameter) as caught:
            read_query(query, [required])
        assert (caught.value.name, caught.value.detail) == (name, detail)
    with pytest.raises(BadParameter, match="no parameters are allowed here"):
        read_query({"x": ["1"]}, [])


def test_ignored_ones_mean_nothing_however_often_they_are_there_unless_the_route_has_them() -> None:
    ignored = {"CMCD": ["a", "b"], "word": ["ab"]}
    values = read_query(ignored, ALL, lambda name: True)
    assert values[WORD] == "AB"
    with pytest.raises(BadParameter, match="given 2 times"):
        read_query({"word": ["ab", "ab"]}, ALL, lambda name: True)
    with pytest.raises(BadParameter, match="unknown parameter"):
        read_query({"CMCD": ["a"], "x": [""]}, ALL, lambda name: name == "CMCD")


@given(st.text())
def test_a_clients_text_in_a_message_is_short_and_visible(text: str) -> None:
    assert printable(text).isprintable()
    assert len(printable(text)) <= 61
