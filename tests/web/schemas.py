"""Responses, and whether they are what the API's description says."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import msgspec
from jsonschema import Draft202012Validator

from transcoded.web.answers import JSON, Problem
from transcoded.web.document import build
from transcoded.web.route import Route


@attrs.frozen
class Answer:
    """A whole response; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body's document."""
        return msgspec.json.decode(self.body)

    def problem(self, status: int) -> Any:
        """The problem document, checked for what every one must have."""
        assert self.status == status, self
        assert self.headers["content-type"] == "application/problem+json"
        assert self.json["status"] == status
        assert self.json["title"]
        assert self.json["detail"]
        assert self.json["request_id"] == self.headers["x-request-id"]
        return self.json


class Schemas:
    """The schemas of the JSON that these routes answer."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._components: Any = build(routes)["components"]
        self._kinds = [
            (re.compile("(?s:.+)".join(map(re.escape, re.split("<[a-z_:]+>", one.url)))), one.methods, one.answers.kind)
            for one in routes
            if one.answers.kind is not None
        ]

    def check(self, method: str, path: str, answer: Answer) -> None:
        """Fails if the body is not what is described. (A file of the library that is JSON has an entity tag.)"""
        content_type = answer.headers.get("content-type")
        if content_type == "application/problem+json":
            self._validate(Problem, answer)
        elif content_type == JSON and "etag" not in answer.headers:
            for pattern, methods, kind in self._kinds:
                if method in methods and pattern.fullmatch(path.partition("?")[0]):
                    self._validate(kind, answer)
                    break

    def _validate(self, kind: type[msgspec.Struct], answer: Answer) -> None:
        schema = {"$ref": f"#/components/schemas/{kind.__name__}", "components": self._components}
        Draft202012Validator(schema).validate(answer.json)
