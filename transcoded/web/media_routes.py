"""From a path below /media/ to a file and what is asked of it, in one place for all routes.

`/media/L/show/stream.mp4` is the file of that name if there is one, and else a stream of the file `L/show`. So a real file
always wins, whatever it is called and in whichever folder it is. The disk is asked once for each request, and only for paths
that the one who asks may open: a refusal must not tell whether a file exists.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence

import attrs

from transcoded.plan.errors import MethodNotAllowed
from transcoded.run.files.library import MediaFile
from transcoded.web.route import MEDIA, Handler, Route

Locate = Callable[[Sequence[str]], Awaitable[MediaFile]]
"""Gives the first of these paths of the library that is a file; fails with `NotFound` or `NotMedia`."""

_PLACEHOLDER = re.compile("<([a-z_]+)>")


@attrs.frozen
class Candidate:
    """One reading of a URL: a route, asked of the file at `path`, with the other names of the URL."""

    path: str
    route: Route
    handler: Handler
    names: Mapping[str, str]


class MediaRoutes:
    """The routes below /media/, by what their URLs end in."""

    def __init__(self, marked: Sequence[tuple[Route, Handler]]) -> None:
        self._patterns = [(_pattern(route.url), route, handler) for route, handler in marked if route.of_media]

    def candidates(self, path: str) -> Sequence[Candidate]:
        """Every reading of the path behind /media/, that of the longest file's path first."""
        found = [
            Candidate(names.pop("path"), route, handler, names)
            for pattern, route, handler in self._patterns
            if (match := pattern.fullmatch(path)) is not None
            for names in [match.groupdict()]
        ]
        return sorted(found, key=lambda one: -len(one.path))


def allowed_methods(candidates: Sequence[Candidate]) -> Sequence[str]:
    """The methods that a URL with these readings may take."""
    return sorted({"OPTIONS", *(method for one in candidates for method in one.route.methods)})


async def resolve(
    candidates: Sequence[Candidate], opens: Callable[[str], bool], method: str, locate: Locate
) -> tuple[Candidate, MediaFile]:
    """The reading whose file exists, and that file.

    `opens` says whether a path may be opened by the one who asks; at least one may. What may not is not looked for: a file of
    a longer path makes a shorter one a directory, so the answer is the same whether or not it exists.
    """
    file = await locate(list(dict.fromkeys(one.path for one in candidates if opens(one.path))))
    readings = [one for one in candidates if one.path == file.path]
    for one in readings:
        if method in one.route.methods:
            return one, file
    raise MethodNotAllowed(allowed_methods(readings))


def _pattern(url: str) -> "re.Pattern[str]":
    """A route's URL as a pattern of what stands behind /media/."""
    parts = _PLACEHOLDER.split(url.removeprefix(MEDIA))
    ends = "".join(f"(?P<{part}>[^/]+)" if place % 2 else re.escape(part) for place, part in enumerate(parts))
    return re.compile(f"(?s:(?P<path>.+)){ends}")
