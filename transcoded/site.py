"""The web site: builds all routes from an `Engine`, the guard in front of them, and the OpenAPI document about them."""

import socket
import time
from collections.abc import Callable

from twisted.web.resource import IResource

from transcoded.engine import Engine
from transcoded.plan.cmaf.governor import Work
from transcoded.plan.http.access import parse_key
from transcoded.plan.http.forwarded import parse_trusted
from transcoded.plan.http.origins import CorsRules, HostRules
from transcoded.plan.media.hardware import encoding_engine
from transcoded.run.media.sample_entries import SampleEntries
from transcoded.run.places import FairPlaces
from transcoded.run.relay.coalescing import ReadCoalescer
from transcoded.web.access import AccessRoutes
from transcoded.web.adaptive import AdaptiveRoutes
from transcoded.web.api import Drain, LibraryRoutes, StreamRoutes
from transcoded.web.app import resource
from transcoded.web.capabilities import CapabilityRoutes
from transcoded.web.cookies import Cookies
from transcoded.web.document import ApiDocument
from transcoded.web.extras import THUMBNAILS_AT_ONCE, THUMBNAILS_PER_CLIENT, ExtraRoutes
from transcoded.web.guard import Guard
from transcoded.web.health import HealthRoutes
from transcoded.web.origins import Origins
from transcoded.web.page import PageRoutes
from transcoded.web.play import Delivery, PlayRoutes, StreamStarter
from transcoded.web.playlists import Playlists
from transcoded.web.prepare import PrepareRoutes
from transcoded.web.presentations import Presentations
from transcoded.web.storyboard import SHEETS_AT_ONCE, SHEETS_PER_CLIENT, StoryboardRoutes
from transcoded.web.subtitle_windows import WindowRoutes
from transcoded.web.subtitles import SubtitleRoutes
from transcoded.web.viewers import ViewerRoutes


def build_site(engine: Engine, drain: Callable[[], None]) -> IResource:
    """The resource with all routes. `drain` is what `POST /api/v1/drain` calls."""
    settings, tools = engine.host.settings, engine.host.tools
    proxies = [parse_trusted(text) for text in settings.trusted_proxy]
    guard = Guard(
        [parse_key(text) for text in settings.api_key],
        engine.subkeys.urls,
        Cookies(engine.subkeys.cookies, engine.sign_outs, time.time),
        time.time,
        engine.reactor.seconds,
        proxies,
        settings.plain_http_login,
    )
    origins = Origins(
        HostRules.of(settings.host, socket.gethostname()), CorsRules.of(settings.cors_origin), tuple(proxies)
    )
    presentations = Presentations(
        engine.reactor,
        engine.library,
        engine.prober,
        engine.made_with,
        tools.capabilities,
        SampleEntries(engine.reactor, engine.extracts),
        # What hardware encodes is made as fast without it for a while, at the worst.
        lambda rendition: rendition.engine == "software" and engine.costs.is_hopeless(Work.of(rendition)),
        encoding_engine("h264", tools.capabilities, engine.options.engines),
    )
    starter = StreamStarter(
        library=engine.library,
        opener=engine.opener,
        prober=engine.prober,
        presentations=presentations,
        admission=engine.admission,
        streams=engine.streams,
        tools=tools,
        options=engine.options,
        burn_ins=engine.burn_ins,
        fallbacks=engine.fallbacks,
    )
    playlists = Playlists(engine.reactor, engine.threads)
    delivery = Delivery(engine.reactor, ReadCoalescer(engine.reactor), settings.relay)
    thumbnails = FairPlaces(engine.reactor, THUMBNAILS_AT_ONCE, THUMBNAILS_PER_CLIENT)
    described = (
        PlayRoutes(engine.opener, engine.peers, starter, delivery, engine.viewings),
        # Before those of other renditions: the first route whose pattern fits is taken.
        WindowRoutes(presentations, playlists, engine.windows, guard, engine.viewings),
        AdaptiveRoutes(presentations, playlists, engine.segments, guard, engine.viewings),
        ExtraRoutes(presentations, engine.prober, engine.extracts, engine.admission, thumbnails, engine.options),
        StoryboardRoutes(
            presentations,
            playlists,
            engine.extracts,
            engine.admission,
            FairPlaces(engine.reactor, SHEETS_AT_ONCE, SHEETS_PER_CLIENT),
            guard,
            engine.options,
        ),
        SubtitleRoutes(presentations, engine.subtitles, engine.opener, engine.peers),
        LibraryRoutes(engine.listings),
        StreamRoutes(
            engine.streams, engine.admission, engine.releaser, Drain(drain, settings.drain_timeout), engine.viewings
        ),
        ViewerRoutes(engine.viewings),
        PrepareRoutes(engine.library, presentations, engine.segments, engine.prepares),
        CapabilityRoutes(tools, engine.fallbacks.health),
        HealthRoutes(engine.admission),
        AccessRoutes(guard, engine.library),
        engine.events,
        engine.metrics,
    )
    return resource(
        guard, origins, *described, ApiDocument(described), PageRoutes(), locate=engine.library.locate_first
    )
