"""The web site: builds all routes from an `Engine`, the guard in front of them, and the OpenAPI document about them."""

import time
from collections.abc import Callable

from twisted.web.resource import IResource

from transcoded.engine import Engine
from transcoded.plan.http.access import parse_key
from transcoded.plan.http.forwarded import parse_trusted
from transcoded.run.media.extracts import Extracts
from transcoded.run.relay.coalescing import ReadCoalescer
from transcoded.version import VERSION
from transcoded.web.access import AccessRoutes
from transcoded.web.adaptive import Adaptive
from transcoded.web.api import Admin
from transcoded.web.app import resource
from transcoded.web.document import ApiDocument
from transcoded.web.extras import Extras
from transcoded.web.guard import Guard
from transcoded.web.health import Health
from transcoded.web.page import Page
from transcoded.web.play import Play
from transcoded.web.presentations import Presentations


def build_site(engine: Engine, drain: Callable[[], None]) -> IResource:
    """The resource with all routes. `drain` is what `POST /api/v1/drain` calls."""
    settings, tools = engine.host.settings, engine.host.tools
    guard = Guard(
        [parse_key(text) for text in settings.api_key],
        engine.signing_key,
        time.time,
        engine.reactor.seconds,
        settings.cors_origin,
        [parse_trusted(text) for text in settings.trusted_proxy],
    )
    play = Play(
        library=engine.library,
        prober=engine.prober,
        streams=engine.streams,
        admission=engine.admission,
        leases=engine.leases,
        peers=engine.peers,
        tools=tools,
        options=engine.options,
        reactor=engine.reactor,
        coalescer=ReadCoalescer(engine.reactor),
        strategy=settings.relay,
    )
    presentations = Presentations(engine.library, engine.prober, (engine.options, tools.version, VERSION))
    extracts = Extracts(engine.commands, engine.cache, tools.ffmpeg)
    admin = Admin(
        library=engine.library,
        streams=engine.streams,
        admission=engine.admission,
        releaser=engine.releaser,
        drain=drain,
        drain_timeout=settings.drain_timeout,
    )
    documented = (
        play,
        Adaptive(presentations, engine.segments, guard),
        Extras(presentations, extracts, engine.admission),
        admin,
        Health(engine.admission),
        AccessRoutes(guard, engine.library),
        engine.events,
        engine.metrics,
    )
    return resource(guard, *documented, ApiDocument(documented), Page(), locate=engine.library.locate_first)
