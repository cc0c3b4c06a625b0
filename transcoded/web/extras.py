"""The routes of the small things that go with a film.

/media/{path}/subtitles/{n}.vtt   text subtitle stream n, or a subtitle file beside the film
/media/{path}/thumbnail.jpg       one picture
"""

import attrs
from twisted.internet.defer import DeferredSemaphore
from twisted.web.server import Request

from transcoded.plan.errors import BadParameter, NotFound, NotMedia, TranscodeFailed
from transcoded.plan.http.parameters import Values
from transcoded.plan.media.params import TIME, WIDTH
from transcoded.plan.media.probe import Media
from transcoded.plan.media.subtitle_argv import subtitle_argv
from transcoded.plan.media.thumbnail_argv import thumbnail_argv
from transcoded.plan.policy.admission import COPY
from transcoded.run.files.library import MediaFile
from transcoded.run.media.extracts import Extracts
from transcoded.run.streams.admission import AdmissionQueue
from transcoded.web.answers import sent
from transcoded.web.caching import NOT_MODIFIED, is_current
from transcoded.web.presentations import VERSION, Presentations
from transcoded.web.request import client_of
from transcoded.web.route import MEDIA, route

MAX_SUBTITLES = 16 << 20
MAX_THUMBNAIL = 8 << 20
"""Bytes."""

LATEST_DEFAULT = 300.0
"""Seconds: without a time, a thumbnail is taken no later than this."""


@attrs.frozen
class Extras:
    """The routes."""

    presentations: Presentations
    extracts: Extracts
    admission: AdmissionQueue
    # A library full of thumbnails must not fill the queue of those who want to watch.
    _thumbnails: DeferredSemaphore = attrs.field(factory=lambda: DeferredSemaphore(2))

    @route(f"{MEDIA}/subtitles/<name>.vtt", params=(VERSION,), answers=sent("text/vtt", also=NOT_MODIFIED))
    async def subtitles(self, request: Request, file: MediaFile, name: str, query: Values) -> bytes:
        """A text subtitle stream, or a subtitle file beside the film, as WebVTT."""
        film = await self.presentations.film(file)
        stream = next((one for one in film.media.subtitles if str(one.position) == name), None)
        if stream is None:
            raise NotFound(f"The file has {len(film.media.subtitles)} subtitle streams, counted from 0.")
        if not stream.text:
            raise NotMedia(f"Subtitle stream {stream.position} is made of images ({stream.codec}), not of text.")
        request.setHeader("Content-Type", "text/vtt; charset=utf-8")
        etag = f"{film.tag}-s{name}"
        if is_current(request, etag, immutable=query[VERSION] is not None) or request.method == b"HEAD":
            return b""
        text = self.extracts.kept(film.file, etag)
        if text is None:
            sidecar = film.sidecars.get(stream.position)
            arguments = (
                subtitle_argv(film.file.real_path, stream.index)
                if sidecar is None
                else subtitle_argv(sidecar.real_path, None)
            )
            beside = [] if sidecar is None else [sidecar.real_path]
            text = await self.extracts.make(film.file, etag, arguments, MAX_SUBTITLES, beside)
        return text or b"WEBVTT\n"

    @route(f"{MEDIA}/thumbnail.jpg", params=(TIME, WIDTH), answers=sent("image/jpeg", also=NOT_MODIFIED))
    async def thumbnail(self, request: Request, file: MediaFile, query: Values) -> bytes:
        """One picture of the film, or the cover of an album."""
        film = await self.presentations.film(file)
        video = film.media.default_video or film.media.cover
        if video is None:
            raise NotMedia("The file has no picture.")
        time, width = _time(film.media, query[TIME]), query[WIDTH]
        request.setHeader("Content-Type", "image/jpeg")
        etag = f"{film.tag}-thumbnail-{time:.3f}-{width}"
        if is_current(request, etag, immutable=False) or request.method == b"HEAD":
            return b""
        image = self.extracts.kept(film.file, etag)
        if image is None:
            arguments = thumbnail_argv(film.media, video, film.file.real_path, time, width)
            image = await self._made(request, film.file, etag, arguments)
        if not image:
            raise TranscodeFailed("No picture could be made of this part of the file.")
        return image

    async def _made(self, request: Request, file: MediaFile, name: str, arguments: list[str]) -> bytes:
        """Wait until a thumbnail may be made, and make it."""
        await self._thumbnails.acquire()
        try:
            # Somebody else may have asked for the same one meanwhile.
            if (kept := self.extracts.kept(file, name)) is not None:
                return kept
            with await self.admission.ask(client_of(request), COPY):
                return await self.extracts.make(file, name, arguments, MAX_THUMBNAIL)
        finally:
            self._thumbnails.release()


def _time(media: Media, wanted: float | None) -> float:
    """Seconds at which a thumbnail is taken; raises `BadParameter` if that is behind the end."""
    if not media.default_video:
        return 0.0
    if wanted is None:
        # Films begin in the dark: a tenth into them there is something to see.
        return min((media.duration or 0) / 10, LATEST_DEFAULT)
    if media.duration is not None and wanted >= media.duration:
        raise BadParameter("time", f"{wanted:g} s is not before the end of the file ({media.duration:.3f} s).")
    return wanted
