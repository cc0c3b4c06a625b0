"""Parameters of a route: a name, and a schema that is both what the API's description says and what is checked.

The schema is a small part of JSON Schema 2020-12: an integer with bounds, or a text with a pattern, an enumeration or a
least length. A text that passes it can always be converted, so there is no second check that could differ.
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
    """One parameter. `hint` completes "… is not allowed; ", `meaning` is a line for the API's description.

    `default` is the value where the parameter is absent; one that is `required` has none to give.
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
            least, most = cast(int, self.schema["minimum"]), cast(int, self.schema["maximum"])
            return _WHOLE.fullmatch(text) is not None and least <= int(text) <= most
        if "enum" in self.schema:
            return text in cast(Sequence[str], self.schema["enum"])
        if "pattern" in self.schema and not re.fullmatch(str(self.schema["pattern"])[1:-1], text):
            return False
        return len(text) >= cast(int, self.schema.get("minLength", 0))

    def read(self, text: str) -> T:
        """The value of a text; raises `BadParameter`."""
        if not self.allows(text):
            raise BadParameter(self.name, f"{printable(text)!r} is not allowed; {self.hint}")
        return self.convert(text)


def whole(name: str, least: int, most: int, default: D, meaning: str = "") -> Parameter[int | D]:
    """A decimal whole number from `least` to `most`."""
    return Parameter(
        name=name,
        schema={"type": "integer", "minimum": least, "maximum": most},
        hint=f"give a whole number from {least} to {most}.",
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
    """A text that matches one of these patterns (ECMA-262, without anchors) as a whole."""
    schema: Schema = {"type": "string", "pattern": f"^{any_of(list(patterns))}$"}
    return Parameter(name, schema, hint, convert, default, meaning)


def any_text(name: str, default: D, meaning: str = "") -> Parameter[str | D]:
    """Any text."""
    return Parameter(name, {"type": "string"}, "give a text.", str, default, meaning)


class Values:
    """The values of a request's parameters, by parameter."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def __getitem__(self, parameter: Parameter[T]) -> T:
        """The value of a parameter of the route, or its default."""
        return cast(T, self._values.get(parameter.name, parameter.default))


def read_query(query: Mapping[str, Sequence[str]], parameters: "Sequence[Parameter[Any]]") -> Values:
    """The values of a query, each name with all its texts.

    Raises `BadParameter` for a name that is not known, one that comes twice, a text that is not allowed, and a required
    parameter that is missing. (`Any`: parameters of all types stand in one list.)
    """
    known = {parameter.name: parameter for parameter in parameters}
    for name, texts in query.items():
        if name not in known:
            what = f"allowed here: {', '.join(known)}." if known else "no parameters are allowed here."
            raise BadParameter(printable(name), f"unknown parameter; {what}")
        if len(texts) != 1:
            raise BadParameter(name, f"given {len(texts)} times; allowed once.")
    for parameter in parameters:
        if parameter.required and parameter.name not in query:
            raise BadParameter(parameter.name, f"required; {parameter.hint}")
    return Values({name: known[name].read(texts[0]) for name, texts in query.items()})


def printable(value: str) -> str:
    """A client's text as it may stand in a message: short, and without characters that cannot be seen."""
    return "".join(c if c.isprintable() else "�" for c in value[:60]) + ("…" if len(value) > 60 else "")
