"""Parameters of routes. Each has a schema, which requests are checked against and which the API's description contains.

The schema uses a small part of JSON Schema 2020-12: an integer with bounds, or a string with a pattern, an enumeration or a
minimum length. Every text that the schema allows can be converted, so there is no second check that could differ from it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar, cast

import attrs

from transcoded.plan.errors import BadParameter
from transcoded.plan.http.patterns import any_of

T = TypeVar("T")
D = TypeVar("D")
Schema = Mapping[str, str | int | Sequence[str]]

_WHOLE = re.compile("[0-9]{1,18}")


@attrs.frozen
class Parameter(Generic[T]):
    """One parameter. `hint` completes the message "… is not allowed; ", `meaning` is for the API's description.

    `convert` makes the value from an allowed text. `default` is the value if the parameter is absent; it is not used if the
    parameter is `required`.
    """

    name: str
    schema: Schema
    hint: str
    convert: Callable[[str], T]
    default: T
    meaning: str = ""
    required: bool = False

    def allows(self, text: str) -> bool:
        """Whether the schema allows this text."""
        if self.schema["type"] == "integer":
            minimum, maximum = cast(int, self.schema["minimum"]), cast(int, self.schema["maximum"])
            return _WHOLE.fullmatch(text) is not None and minimum <= int(text) <= maximum
        if "enum" in self.schema:
            return text in cast(Sequence[str], self.schema["enum"])
        if "pattern" in self.schema and not re.fullmatch(str(self.schema["pattern"])[1:-1], text):
            return False
        return len(text) >= cast(int, self.schema.get("minLength", 0))

    def parse(self, text: str) -> T:
        """The value of a text. Raises `BadParameter`."""
        if not self.allows(text):
            raise BadParameter(self.name, f"{printable(text)!r} is not allowed; {self.hint}")
        return self.convert(text)


def whole(name: str, minimum: int, maximum: int, default: D, meaning: str = "") -> Parameter[int | D]:
    """A whole number from `minimum` to `maximum`, in decimal digits."""
    return Parameter(
        name=name,
        schema={"type": "integer", "minimum": minimum, "maximum": maximum},
        hint=f"give a whole number from {minimum} to {maximum}.",
        convert=int,
        default=default,
        meaning=meaning,
    )


def one_of(name: str, values: Sequence[str], default: str = "", meaning: str = "") -> Parameter[str]:
    """One of these words."""
    hint = f"give {', '.join(values[:-1])} or {values[-1]}."
    return Parameter(name, {"type": "string", "enum": tuple(values)}, hint, str, default, meaning)


def matching(
    name: str, patterns: Sequence[str], hint: str, convert: Callable[[str], T], default: T, meaning: str = ""
) -> Parameter[T]:
    """A text that as a whole matches one of these patterns (ECMA-262, without anchors)."""
    schema: Schema = {"type": "string", "pattern": f"^{any_of(list(patterns))}$"}
    return Parameter(name, schema, hint, convert, default, meaning)


def any_text(name: str, default: D, meaning: str = "") -> Parameter[str | D]:
    """Any text."""
    return Parameter(name, {"type": "string"}, "give a text.", str, default, meaning)


class Values:
    """The values of the parameters of a request. `values[HEIGHT]` has the type of the parameter."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def __getitem__(self, parameter: Parameter[T]) -> T:
        """The value of a parameter of the route, or its default."""
        return cast(T, self._values.get(parameter.name, parameter.default))


def read_query(
    query: Mapping[str, Sequence[str]],
    parameters: "Sequence[Parameter[Any]]",
    ignores: Callable[[str], bool] = lambda _: False,
) -> Values:
    """Check and convert a query. `query` has for each name all its texts, `parameters` are those of the route.

    `ignores` says which other names may be there and mean nothing.

    Raises `BadParameter` for an unknown name, a repeated one, a text that is not allowed, and a missing required parameter.
    (`Any`: parameters of different types are in one list.)
    """
    known = {parameter.name: parameter for parameter in parameters}
    query = {name: texts for name, texts in query.items() if name in known or not ignores(name)}
    for name, texts in query.items():
        if name not in known:
            what = f"allowed here: {', '.join(known)}." if known else "no parameters are allowed here."
            raise BadParameter(printable(name), f"unknown parameter; {what}")
        if len(texts) != 1:
            raise BadParameter(name, f"given {len(texts)} times; allowed once.")
    for parameter in parameters:
        if parameter.required and parameter.name not in query:
            raise BadParameter(parameter.name, f"required; {parameter.hint}")
    return Values({name: known[name].parse(texts[0]) for name, texts in query.items()})


def printable(value: str) -> str:
    """A client's text for use in a message: at most 60 characters, and `�` for each that cannot be printed."""
    return "".join(c if c.isprintable() else "�" for c in value[:60]) + ("…" if len(value) > 60 else "")
