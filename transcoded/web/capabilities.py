"""The route that says what the programs of this machine can do, and which of them are used and why."""

import attrs
import msgspec
from twisted.web.server import Request

from transcoded.plan.media.capabilities import EngineName, ToneMapping
from transcoded.plan.media.engine_health import EngineHealth
from transcoded.plan.media.program_choice import Candidate, Choice
from transcoded.run.host.tools import Tools
from transcoded.web.answers import json_of
from transcoded.web.route import route


class CandidateInfo(msgspec.Struct):
    """A program that was there. `origin` says where; `problem` why it cannot be used, null: it works. `can` is the number of things that were tried and work, null for an ffprobe."""

    path: str
    version: str
    origin: str
    problem: str | None
    can: int | None


class ProgramInfo(msgspec.Struct):
    """A program that is used. `why` says why this one, in words."""

    version: str
    path: str
    why: str
    candidates: list[CandidateInfo]


class EngineInfo(msgspec.Struct):
    """Hardware that codes video, or software. `decodes` and `encodes` are codecs, `decodes_10_bit` those of frames with 10 bits; `why` is for people."""

    name: EngineName
    works: bool
    why: str
    decodes: list[str]
    encodes: list[str]
    decodes_10_bit: list[str]


class BurnsIn(msgspec.Struct):
    """Which subtitles can be drawn into the video."""

    text: bool
    bitmap: bool


class CapabilitiesInfo(msgspec.Struct):
    """What can be done here; each entry was tried. `decoders` are codecs by ffprobe's names, `encoders` and `filters` have ffmpeg's. `tone_mapping` is how HDR is shown as SDR; null: it is not."""

    ffmpeg: ProgramInfo
    ffprobe: ProgramInfo
    decoders: list[str]
    encoders: list[str]
    filters: list[str]
    engines: list[EngineInfo]
    tone_mapping: ToneMapping | None
    burns_in: BurnsIn


@attrs.frozen
class CapabilityRoutes:
    """The route. It answers from what was found at the start, and from what has failed since."""

    tools: Tools
    health: EngineHealth

    @route("/api/v1/capabilities", answers=json_of(CapabilitiesInfo))
    async def capabilities(self, request: Request) -> CapabilitiesInfo:
        """What this server's ffmpeg can do, as it was tried at the start."""
        return described(self.tools, self.health)


def described(tools: Tools, health: EngineHealth) -> CapabilitiesInfo:
    """The document."""
    found = tools.capabilities
    return CapabilitiesInfo(
        ffmpeg=_program(tools.ffmpeg_choice, counted=True),
        ffprobe=_program(tools.ffprobe_choice, counted=False),
        decoders=sorted(found.decoders),
        encoders=sorted(found.encoders),
        filters=sorted(found.filters),
        engines=[
            EngineInfo(
                one.name,
                one.works,
                "; now left alone: ".join(filter(None, (one.why, health.obstacle(one.name)))),
                *map(sorted, (one.decodes, one.encodes, one.decodes_10_bit)),
            )
            for one in found.engines
        ],
        tone_mapping=found.tone_mapping,
        burns_in=BurnsIn(found.burns_in_text, found.burns_in_bitmap),
    )


def _program(choice: Choice, *, counted: bool) -> ProgramInfo:
    candidates = [_candidate(one, counted=counted) for one in choice.candidates]
    return ProgramInfo(choice.used.version, choice.used.path, choice.why, candidates)


def _candidate(one: Candidate, *, counted: bool) -> CandidateInfo:
    return CandidateInfo(one.path, one.version, one.origin, one.problem, one.capabilities.count if counted else None)
