"""What a setting may be: one parser for text and typed values. tests/test_config.py has the tables of what each one takes."""

from collections.abc import Callable, Mapping

from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan import setting_parsers as parsers

PARSERS: Mapping[str, Callable[[object], object]] = {
    "seconds": parsers.seconds(0, 3600),
    "whole": parsers.whole(0, 19),
    "or_off": parsers.or_off(parsers.size),
    "size_or_off": parsers.size_or_off,
    "unset_or": parsers.unset_or(parsers.io_class),
    "fraction": parsers.fraction,
    "strategy": parsers.strategy,
    "key": parsers.key,
    "proxy": parsers.proxy,
    "secret": parsers.secret,
    "origin": parsers.origin,
    "host": parsers.host,
    "url": parsers.url,
    "sandbox": parsers.or_off(parsers.sandbox),
    "flag": parsers.flag,
    "not_empty": parsers.not_empty,
    "path_or_off": parsers.path_or_off,
    "words": parsers.words,
    "several": parsers.several(parsers.not_empty, least=1),
}

ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.binary(max_size=8),
    st.text(),
    st.text("0123456789.eKMG-", max_size=6),
    st.sampled_from(
        [
            "off",
            "NEVER",
            "idle",
            "auto",
            "bwrap",
            "copy",
            "unix",
            "10.0.0.0/8",
            "*",
            "https://example.org",
            "*.a.B:1",
            "a 'b c'",
        ]
    ),
    st.text(min_size=16),
    st.lists(st.text()),
    st.lists(st.text()).map(tuple),
    st.dictionaries(st.text(), st.text(), max_size=2),
)


def attempt(parse: Callable[[object], object], value: object) -> tuple[object, str | None]:
    """The value, or None and what is wrong."""
    try:
        return parse(value), None
    except ValueError as error:
        return None, str(error)


@given(ANYTHING)
def test_anything_is_a_value_that_stays_what_it_is_or_an_error_of_one_kind(value: object) -> None:
    """attrs.evolve gives every value back to its parser: one that changed or was refused then could not be evolved."""
    for name, parse in PARSERS.items():
        result, problem = attempt(parse, value)
        assert problem != "", name
        if problem is None:
            again = parse(result)
            assert (again, type(again)) == (result, type(result)), name
            hash(result)


SECRET = "hidden-secret"


@given(st.text(max_size=5), st.text(max_size=5), st.sampled_from([str, str.encode, lambda text: [text]]))
def test_no_error_repeats_a_secret(before: str, after: str, kind: Callable[[str], object]) -> None:
    """It would stand in the log of the service manager for everybody who may read that."""
    for parse in (parsers.key, parsers.secret, parsers.url):
        for one in (parse, parsers.several(parse)):
            _, problem = attempt(one, kind(before + SECRET + after))
            assert SECRET not in (problem or "")
