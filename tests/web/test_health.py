"""Health checks: a balancer believes what they say."""

import pytest_twisted

from tests.web.conftest import Serve
from tests.web.server import reactor
from transcoded.plan.policy.admission import TRANSCODE, Admission
from transcoded.run.streams.admission import AdmissionQueue
from transcoded.web.health import HealthRoutes


@pytest_twisted.ensureDeferred
async def test_a_server_that_is_full_or_stops_is_alive_but_not_ready(serve: Serve) -> None:
    gate = AdmissionQueue(reactor, Admission(2 * TRANSCODE, queue_size=2), 15.0)
    ask = serve(HealthRoutes(gate)).ask
    assert (await ask("/healthz")).json == {"status": "ok"}
    assert (await ask("/readyz")).json == {"status": "ready"}
    taken = [await gate.ask("::1", TRANSCODE) for _ in range(2)]
    answer = await ask("/readyz")
    answer.problem(503)
    assert int(answer.headers["retry-after"]) > 0
    taken[0].release()
    assert (await ask("/readyz")).status == 200
    gate.close("draining")
    assert "draining" in (await ask("/readyz")).problem(503)["detail"]
    assert (await ask("/healthz")).status == 200


@pytest_twisted.ensureDeferred
async def test_a_program_can_tell_why_a_server_is_not_ready(serve: Serve) -> None:
    gate = AdmissionQueue(reactor, Admission(TRANSCODE, queue_size=0), 15.0)
    gate.close("draining")
    assert (await serve(HealthRoutes(gate)).ask("/readyz")).problem(503)["reasons"] == ["draining"]
