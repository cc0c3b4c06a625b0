"""The description of the API (OpenAPI 3.1), made from the same `Route` values that requests are checked against."""

from collections.abc import Mapping, Sequence

import msgspec
from twisted.web.server import Request

from transcoded.plan.http.access import Access
from transcoded.plan.http.parameters import Parameter
from transcoded.web.answers import JSON, Problem, json_body, sent
from transcoded.web.route import Route, route, routes

# An object of an OpenAPI document. Its values are of many types.
Json = Mapping[str, object]

_REFERENCE = "#/components/schemas/"
_ANY_NAME: Json = {"type": "string", "minLength": 1}


class ApiDocument:
    """The route of the description. `owners` are the objects whose routes are described."""

    def __init__(self, owners: Sequence[object]) -> None:
        self._document = msgspec.json.encode(build([marked for marked, _ in routes(*owners)]))

    @route("/api/openapi.json", access=Access.OPEN, answers=sent(JSON))
    async def document(self, request: Request) -> bytes:
        """This description of the API."""
        return json_body(request, self._document)


def build(marked: Sequence[Route]) -> Json:
    """The OpenAPI document for these routes."""
    kinds = {kind: None for one in marked for kind in (one.answers.kind, one.body) if kind is not None}
    _, components = msgspec.json.schema_components([Problem, *kinds], ref_template=f"{_REFERENCE}{{name}}")
    paths: dict[str, dict[str, Json]] = {}
    for one in marked:
        operations = paths.setdefault(one.template, {})
        for method in one.methods:
            # Every route with GET takes HEAD, so it is not described again.
            if method != "HEAD":
                operations[method.lower()] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "transcoded",
            "version": "1",
            "description": "Live transcoding. A path is the name of a media root and the path of a file below it.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer"},
                "signature": {"type": "apiKey", "in": "query", "name": "signature"},
            },
        },
    }


def _operation(one: Route) -> Json:
    return {
        "summary": one.summary,
        "parameters": [*_placeholders(one), *(_parameter(parameter) for parameter in one.params)],
        **_body(one),
        "responses": {
            "default": {
                "description": "An error",
                "content": {"application/problem+json": {"schema": _reference(Problem)}},
            },
            **_success(one),
        },
        "security": _security(one.access),
    }


def _placeholders(one: Route) -> Sequence[Json]:
    known = {parameter.name: parameter.schema for parameter in one.names}
    return [
        {"name": name, "in": "path", "required": True, "schema": known.get(name, _ANY_NAME)}
        for name in one.placeholders
    ]


def _parameter(parameter: "Parameter[object]") -> Json:
    schema = dict(parameter.schema)
    # Other defaults (a float, None) are not valid texts of the parameter, so the description tells them in words.
    if isinstance(parameter.default, int) or (parameter.default and isinstance(parameter.default, str)):
        schema["default"] = parameter.default
    described: dict[str, object] = {"name": parameter.name, "in": "query", "required": parameter.required}
    if parameter.meaning:
        described["description"] = parameter.meaning
    return {**described, "schema": schema}


def _body(one: Route) -> Json:
    if one.body is not None:
        return {"requestBody": {"required": True, "content": {JSON: {"schema": _reference(one.body)}}}}
    if one.form is None:
        return {}
    form = {"type": "object", "properties": {one.form.name: one.form.schema}, "required": [one.form.name]}
    return {"requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": form}}}}


def _success(one: Route) -> Json:
    answers = one.answers
    schema = {} if answers.kind is None else {"schema": _reference(answers.kind)}
    content = dict.fromkeys(answers.content_types, schema)
    return {
        str(answers.status): {"description": "Done", **({"content": content} if content else {})},
        **{str(status): {"description": meaning} for status, meaning in answers.also.items()},
    }


def _reference(kind: type[msgspec.Struct]) -> Json:
    return {"$ref": f"{_REFERENCE}{kind.__name__}"}


def _security(access: Access) -> Sequence[Json]:
    if access is Access.OPEN:
        return [{}]
    return [{}, {"key": []}, {"signature": []}] if access is Access.PLAY else [{}, {"key": []}]
