"""The route for thumbnails of a file: /media/{path}/thumbnail.jpg, one frame of the video, or the cover."""

import attrs
from twisted.web.server import Request

from transcoded.plan.errors import BadParameter, NotMedia, TranscodeFailed
from transcoded.plan.http.parameters import Values
from transcoded.plan.media.argv import INPUT_PATH, Options
from transcoded.plan.media.colors import tone_mapping_obstacle
from transcoded.plan.media.params import TIME, WIDTH
from transcoded.plan.media.probe import Media, VideoStream
from transcoded.plan.media.thumbnail_argv import thumbnail_argv
from transcoded.plan.policy.admission import COPY
from transcoded.run.files.library import MediaFile
from transcoded.run.media.extracts import Extracts
from transcoded.run.media.prober import Prober
from transcoded.run.places import FairPlaces
from transcoded.run.streams.admission import AdmissionQueue
from transcoded.web.answers import Body, made, sent
from transcoded.web.caching import CHANGED, NOT_MODIFIED, is_current
from transcoded.web.presentations import VERSION, Presentations, PresentedFile
from transcoded.web.request import unit_of
from transcoded.web.route import MEDIA, route

MAX_THUMBNAIL = 8 << 20
"""Bytes."""

THUMBNAILS_AT_ONCE = 3
THUMBNAILS_PER_CLIENT = 2
"""Thumbnails that are made at the same time, in all and for one client."""

LATEST_DEFAULT = 300.0
"""Seconds: the latest time of a thumbnail for which no time is requested."""


@attrs.frozen
class ExtraRoutes:
    """The routes."""

    presentations: Presentations
    prober: Prober
    extracts: Extracts
    admission: AdmissionQueue
    # A page of the library asks for many thumbnails at once. They must not fill the queue before the streams.
    thumbnails: FairPlaces
    options: Options = attrs.field(factory=Options)

    @route(
        f"{MEDIA}/thumbnail.jpg",
        params=(TIME, WIDTH, VERSION),
        answers=sent("image/jpeg", also={**NOT_MODIFIED, **CHANGED}),
    )
    async def thumbnail(self, request: Request, file: MediaFile, query: Values) -> bytes | Body:
        """One frame of the video, or the cover of an audio file, as JPEG."""
        presented = await self.presentations.load(file, query[VERSION], unit_of(request))
        video = presented.media.default_video or presented.media.cover
        if video is None:
            raise NotMedia("The file has neither video nor a cover.")
        able = self.options.capabilities
        obstacle = (
            able.decoding_obstacle(video.codec) or able.encoding_obstacle("mjpeg") or tone_mapping_obstacle(video, able)
        )
        if obstacle is not None:
            raise NotMedia(obstacle)
        time, width = _thumbnail_time(presented.media, query[TIME]), query[WIDTH]
        request.setHeader("Content-Type", "image/jpeg")
        etag = f"{presented.film_tag}-thumbnail-{time:.3f}-{width}"
        if is_current(request, etag, immutable=query[VERSION] is not None):
            return b""

        async def make() -> bytes:
            image = await self._make_thumbnail(unit_of(request), presented, video, etag, time, width)
            if not image:
                raise _no_frame(time)
            return image

        kept = self.extracts.kept(presented.file, etag)
        if kept == b"":
            raise _no_frame(time)
        return made(kept, make)

    async def _make_thumbnail(
        self, client: str, presented: PresentedFile, video: VideoStream, name: str, time: float, width: int
    ) -> bytes:
        """Wait for a turn and for a permit, then make the image. The result is empty if there is no frame."""
        file, media = presented.file, presented.media
        with await self.thumbnails.ask(client):
            # Another request may have made the same one during the wait.
            if (kept := self.extracts.kept(file, name)) is not None:
                return kept
            read_from = await self.prober.place_before(file, media, time, client) if time else None
            arguments = thumbnail_argv(media, video, INPUT_PATH, time, width, read_from, self.options)
            with await self.admission.ask(client, COPY) as permit:
                # The process takes the permit over: it may live longer than the request.
                return await self.extracts.make(file, name, arguments, MAX_THUMBNAIL, permit=permit, client=client)


def _no_frame(time: float) -> TranscodeFailed:
    return TranscodeFailed(f"ffmpeg found no frame at {time:g} s of the file.")


def _thumbnail_time(media: Media, requested: float | None) -> float:
    """The time of a thumbnail in seconds; 0 for a cover. Raises `BadParameter` if it is not before the end of the file."""
    if not media.default_video:
        return 0.0
    if requested is None:
        # The first frames are often black.
        return min((media.duration or 0) / 10, LATEST_DEFAULT)
    if media.duration is not None and not media.duration_estimated and requested >= media.duration:
        raise BadParameter(
            "time",
            f"{requested:g} s is not allowed; give less than the length of the file ({media.duration:.3f} s).",
        )
    return requested
