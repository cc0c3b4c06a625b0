"""The routes of subtitles over HLS: a playlist of windows, and each window as WebVTT.

/media/{path}/cmaf/s{number}/index.m3u8    the media playlist of text subtitles `number`
/media/{path}/cmaf/s{number}/N.vtt         window N (`plan.subtitles.windows`), from 0
"""

import attrs
from twisted.web.server import Request

from transcoded.plan.cmaf import hls
from transcoded.plan.cmaf.renditions import SubtitleRendition
from transcoded.plan.errors import NotFound
from transcoded.plan.http.parameters import Values, matching
from transcoded.plan.subtitles.windows import window_lengths
from transcoded.run.files.library import MediaFile
from transcoded.run.media.windows import SubtitleWindows
from transcoded.run.streams.viewings import Viewings
from transcoded.web.adaptive import SELECTION, child_query, selection_of
from transcoded.web.answers import Body, made, sent
from transcoded.web.caching import CHANGED, NOT_MODIFIED, is_current
from transcoded.web.guard import Guard
from transcoded.web.playlists import Playlists, filled_text
from transcoded.web.presentations import VERSION, Presentations
from transcoded.web.request import unit_of, viewer_of
from transcoded.web.route import MEDIA, route
from transcoded.web.subtitles import FORMS, VTT

_PLAYLIST = "index.m3u8"
_NUMBER = matching("number", ("0|[1-9][0-9]{0,3}",), "give the number of a stream, from 0.", str, "")
_PART = matching("name", ("index\\.m3u8", "(0|[1-9][0-9]{0,6})\\.vtt"), "give index.m3u8 or a window 0.vtt.", str, "")


@attrs.frozen
class WindowRoutes:
    """The routes."""

    presentations: Presentations
    playlists: Playlists
    windows: SubtitleWindows
    guard: Guard
    viewings: Viewings

    @route(
        f"{MEDIA}/cmaf/s<number>/<name>",
        params=(VERSION, *SELECTION),
        names=(_NUMBER, _PART),
        answers=sent(hls.CONTENT_TYPE, VTT, also={**NOT_MODIFIED, **CHANGED}),
    )
    async def part(self, request: Request, file: MediaFile, number: str, name: str, query: Values) -> bytes | Body:
        """The media playlist of text subtitles, or a window of them as WebVTT."""
        self.viewings.check(viewer_of(request), file)
        presented = await self.presentations.load(file, query[VERSION], unit_of(request))
        selection = selection_of(query)
        found = await self.presentations.rendition(presented, f"s{number}", unit_of(request), selection)
        if not isinstance(found, SubtitleRendition):
            raise NotFound("These are no subtitles.")
        if name == _PLAYLIST:
            text = await self.playlists.text((found.id, presented.tag), lambda: hls.media_playlist(found))
            children = child_query(self.guard, request, presented, selection)
            return filled_text(request, text, hls.fillings(children), hls.CONTENT_TYPE)
        window, count = int(name.partition(".")[0]), len(window_lengths(found.duration))
        if window >= count:
            raise NotFound(f"The subtitles have windows 0 to {count - 1}.")
        source = presented.subtitles(int(number))
        request.setHeader("Content-Type", FORMS["vtt"])
        if is_current(request, f"{source.key}-{window}", immutable=query[VERSION] is not None):
            return b""
        return made(None, lambda: self.windows.window(source, window, unit_of(request)))
