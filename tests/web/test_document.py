"""The API's description: what is not in it, or wrong in it, fails in somebody's generated client."""

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_twisted
from twisted.web.server import Request

from tests.support.programs import idle_programs
from tests.web.conftest import Serve
from tests.web.server import Server, reactor
from transcoded.config import Settings
from transcoded.plan.endings import Ending, Reason
from transcoded.plan.http.access import Access
from transcoded.plan.media.formats import FORMATS
from transcoded.run.streams.stream_info import StreamInfo
from transcoded.service import Transcoded
from transcoded.web.answers import sent
from transcoded.web.app import SafeResource
from transcoded.web.document import ApiDocument, build
from transcoded.web.route import Route, route, routes

Document = Mapping[str, Any]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Transcoded]:
    """The whole daemon, never started: for the routes that it has."""
    root = tmp_path_factory.mktemp("media")
    idle = idle_programs(root)
    service = Transcoded(
        reactor, Settings(media=(str(root),), state_dir="off", ffmpeg=idle.ffmpeg, ffprobe=idle.ffprobe)
    )
    yield service
    service._engine.threads.stop()


@pytest_twisted.async_yield_fixture
async def document(service: Transcoded) -> AsyncIterator[Document]:
    """What it says of itself."""
    server = Server(service.resource())
    answer = await server.ask("/api/openapi.json")
    assert answer.status == 200
    yield answer.json
    await server.close()


def operations(document: Document) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_every_route_of_the_daemon_is_in_it_with_its_methods(service: Transcoded, document: Document) -> None:
    """All but the page, which is for people, and the document itself."""
    described = {(path, method.upper()) for path, method, _ in operations(document)}
    resource = service.resource()
    assert isinstance(resource, SafeResource)
    there = {(one.template, method) for one in resource.routes for method in one.methods if method != "HEAD"}
    own = {("/", "GET"), ("/static/{name}", "GET"), ("/api/openapi.json", "GET")}
    assert described == there - own
    assert own <= there


def test_it_is_openapi_3_1_and_names_each_parameter_of_a_path(document: Document) -> None:
    assert document["openapi"].startswith("3.1.")
    for path, _, operation in operations(document):
        named = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
        assert named == set(re.findall(r"{([a-z_]+)}", path))
        assert all(one["required"] for one in operation["parameters"] if one["in"] == "path")
        assert operation["summary"]
        assert operation["responses"]["default"]["content"].keys() == {"application/problem+json"}


def test_all_references_lead_somewhere(document: Document) -> None:
    text = msgspec.json.encode(document).decode()
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    assert named
    assert named <= set(document["components"]["schemas"])


def test_the_fields_are_those_of_the_values(document: Document) -> None:
    schemas = document["components"]["schemas"]
    for kind in (Ending, StreamInfo):
        assert set(schemas[kind.__name__]["properties"]) == {field.name for field in msgspec.structs.fields(kind)}
    assert set(schemas["Reason"]["enum"]) == {reason.value for reason in Reason}


def test_the_formats_are_those_that_there_are(document: Document) -> None:
    operation = document["paths"]["/media/{path}/stream.{name}"]["get"]
    name = next(one for one in operation["parameters"] if one["name"] == "name")
    assert set(name["schema"]["enum"]) == set(FORMATS)


def test_what_needs_a_key_says_so(document: Document) -> None:
    schemes = {path: operation["security"] for path, method, operation in operations(document) if method == "get"}
    assert schemes["/healthz"] == [{}]
    assert {"key": []} in schemes["/api/v1/streams"]
    assert {"signature": []} not in schemes["/api/v1/streams"]
    assert {"signature": []} in schemes["/media/{path}"]


def test_a_route_that_is_added_is_described_by_itself() -> None:
    class More:
        @route("/api/v1/more/<thing>", methods=("GET", "HEAD", "POST"), access=Access.READ, answers=sent("text/plain"))
        async def more(self, request: Request, thing: str) -> bytes:
            """More of it."""
            return b""

    (marked,) = [one for one, _ in routes(More())]
    assert marked == Route(
        "/api/v1/more/<thing>", ("GET", "HEAD", "POST"), Access.READ, "More of it.", sent("text/plain")
    )
    document: Any = build([marked])
    found = document["paths"]["/api/v1/more/{thing}"]
    assert set(found) == {"get", "post"}
    assert found["get"]["summary"] == "More of it."


@pytest_twisted.ensureDeferred
async def test_anybody_may_read_it(serve: Serve, tmp_path: Path) -> None:
    answer = await serve(ApiDocument([])).ask("/api/openapi.json")
    assert answer.status == 200
    assert answer.json["info"]["title"] == "transcoded"


def test_parameters_are_described_as_they_are_checked(service: Transcoded, document: Document) -> None:
    """And every parameter is one of those whose schema is held against its parser (tests/plan/http/test_parameters.py)."""
    resource = service.resource()
    assert isinstance(resource, SafeResource)
    checked: dict[str, list[object]] = {}
    for known in resource.routes:
        for one in known.params:
            schema = msgspec.json.decode(msgspec.json.encode(one.schema))
            checked.setdefault(one.name, []).append({**schema, "default": None})
    assert {"start", "video_bitrate", "time", "width", "limit", "path", "v"} <= set(checked)
    for _, _, operation in operations(document):
        for one in operation["parameters"]:
            if one["in"] == "query":
                assert {**one["schema"], "default": None} in checked[one["name"]]


@pytest.mark.parametrize(
    ("path", "method", "kind"),
    [
        ("/media/{path}/probe.json", "get", "Description"),
        ("/api/v1/session", "get", "SessionInfo"),
        ("/healthz", "get", "Alive"),
        ("/readyz", "get", "Ready"),
        ("/api/v1/library/{path}", "get", "Listing"),
        ("/api/v1/streams", "get", "LiveStreams"),
        ("/api/v1/sign", "post", "SignAnswer"),
    ],
)
def test_every_json_that_is_answered_has_a_schema(document: Document, path: str, method: str, kind: str) -> None:
    answer = document["paths"][path][method]["responses"]["200"]["content"]["application/json"]
    assert answer == {"schema": {"$ref": f"#/components/schemas/{kind}"}}
    assert document["components"]["schemas"][kind]["properties"]


def test_a_form_and_a_body_are_described(document: Document) -> None:
    form = document["paths"]["/login"]["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
    assert form["required"] == ["key"]
    body = document["paths"]["/api/v1/sign"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    fields = document["components"]["schemas"][body["$ref"].rpartition("/")[2]]["properties"]
    assert (fields["expires_in"]["minimum"], fields["expires_in"]["maximum"]) == (1, 2_592_000)
