"""The page's types of the API's values agree with the daemon: else the type checker would approve of a field that is not there."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.browser.conftest import HERE
from tests.support.daemon import LiveDaemon

SOURCE = (HERE.parents[1] / "transcoded/web/static/api-types.js").read_text("utf-8")
PROPERTY = re.compile(r"@property \{(.+)\} (?:\[(\w+)\]|(\w+))")
JSON_TYPES = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
LISTED = ("Entry", "Listing", "StreamInfo", "Queued", "Capacity", "LiveStreams", "Ending", "Endings")


def fields(name: str) -> Mapping[str, str]:
    """The properties of a type in api-types.js, each with its own type."""
    (block,) = [block for block in SOURCE.split("/**") if f"@typedef {{object}} {name}\n" in block]
    return {optional or required: kind for kind, optional, required in PROPERTY.findall(block)}


def union(name: str) -> set[str]:
    """The texts of a type that is one of several texts."""
    (found,) = re.findall(rf"@typedef \{{([^}}]+)\}} {name}\n", SOURCE)
    return set(re.findall(r'"([^"]+)"', found))


def described(schema: Mapping[str, Any]) -> str:
    """A JSON schema as a type of TypeScript."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " | ".join(described(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(f'"{value}"' for value in schema["enum"])
    if schema["type"] == "array":
        return f"{described(schema['items'])}[]"
    return JSON_TYPES[schema["type"]]


@pytest.fixture
def schemas(daemon: LiveDaemon) -> Mapping[str, Any]:
    found: Mapping[str, Any] = daemon.request("GET", "/api/openapi.json").json()["components"]["schemas"]
    return found


@pytest.mark.parametrize("name", LISTED)
def test_a_type_has_the_fields_that_the_daemon_describes(schemas: Mapping[str, Any], name: str) -> None:
    """Some of them: the page does not use all."""
    properties = schemas[name]["properties"]
    own = fields(name)
    assert own
    assert set(own) <= set(properties)
    for field, kind in own.items():
        if field != "state":  # shown as it is, so any text will do
            assert set(kind.split(" | ")) == set(described(properties[field]).split(" | ")), field


def test_the_reasons_are_those_that_the_daemon_describes(schemas: Mapping[str, Any]) -> None:
    assert union("Reason") == set(schemas["Reason"]["enum"])


def test_a_probe_has_the_fields_that_its_type_has(daemon: LiveDaemon) -> None:
    probe = daemon.request("GET", "/media/films/tracks.mkv/probe.json").json()
    assert set(fields("Probe")) <= set(probe)
    kinds = {"video": "VideoStream", "audio": "AudioStream", "subtitle": "SubtitleStream"}
    assert {stream["kind"] for stream in probe["streams"]} == set(kinds)
    for stream in probe["streams"]:
        for field, kind in fields(kinds[stream["kind"]]).items():
            assert fits(stream[field], kind), (field, stream[field])
    plans = probe["formats"].values()
    assert {plan["action"] for plan in plans} <= {"copy", "transcode", "unavailable"}
    for plan in plans:
        assert all(fits(plan[field], kind) for field, kind in fields("FormatPlan").items() if field in plan)
        for part in filter(None, (plan.get("video"), plan.get("audio"))):
            assert all(fits(part[field], kind) for field, kind in fields("TrackPlan").items())


def fits(value: Any, kind: str) -> bool:
    """Whether a value is of a type: a union of basic types, of texts, or another type of its own."""
    kinds = kind.split(" | ")
    if value is None:
        return "null" in kinds
    if isinstance(value, bool):
        return "boolean" in kinds
    if isinstance(value, (int, float)):
        return "number" in kinds
    if isinstance(value, str):
        return "string" in kinds or json.dumps(value) in kinds
    return any(one[0].isupper() for one in kinds)
