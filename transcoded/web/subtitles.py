"""The routes for what a player shows beside the picture: subtitles, fonts and other attached files, chapters.

/media/{path}/subtitles/{n}.vtt       text, from a stream of the file or a file beside it, as WebVTT
/media/{path}/subtitles/{n}.{form}    the same as it is: ass, srt, and sup (the images of Blu-ray discs)
/media/{path}/attachments/{n}         an attached file
/media/{path}/chapters.vtt            the chapters as WebVTT
"""

from collections.abc import Mapping
from urllib.parse import quote

import attrs
from twisted.web.server import Request

from transcoded.plan.errors import NotFound, NotMedia
from transcoded.plan.http.parameters import Values, matching, one_of
from transcoded.plan.media.media_types import DOWNLOAD
from transcoded.plan.media.probe import Attachment, SubtitleStream
from transcoded.plan.media.subtitle_argv import FILES
from transcoded.plan.subtitles.chapters import chapters_webvtt
from transcoded.run.files.library import MediaFile
from transcoded.run.files.opener import FileOpener
from transcoded.run.media.subtitles import Subtitles
from transcoded.run.streams.peers import Peers
from transcoded.web.answers import Body, made, sent
from transcoded.web.caching import CHANGED, NOT_MODIFIED, is_current
from transcoded.web.direct import serve_file
from transcoded.web.presentations import VERSION, Presentations, PresentedFile
from transcoded.web.request import unit_of
from transcoded.web.route import MEDIA, route

VTT = "text/vtt"

FORMS: Mapping[str, str] = {
    "vtt": f"{VTT}; charset=utf-8",
    "ass": "text/x-ssa; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "sup": DOWNLOAD,
}
"""The media types of subtitles. There is none for the images of Blu-ray discs."""

_NUMBER = matching("name", ("0|[1-9][0-9]{0,3}",), "give the number of a stream, from 0.", str, "")
_ATTACHMENT = matching("name", ("0|[1-9][0-9]{0,3}",), "give the number of an attachment, from 0.", str, "")
_FORM = one_of("form", tuple(FORMS), meaning="A format of subtitles.")

_IMAGES = frozenset({"hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle", "xsub"})

ATTACHMENT_TYPES = {
    **dict.fromkeys(("ttf", "ttc"), "font/ttf"),
    "otf": "font/otf",
    "woff": "font/woff",
    "woff2": "font/woff2",
    **dict.fromkeys(("jpg", "jpeg"), "image/jpeg"),
    "png": "image/png",
    "webp": "image/webp",
}
"""The media types of attachments, by the suffix of their names. What the film says of their types is not believed: a stranger has
written it, and HTML would be a page of this origin."""


@attrs.frozen
class SubtitleRoutes:
    """The routes."""

    presentations: Presentations
    texts: Subtitles
    opener: FileOpener
    peers: Peers

    @route(
        f"{MEDIA}/subtitles/<name>.<form>",
        params=(VERSION,),
        names=(_NUMBER, _FORM),
        answers=sent(*(kind.partition(";")[0] for kind in FORMS.values()), also={**NOT_MODIFIED, **CHANGED}),
    )
    async def subtitles(self, request: Request, file: MediaFile, name: str, form: str, query: Values) -> bytes | Body:
        """Subtitles of the file or of a file beside it: text as WebVTT, or all as they are."""
        presented = await self.presentations.load(file, query[VERSION], unit_of(request))
        source = presented.subtitles(int(name))
        _check_form(source.stream, form)
        request.setHeader("Content-Type", FORMS[form])
        if form == "sup":
            request.setHeader("Content-Disposition", "attachment")
            if source.sidecar is not None:
                return await serve_file(request, source.sidecar, self.opener, self.peers)
        etag = f"{source.key}-{form}"
        if is_current(request, etag, immutable=query[VERSION] is not None):
            return b""
        make = self.texts.webvtt if form == "vtt" else self.texts.as_it_is
        return made(None, lambda: make(source, unit_of(request)))

    @route(
        f"{MEDIA}/attachments/<name>",
        params=(VERSION,),
        names=(_ATTACHMENT,),
        answers=sent(DOWNLOAD, *sorted(set(ATTACHMENT_TYPES.values())), also={**NOT_MODIFIED, **CHANGED}),
    )
    async def attachment(self, request: Request, file: MediaFile, name: str, query: Values) -> bytes | Body:
        """An attached file, such as a font for subtitles."""
        presented = await self.presentations.load(file, query[VERSION], unit_of(request))
        attachment = _attachment(presented, int(name))
        filename = attachment.filename or f"attachment-{name}"
        request.setHeader("Content-Type", ATTACHMENT_TYPES.get(filename.rpartition(".")[2].lower(), DOWNLOAD))
        request.setHeader("Content-Disposition", _disposition(filename))
        etag = f"{presented.film_tag}-attachment-{name}"
        if is_current(request, etag, immutable=query[VERSION] is not None):
            return b""
        return made(None, lambda: self.texts.attachment(presented.file, attachment, unit_of(request)))

    @route(f"{MEDIA}/chapters.vtt", params=(VERSION,), answers=sent(VTT, also={**NOT_MODIFIED, **CHANGED}))
    async def chapters(self, request: Request, file: MediaFile, query: Values) -> bytes:
        """The chapters as WebVTT; without cues if the file has none."""
        presented = await self.presentations.load(file, query[VERSION], unit_of(request))
        request.setHeader("Content-Type", FORMS["vtt"])
        etag = f"{presented.film_tag}-chapters"
        if is_current(request, etag, immutable=query[VERSION] is not None):
            return b""
        return chapters_webvtt(presented.media.chapters)


def _check_form(stream: SubtitleStream, form: str) -> None:
    """Raise `NotMedia` if a stream cannot be had in this format."""
    own = FILES.get(stream.codec)
    if form == own or (form == "vtt" and stream.text):
        return
    what = (
        "consists of text"
        if stream.text
        else "consists of images"
        if stream.codec in _IMAGES
        else "is of an unknown kind"
    )
    forms = [*(["vtt"] if stream.text else []), *([own] if own and own != "vtt" else [])]
    raise NotMedia(
        f"Subtitle stream {stream.position} ({stream.codec}) {what}; "
        + (f"it can be had as {' and '.join(forms)}." if forms else "it cannot be had as a file.")
    )


def _attachment(presented: PresentedFile, position: int) -> Attachment:
    attachments = presented.media.attachments
    if position >= len(attachments):
        raise NotFound(f"The file has {len(attachments)} attachments; the first is 0.")
    return attachments[position]


def _disposition(filename: str) -> str:
    """The header of a download with this name (RFC 6266)."""
    return f"attachment; filename*=UTF-8''{quote(filename.encode('utf-8', 'replace'), safe='')}"
