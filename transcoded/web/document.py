"""The API's description (OpenAPI 3.1), made from the routes and the typed values themselves."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from twisted.web.server import Request

from transcoded.plan.endings import Ending
from transcoded.plan.http.access import Access
from transcoded.plan.media.formats import FORMATS
from transcoded.plan.media.params import single
from transcoded.run.files.library import Entry
from transcoded.run.streams.stream import StreamInfo
from transcoded.web.access import SignAnswer, SignRequest
from transcoded.web.app import Route, json_body, query_of, route, routes


class Problem(msgspec.Struct):
    """What every error looks like (RFC 9457)."""

    title: str
    status: int
    detail: str
    request_id: str


class Listing(msgspec.Struct):
    """A directory of the library."""

    path: str
    entries: list[Entry]


class Queued(msgspec.Struct):
    """A request that waits for a place."""

    client: str
    position: int


class Capacity(msgspec.Struct):
    """Units: a transcode takes 2, a copy 1."""

    units: int
    used: int
    waiting: int


class LiveStreams(msgspec.Struct):
    """All live streams."""

    streams: list[StreamInfo]
    queue: list[Queued]
    capacity: Capacity


class Endings(msgspec.Struct):
    """Ended streams, newest first."""

    endings: list[Ending]


class Draining(msgspec.Struct):
    """A drain has begun."""

    draining: bool
    streams: int
    timeout_s: float


_JSON: Mapping[tuple[str, str], type] = {
    ("/api/v1/library/", "GET"): Listing,
    ("/api/v1/library/<media:path>", "GET"): Listing,
    ("/api/v1/streams", "GET"): LiveStreams,
    ("/api/v1/streams", "DELETE"): Endings,
    ("/api/v1/streams/<stream_id>", "GET"): StreamInfo,
    ("/api/v1/streams/<stream_id>", "DELETE"): Ending,
    ("/api/v1/endings", "GET"): Endings,
    ("/api/v1/sign", "POST"): SignAnswer,
    ("/api/v1/drain", "POST"): Draining,
}
_BODIES: Mapping[tuple[str, str], type] = {("/api/v1/sign", "POST"): SignRequest}

_TEXT = {"type": "string"}
_TIME = {"type": "string", "pattern": r"^([0-9]{1,6}(\.[0-9]{1,6})?|[0-9]{1,2}:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,3})?)$"}
_RATE = {"type": "string", "pattern": "^[0-9]{1,6}[kM]?$"}
_QUERIES: Mapping[tuple[str, str], Mapping[str, Mapping[str, Any]]] = {
    ("/media/<media:path>/stream.<name>", "GET"): {
        "start": _TIME,
        "duration": _TIME,
        "height": {"type": "integer", "minimum": 16, "maximum": 8640},
        "video_bitrate": _RATE,
        "audio_bitrate": _RATE,
        "audio": {"type": "integer", "minimum": 0, "maximum": 999},
        "mode": {"type": "string", "enum": ["auto", "copy", "transcode"]},
    },
    ("/media/<media:path>/thumbnail.jpg", "GET"): {
        "time": _TIME,
        "width": {"type": "integer", "minimum": 16, "maximum": 3840},
    },
    ("/api/v1/endings", "GET"): {"limit": {"type": "integer", "minimum": 1, "maximum": 1000}},
    ("/api/v1/streams", "DELETE"): {"path": _TEXT},
}
_REQUIRED = frozenset({("/api/v1/streams", "DELETE", "path")})
_MEDIA_TYPES: Mapping[str, Sequence[str]] = {
    "/media/<media:path>/stream.<name>": sorted(
        {kind.partition(";")[0] for one in FORMATS.values() for kind in (one.content_type, one.audio_content_type)}
    ),
    "/media/<media:path>/probe.json": ["application/json"],
    "/media/<media:path>/master.m3u8": ["application/vnd.apple.mpegurl"],
    "/media/<media:path>/manifest.mpd": ["application/dash+xml"],
    "/media/<media:path>/cmaf/<rendition>/<name>": ["application/vnd.apple.mpegurl", "audio/mp4", "video/mp4"],
    "/media/<media:path>/subtitles/<name>.vtt": ["text/vtt"],
    "/media/<media:path>/thumbnail.jpg": ["image/jpeg"],
    "/api/v1/events": ["text/event-stream"],
    "/metrics": ["text/plain"],
}
_NAMES: Mapping[str, Mapping[str, Any]] = {"stream_format": {"type": "string", "enum": list(FORMATS)}}


class ApiDocument:
    """The route of the document."""

    def __init__(self, owners: Sequence[object]) -> None:
        self._document = build([marked for marked, _ in routes(*owners)])

    @route("/api/openapi.json", access=Access.OPEN)
    async def document(self, request: Request) -> bytes:
        """This description."""
        single(query_of(request), [])
        return json_body(request, self._document)


def build(marked: Sequence[Route]) -> Mapping[str, Any]:
    """The document for these routes."""
    kinds = [Problem, *_JSON.values(), *_BODIES.values()]
    _, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    paths: dict[str, dict[str, Any]] = {}
    for one in marked:
        operations = paths.setdefault(_template(one.url), {})
        for method in one.methods:
            if method != "HEAD":
                operations[method.lower()] = _operation(one, method)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "transcoded",
            "version": "1",
            "description": "Live transcoding. A path is a root's name and the path below it.",
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


def _operation(one: Route, method: str) -> Mapping[str, Any]:
    key = (one.url, method)
    names = re.findall(r"<(?:[a-z]+:)?([a-z_]+)>", one.url)
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": _path_schema(one.url, name)} for name in names
    ]
    parameters += [
        {"name": name, "in": "query", "required": (*key, name) in _REQUIRED, "schema": schema}
        for name, schema in _QUERIES.get(key, {}).items()
    ]
    operation: dict[str, Any] = {
        "summary": one.summary,
        "parameters": parameters,
        "responses": {
            "default": {
                "description": "A problem",
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
            **_success(one, method),
        },
        "security": _security(one.access),
    }
    if key in _BODIES:
        schema = {"$ref": f"#/components/schemas/{_BODIES[key].__name__}"}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _success(one: Route, method: str) -> Mapping[str, Any]:
    kind = _JSON.get((one.url, method))
    if kind is not None:
        content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{kind.__name__}"}}}
        return {"202" if one.url == "/api/v1/drain" else "200": {"description": "Done", "content": content}}
    if one.url in {"/login", "/logout", "/media/<media:path>/cmaf/leave"}:
        return {"204": {"description": "Done"}}
    kinds = _MEDIA_TYPES.get(one.url)
    if kinds is None:
        kinds = ["application/json"] if not one.url.startswith("/media/") else ["*/*"]
    answers: dict[str, Any] = {"200": {"description": "It", "content": {name: {} for name in kinds}}}
    if one.url == "/media/<media:path>":
        answers["206"] = {"description": "A part of it", "content": {"*/*": {}}}
        answers["304"] = {"description": "Not changed"}
    return answers


def _security(access: Access) -> list[Mapping[str, list[str]]]:
    if access is Access.OPEN:
        return [{}]
    return [{}, {"key": []}, {"signature": []}] if access is Access.PLAY else [{}, {"key": []}]


def _path_schema(url: str, name: str) -> Mapping[str, Any]:
    return _NAMES["stream_format"] if url.endswith("/stream.<name>") and name == "name" else {**_TEXT, "minLength": 1}


def _template(url: str) -> str:
    return re.sub(r"<(?:[a-z]+:)?([a-z_]+)>", r"{\1}", url)
