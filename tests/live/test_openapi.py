"""The API's description held against the running daemon: what it promises is what a generated client gets."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

from tests.support.clips import Clips
from tests.support.daemon import LiveDaemon

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed (pip install schemathesis)")
checks = pytest.importorskip("schemathesis.specs.openapi.checks")
pytestmark = pytest.mark.filterwarnings("ignore")

# Without an end; and the end of the daemon.
LEFT_OUT = {("GET", "/api/v1/events"), ("POST", "/api/v1/drain")}
EXAMPLES = 6


@pytest.fixture(scope="module")
def server(clips: Clips, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    """A daemon of its own, since much is asked of it."""
    with LiveDaemon(tmp_path_factory.mktemp("openapi"), {"m": clips.directory}) as daemon:
        yield daemon
        daemon.quiet()


@pytest.fixture(scope="module")
def operations(server: LiveDaemon) -> dict[str, Any]:
    """All that it describes, by method and path."""
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{server.port}/api/openapi.json")
    found = [result.ok() for result in schema.get_all_operations()]
    return {f"{one.method.upper()} {one.path}": one for one in found if (one.method.upper(), one.path) not in LEFT_OUT}


@pytest.mark.parametrize("mode", ["POSITIVE", "NEGATIVE"])
def test_what_is_described_is_what_is_answered(
    server: LiveDaemon, operations: dict[str, Any], clips: Clips, mode: str
) -> None:
    """Requests as the description allows them, and as it does not: status, type and fields are as it says, never a 500."""
    generation = schemathesis.GenerationMode[mode]
    assert len(operations) > 12
    for name, operation in operations.items():
        try:
            check(server, operation.as_strategy(generation_mode=generation), f"m/{clips.song.name}")
        except Unsatisfiable:
            # Nothing can be wrong with a request that has no parameters.
            assert mode == "NEGATIVE", name


def check(server: LiveDaemon, cases: Any, real: str) -> None:
    """Ask, half of the time for a file that is there."""
    # What is allowed can depend on the file (a time after its end): a 400 for it is no fault.
    left_out = [checks.positive_data_acceptance]

    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.data(), st.booleans())
    def run(data: st.DataObject, at_home: bool) -> None:
        case = data.draw(cases)
        if at_home and "path" in (case.path_parameters or {}):
            case.path_parameters["path"] = real
        case.call_and_validate(timeout=40, excluded_checks=left_out)

    run()
    assert not re.search(r"Traceback|Unhandled", server.log())
