"""The routes that play a file: the file itself, a progressive stream of it, and a description of both.

    /media/{path}                     direct play (`direct`)
    /media/{path}/stream.{format}     progressive stream, transcoded live
    /media/{path}/probe.json          what the file contains, and what each format would take

A stream takes these steps: probe the file, make a plan, wait for a permit, start one process, wait for its first byte of media,
and only then send the status line. The process ends with its request, in whichever step the request ends: Klein cancels the
route's Deferred when the connection is lost.
"""

import re
from collections.abc import Callable, Sequence

import attrs
from twisted.internet.defer import CancelledError
from twisted.web.server import Request

from transcoded.plan.endings import Ending, Reason
from transcoded.plan.errors import BadParameter, NoOutput, NoRanges, TranscodedError, Unavailable
from transcoded.plan.http.names import written
from transcoded.plan.http.parameters import Values, one_of
from transcoded.plan.media.argv import INPUT_PATH, Options, at_keyframe, reading_place, stream_argv, stream_chains
from transcoded.plan.media.choose import EncodeVideo, Plan, choose, plan_all_formats
from transcoded.plan.media.engine_health import Shape
from transcoded.plan.media.formats import FORMATS, Format
from transcoded.plan.media.hardware import SOFTWARE, Chain
from transcoded.plan.media.params import STREAM_PARAMETERS, StreamParams, stream_params
from transcoded.plan.media.timeline.landing import place_before
from transcoded.plan.policy.admission import COPY, TRANSCODE
from transcoded.plan.policy.relay_strategy import Strategy
from transcoded.run.files.async_library import AsyncLibrary
from transcoded.run.files.library import MediaFile
from transcoded.run.files.opener import FileOpener
from transcoded.run.host.tools import Tools
from transcoded.run.media.burn_in import Burned, BurnIns
from transcoded.run.media.prober import Prober
from transcoded.run.reactor import IReactor
from transcoded.run.relay.coalescing import ReadCoalescer
from transcoded.run.relay.relay import Relay
from transcoded.run.streams.admission import AdmissionQueue, Permit
from transcoded.run.streams.fallbacks import Fallbacks
from transcoded.run.streams.peers import Peers
from transcoded.run.streams.registry import StreamRegistry
from transcoded.run.streams.stream import Stream, failure_of
from transcoded.run.streams.stream_info import StreamSpec
from transcoded.run.streams.viewings import Viewings
from transcoded.web.answers import Body, json_of, sent
from transcoded.web.caching import NOT_MODIFIED
from transcoded.web.describe import Description, describe
from transcoded.web.direct import serve_file
from transcoded.web.presentations import Presentations
from transcoded.web.request import CLIENT_LEFT, begin, unit_of, viewer_of
from transcoded.web.responses import abort, make_last, sink_factory, socket_of
from transcoded.web.route import MEDIA, PLAYER_POLICY, route

FORMAT = one_of("name", tuple(FORMATS), meaning="A format.")
_MEDIA_TYPES = sorted(
    {kind.partition(";")[0] for one in FORMATS.values() for kind in (one.content_type, one.audio_content_type)}
)
_BY_CLIENT = frozenset({Reason.CLIENT_GONE, Reason.CLIENT_STALLED})
"""The reasons for which we break the connection of a client, and it is the cause."""

_RANGE_AFTER_FIRST_BYTE = re.compile(rb"\s*bytes\s*=\s*0*[1-9]")


@attrs.frozen
class StreamStarter:
    """Everything from a file to a running stream of it: the probe, the plan, the permit, the process. Knows no HTTP."""

    library: AsyncLibrary
    opener: FileOpener
    prober: Prober
    presentations: Presentations
    admission: AdmissionQueue
    streams: StreamRegistry
    tools: Tools
    options: Options
    burn_ins: BurnIns
    fallbacks: Fallbacks

    async def plan(self, file: MediaFile, output: Format, params: StreamParams, unit: str) -> Plan:
        """Probe the file and decide what to do with it, for a client as a unit of fairness. Raises what `Prober.probe` and `choose` raise."""
        # Subtitles are also in files beside it.
        probe = self.prober.probe if params.subtitle is None else self.presentations.describe
        media = await probe(file, unit)
        if params.start and params.start_at == "keyframe" and output.video is not None:
            keyframe = await self.prober.keyframe_before(file, media, params.start, unit)
            params = (
                attrs.evolve(params, start_at="exact") if keyframe is None else attrs.evolve(params, start=keyframe)
            )
        return choose(media, output, params, self.options.capabilities)

    async def describe(self, file: MediaFile, unit: str) -> Description:
        """Probe the file and plan it for every format. Raises what `Prober.probe` raises."""
        media = await self.presentations.describe(file, unit)
        if media.cover is not None and self.options.capabilities.decoding_obstacle(media.cover.codec):
            # Nobody could show it.
            media = attrs.evolve(media, cover=None)
        return describe(written(file.path), media, plan_all_formats(media, self.options.capabilities))

    def chains_of(self, plan: Plan) -> Sequence[Chain]:
        """The chains that are used now, the best first; the last one is software."""
        if plan.video is None:
            return (SOFTWARE,)
        return self.fallbacks.health.usable(stream_chains(plan, self.options), Shape.of(plan.video, plan.burn))

    async def open(
        self,
        plan: Plan,
        file: MediaFile,
        client: str,
        request_id: str,
        unit: str,
        begun: Callable[[Stream], None],
    ) -> tuple[Stream, Relay]:
        """Start the process, and wait for its first byte. If hardware gives none, the next chain is started. `begun` is called with the stream that counts.

        The stream owns the permit. An error on the way gives it back; a cancelled wait leaves the queue, or ends the process.
        Raises `Unavailable` if there is no permit in time or the file has changed meanwhile, `NotFound` if the file is gone
        by then, the failure of the last chain, and what `Prober.place_before`, `BurnIns.make`, `FileOpener.open`, `StreamRegistry.start` and `begun` raise.
        """
        start = plan.params.start
        searched = start and plan.video is not None
        if at_keyframe(plan):
            read_from: float | None = place_before(start, start)
        else:
            read_from = await self.prober.place_before(file, plan.media, start, unit) if searched else None
        burned = await self._burned(plan, file, unit)
        failed: list[tuple[Chain, Ending]] = []
        # As long as hardware has given nothing, the permit is for whichever chain will.
        with await self._permit(plan, file, unit) as permit:
            for chain in self.chains_of(plan):
                stream = await self._start(plan, file, client, request_id, chain, read_from, burned, permit)
                try:
                    if chain.is_software:
                        begun(stream)
                    relay = await stream.when_open()
                    if not chain.is_software:
                        self.streams.adopt(stream, permit)
                        begun(stream)
                except CancelledError:
                    # The connection is lost.
                    if not chain.is_software:
                        self.streams.adopt(stream, permit)
                    stream.end(Reason.CLIENT_GONE)
                    raise
                except TranscodedError:
                    stream.end(Reason.STOPPED)
                    if chain.is_software:
                        raise
                    ending = await stream.when_ended()
                    if not self.fallbacks.is_failure(chain, ending):
                        raise
                    failed.append((chain, ending))
                    continue
                except BaseException:
                    stream.end(Reason.FAILED)
                    raise
                self._judge(plan, file, failed, chain)
                return stream, relay
        raise AssertionError("the last chain is software")  # pragma: no cover - that raises, or returns

    def _judge(self, plan: Plan, file: MediaFile, failed: Sequence[tuple[Chain, Ending]], chain: Chain) -> None:
        """A chain has given output. So it was not the file if others have failed."""
        if plan.video is None:
            return
        shape = Shape.of(plan.video, plan.burn)
        for one, ending in failed:
            self.fallbacks.fell_back(file.path, ending, shape, one, chain)
        self.fallbacks.health.worked(chain, shape)

    async def _start(
        self,
        plan: Plan,
        file: MediaFile,
        client: str,
        request_id: str,
        chain: Chain,
        read_from: float | None,
        burned: Burned,
        permit: Permit,
    ) -> Stream:
        """Start the process of one of `chains_of`. That of software takes the permit over."""
        spec = StreamSpec(
            path=file.path,
            format=plan.output.name,
            client=client,
            request_id=request_id,
            real_path=file.real_path,
            start_s=plan.params.start,
            action=plan.action,
            why=plan.why,
            muxer=plan.output.muxer,
            engine=chain.encodes if isinstance(plan.video_action, EncodeVideo) else None,
            hardware=chain.hardware,
        )
        drawn = attrs.evolve(plan, burn=None) if burned.is_empty else plan
        arguments = stream_argv(drawn, INPUT_PATH, self.options, read_from, chain)
        own = permit if chain.is_software else None
        with (
            await self.burn_ins.open(burned, reading_place(plan, read_from)) as subtitles,
            await self.opener.open(file) as opened,
        ):
            stream = self.streams.start(spec, self.tools.ffmpeg, arguments, opened.fd, own, subtitles=subtitles)
            self.fallbacks.watch(stream, chain)
            return stream

    async def _burned(self, plan: Plan, file: MediaFile, unit: str) -> Burned:
        """What is drawn into the video; it is empty if nothing is."""
        if plan.burn is None:
            return Burned()
        return await self.burn_ins.make(await self.presentations.subtitles(file, plan.burn.position, unit), unit)

    async def _permit(self, plan: Plan, file: MediaFile, unit: str) -> Permit:
        asked = self.admission.ask(unit, COPY if plan.action == "copy" else TRANSCODE)
        if asked.called:
            return await asked
        with await asked as permit:
            # The plan was made for the file as it was before the wait.
            if (await self.library.locate(file.path)).version != file.version:
                raise Unavailable("The file has changed while the request waited in the queue.", 1)
            return permit.take()


@attrs.frozen
class Delivery:
    """How the bytes of a stream get from its relay to the client. `strategy` None: the fastest that the connection allows."""

    reactor: IReactor
    coalescer: ReadCoalescer
    strategy: Strategy | None = None

    def begin(self, request: Request, relay: Relay) -> None:
        """Send the headers, and let the relay send the body."""
        relay.open(sink_factory(request, self.reactor, self.strategy), self.coalescer)


@attrs.frozen
class PlayRoutes:
    """The routes. `peers` watches the connections of clients."""

    opener: FileOpener
    peers: Peers
    starter: StreamStarter
    delivery: Delivery
    viewings: Viewings

    @route(MEDIA, answers=sent("*/*", also={206: "A part of it", **NOT_MODIFIED}))
    async def file(self, request: Request, file: MediaFile) -> bytes | Body:
        """The file as it is."""
        return await serve_file(request, file, self.opener, self.peers)

    @route(f"{MEDIA}/probe.json", answers=json_of(Description))
    async def probe(self, request: Request, file: MediaFile) -> Description:
        """What the file contains, and for each format what would be done."""
        return await self.starter.describe(file, unit_of(request))

    @route(
        f"{MEDIA}/stream.<name>", params=STREAM_PARAMETERS, names=(FORMAT,), answers=sent(*_MEDIA_TYPES), strict=True
    )
    async def stream(self, request: Request, file: MediaFile, name: str, query: Values) -> Body:
        """A live stream of the file."""
        if _RANGE_AFTER_FIRST_BYTE.match(request.getHeader(b"Range") or b""):
            raise NoRanges("A live stream has no byte ranges; use the parameter start to begin at a time.")
        if request.method != b"HEAD":
            make_last(request)
        self.viewings.check(viewer_of(request), file)
        plan = await self.starter.plan(file, FORMATS[name], stream_params(query), unit_of(request))
        _set_headers(request, plan)
        return Body(None, lambda: self._stream(request, file, plan))

    async def _stream(self, request: Request, file: MediaFile, plan: Plan) -> None:
        viewer = viewer_of(request)
        try:
            # What is begun raises if somebody has stopped what this client watches, while it waited for a permit.
            stream, relay = await self.starter.open(
                plan,
                file,
                viewer.client,
                begin(request),
                viewer.unit,
                lambda stream: self.viewings.begin(viewer, file, stream),
            )
        except NoOutput:
            if plan.params.start:
                raise BadParameter("start", _nothing_left(plan)) from None
            raise
        await self._deliver(request, stream, relay)

    async def _deliver(self, request: Request, stream: Stream, relay: Relay) -> None:
        """Send the stream to the client; returns when the response is complete or its connection is broken."""
        peer = None
        try:
            if stream.is_ending:
                # Between its first byte and this turn of the reactor. Nothing is sent yet, so it is an error like one before it.
                raise failure_of(await stream.when_ended())
            request.setHeader(b"X-Stream-Id", stream.id.encode("ascii"))
            # Klein notices a closed connection; this notices a dead peer, which never closes it.
            peer = stream.connection = self.peers.watch(socket_of(request), lambda: stream.end(Reason.CLIENT_GONE))
            self.delivery.begin(request, relay)
            ending = await stream.when_ended()
        except CancelledError:
            # The connection is lost. From here on the request must not be used.
            stream.end(Reason.CLIENT_GONE)
            raise
        except BaseException:
            stream.end(Reason.FAILED)
            raise
        finally:
            if peer is not None:
                peer.forget()
        # A sink can write to the socket directly, and then the request has not counted the bytes.
        request.sentLength = ending.bytes_sent
        if ending.reason is Reason.FINISHED:
            relay.detach()
        else:
            await abort(request, CLIENT_LEFT if ending.reason in _BY_CLIENT else failure_of(ending).status)


def _nothing_left(plan: Plan) -> str:
    """Why there is no stream from the start on. If the length of the file is known, the start is within it: `choose` sees to that."""
    length = None if plan.media.duration_estimated else plan.media.duration
    though = "" if length is None else f", though the file says that it is {length:.3f} s long; it may be cut short"
    return f"nothing is left to play at {plan.params.start:g} s{though}."


def _set_headers(request: Request, plan: Plan) -> None:
    """Set the status and the headers that every stream has."""
    request.setResponseCode(200)
    for name, value in (
        (b"Content-Type", plan.content_type.encode("ascii")),
        (b"Cache-Control", b"no-store"),
        (b"Accept-Ranges", b"none"),
        (b"Content-Security-Policy", PLAYER_POLICY.encode("ascii")),
    ):
        request.setHeader(name, value)
    if plan.params.mode != "copy" or not plan.params.start or at_keyframe(plan):
        request.setHeader(b"X-Stream-Start", b"%.6f" % plan.params.start)
