"""What a client or an operator is told of the programs, before anybody presses play."""

import attrs
import pytest
import pytest_twisted

from tests.support.tools import made_tools
from tests.web.conftest import Serve
from transcoded.plan.media.capabilities import Capabilities, CodecEngine
from transcoded.plan.media.engine_health import EngineHealth
from transcoded.plan.media.program_choice import Candidate
from transcoded.run.host.tools import Tools
from transcoded.web.capabilities import CapabilityRoutes

FOUND = Capabilities(
    version="9.0",
    decoders=frozenset({"h264", "av1"}),
    encoders=frozenset({"libx264", "aac"}),
    filters=frozenset({"scale", "ass"}),
    engines=(
        CodecEngine("nvenc", works=False, why="not tried: there is no /dev/nvidia0"),
        CodecEngine(
            "software", works=True, why="tried", decodes=frozenset({"h264", "av1"}), encodes=frozenset({"h264"})
        ),
    ),
    tone_mapping="zscale",
    burns_in_text=True,
)


@pytest.fixture
def tools() -> Tools:
    made = made_tools(capabilities=FOUND)
    used = made.ffmpeg_choice.used
    broken = Candidate("/usr/bin/ffmpeg", "PATH", problem="does not run: it ends with status 127")
    choice = attrs.evolve(made.ffmpeg_choice, why="it is the only one that works", candidates=(broken, used))
    return attrs.evolve(made, ffmpeg_choice=choice)


@pytest_twisted.ensureDeferred
async def test_the_whole_answer(serve: Serve, tools: Tools) -> None:
    answer = await serve(CapabilityRoutes(tools, EngineHealth(lambda: 0.0))).ask("/api/v1/capabilities")
    assert answer.status == 200
    document = answer.json
    ffmpeg = document.pop("ffmpeg")
    candidates = ffmpeg.pop("candidates")
    assert ffmpeg == {"version": "9.0", "path": "/nowhere/ffmpeg", "why": "it is the only one that works"}
    assert candidates == [
        {
            "path": "/usr/bin/ffmpeg",
            "version": "",
            "origin": "PATH",
            "can": 0,
            "problem": "does not run: it ends with status 127",
        },
        {"path": "/nowhere/ffmpeg", "version": "9.0", "origin": "settings", "problem": None, "can": FOUND.count},
    ]
    ffprobe = document.pop("ffprobe")
    assert (ffprobe["path"], ffprobe["candidates"][0]["can"]) == ("/nowhere/ffprobe", None)
    assert document == {
        "decoders": ["av1", "h264"],
        "encoders": ["aac", "libx264"],
        "filters": ["ass", "scale"],
        "engines": [
            {
                "name": "nvenc",
                "works": False,
                "why": FOUND.engines[0].why,
                "decodes": [],
                "encodes": [],
                "decodes_10_bit": [],
            },
            {
                "name": "software",
                "works": True,
                "why": "tried",
                "decodes": ["av1", "h264"],
                "encodes": ["h264"],
                "decodes_10_bit": [],
            },
        ],
        "tone_mapping": "zscale",
        "burns_in": {"text": True, "bitmap": False},
    }


@pytest_twisted.ensureDeferred
async def test_a_parameter_that_it_does_not_know_is_refused(serve: Serve, tools: Tools) -> None:
    (await serve(CapabilityRoutes(tools, EngineHealth(lambda: 0.0))).ask("/api/v1/capabilities?refresh=1")).problem(400)
