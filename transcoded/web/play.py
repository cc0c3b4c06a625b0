"""The routes that play: the file itself, a live stream of it, and what would be done with it.

    /media/{path}                     direct play (`direct`)
    /media/{path}/stream.{format}     progressive live transcode
    /media/{path}/probe.json          what the file holds, and what each format would take

A stream: probe the file, choose, start one process, wait for its first byte, and only then answer. Whatever ends the request,
and wherever it is then, the process is ended with it: Klein cancels the route when the connection is lost.
"""

import re

import attrs
from twisted.internet.defer import CancelledError
from twisted.web.server import Request

from transcoded.plan.endings import Reason
from transcoded.plan.errors import BadParameter, NoOutput, NoRanges, Unavailable
from transcoded.plan.http.parameters import Values, one_of
from transcoded.plan.media.argv import Options, stream_argv
from transcoded.plan.media.choose import Plan, choose, outlook
from transcoded.plan.media.formats import FORMATS
from transcoded.plan.media.params import STREAM_PARAMETERS, stream_params
from transcoded.plan.policy.admission import COPY, TRANSCODE
from transcoded.plan.policy.relay_strategy import Strategy
from transcoded.run.files.async_library import AsyncLibrary
from transcoded.run.files.leases import FileLeases
from transcoded.run.files.library import MediaFile
from transcoded.run.host.tools import Tools
from transcoded.run.media.prober import Prober
from transcoded.run.reactor import IReactor
from transcoded.run.relay.coalescing import ReadCoalescer
from transcoded.run.streams.admission import AdmissionQueue, Permit
from transcoded.run.streams.peers import Peers
from transcoded.run.streams.registry import StreamRegistry
from transcoded.run.streams.stream import Stream
from transcoded.run.streams.stream_info import StreamSpec
from transcoded.web.answers import json_of, sent
from transcoded.web.caching import NOT_MODIFIED
from transcoded.web.describe import Description, describe
from transcoded.web.direct import serve_file
from transcoded.web.request import begin, client_of
from transcoded.web.responses import abort, make_last, socket_of, way_to
from transcoded.web.route import MEDIA, route

FORMAT = one_of("name", tuple(FORMATS), meaning="A format.")
_MEDIA_TYPES = sorted(
    {kind.partition(";")[0] for one in FORMATS.values() for kind in (one.content_type, one.audio_content_type)}
)
_LATER = re.compile(rb"\s*bytes\s*=\s*0*[1-9]")


@attrs.frozen
class Play:
    """The routes below /media/."""

    library: AsyncLibrary
    prober: Prober
    streams: StreamRegistry
    admission: AdmissionQueue
    leases: FileLeases
    peers: Peers
    tools: Tools
    options: Options
    reactor: IReactor
    coalescer: ReadCoalescer
    strategy: Strategy | None = None

    @route(MEDIA, answers=sent("*/*", also={206: "A part of it", **NOT_MODIFIED}))
    async def file(self, request: Request, file: MediaFile) -> bytes | None:
        """The file as it is."""
        return await serve_file(request, file, self.library.threads, self.leases, self.peers)

    @route(f"{MEDIA}/probe.json", answers=json_of(Description))
    async def probe(self, request: Request, file: MediaFile) -> Description | None:
        """What the file holds and what would be done with it."""
        if request.method == b"HEAD":
            return None
        media = await self.prober.probe(file)
        return describe(file.path, media, outlook(media, self.tools.encoders))

    @route(f"{MEDIA}/stream.<name>", params=STREAM_PARAMETERS, names=(FORMAT,), answers=sent(*_MEDIA_TYPES))
    async def stream(self, request: Request, file: MediaFile, name: str, query: Values) -> bytes | None:
        """A live stream of the file."""
        output, params = FORMATS[name], stream_params(query)
        if _LATER.match(request.getHeader(b"Range") or b""):
            raise NoRanges("A live stream has no byte ranges; use start= to begin at a time.")
        if request.method == b"HEAD":
            _say(request, output.content_type)
            return b""
        make_last(request)
        plan = choose(await self.prober.probe(file), output, params, self.tools.encoders)
        spec = StreamSpec(
            path=file.path,
            format=plan.output.name,
            client=client_of(request),
            request_id=begin(request),
            real_path=file.real_path,
            start_s=params.start,
            action=plan.action,
            why=plan.why,
        )
        with await self._admitted(request, plan, file) as permit:
            arguments = stream_argv(plan, file.real_path, self.options)
            stream = self.streams.start(spec, self.tools.ffmpeg, arguments, permit)
        await self._relay(request, plan, stream)
        return None

    async def _admitted(self, request: Request, plan: Plan, file: MediaFile) -> Permit:
        """Wait for a permit."""
        asking = self.admission.ask(client_of(request), COPY if plan.action == "copy" else TRANSCODE)
        if asking.called:
            return await asking
        with await asking as permit:
            # Time has passed: the plan may be for a file that is not there any more.
            if (await self.library.locate(file.path)).version != file.version:
                raise Unavailable("The file was changed while the request waited.", 1)
            return permit.take()

    async def _relay(self, request: Request, plan: Plan, stream: Stream) -> None:
        """Give the stream to the client; returns when the response is complete or broken."""
        try:
            relay = await stream.when_open()
            _say(request, plan.content_type)
            request.setHeader(b"X-Stream-Id", stream.id.encode("ascii"))
            stream.connection = self.peers.watch(socket_of(request), lambda: stream.end(Reason.CLIENT_GONE))
            relay.open(way_to(request, self.reactor, self.strategy), self.coalescer)
            ending = await stream.when_ended()
        except CancelledError:
            # The connection is gone, and with it the request: nothing of it may be touched.
            stream.end(Reason.CLIENT_GONE)
            raise
        except NoOutput:
            if plan.params.start:
                raise BadParameter("start", f"nothing is left to play at {plan.params.start:g} s.") from None
            raise
        except BaseException:
            stream.end(Reason.FAILED)
            raise
        # What went past the request's own counting is in the Ending.
        request.sentLength = ending.bytes_sent
        if ending.reason is Reason.FINISHED:
            relay.detach()
        else:
            await abort(request)


def _say(request: Request, content_type: str) -> None:
    """The headers of every stream."""
    request.setResponseCode(200)
    for name, value in (
        (b"Content-Type", content_type.encode("ascii")),
        (b"Cache-Control", b"no-store"),
        (b"Accept-Ranges", b"none"),
    ):
        request.setHeader(name, value)
