"""From a path below /media/ to a file and a route of it, in one place for all routes.

`/media/L/show/stream.mp4` is the file of that name if it exists, otherwise a stream of the file `L/show`. So an existing file
can always be reached, whatever its name and its directory are. A name that is not UTF-8 can be percent-encoded byte by byte, or be
written as JSON writes it, and that percent-encoded as usual (`plan.http.names`). The disk is read once for each request, and only for paths
that the session may open: a refusal must not show whether a file exists.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence

import attrs

from transcoded.plan.errors import MethodNotAllowed
from transcoded.plan.http.names import meanings
from transcoded.run.files.library import MediaFile
from transcoded.web.route import MEDIA, Handler, Route

Locate = Callable[[Sequence[str]], Awaitable[MediaFile]]
"""Returns the first of these paths of the library that is a file; raises `NotFound` or `NotMedia`."""

_PLACEHOLDER = re.compile("<([a-z_]+)>")


@attrs.frozen
class Candidate:
    """One possible meaning of a URL: a route for the file at `path`. `names` are the other placeholders of the URL."""

    path: str
    route: Route
    handler: Handler
    names: Mapping[str, str]


class MediaRoutes:
    """The routes below /media/, found by the ends of their URLs."""

    def __init__(self, marked: Sequence[tuple[Route, Handler]]) -> None:
        self._patterns = [(_pattern(route.url), route, handler) for route, handler in marked if route.of_media]

    def candidates(self, path: str) -> Sequence[Candidate]:
        """All possible meanings of the path after /media/, the one with the longest path of a file first."""
        found = [
            (len(names["path"]), place, Candidate(meaning, route, handler, others))
            for pattern, route, handler in self._patterns
            if (match := pattern.fullmatch(path)) is not None
            for names in [match.groupdict()]
            for others in [{name: text for name, text in names.items() if name != "path"}]
            for place, meaning in enumerate(meanings(names["path"]))
        ]
        return [one for _, _, one in sorted(found, key=lambda one: (-one[0], one[1]))]


def allowed_methods(candidates: Sequence[Candidate]) -> Sequence[str]:
    """The methods of all these candidates, and OPTIONS."""
    return sorted({"OPTIONS", *(method for one in candidates for method in one.route.methods)})


async def resolve(
    candidates: Sequence[Candidate], opens: Callable[[str], bool], method: str, locate: Locate
) -> tuple[Candidate, MediaFile]:
    """The candidate whose file exists, and that file.

    `opens` tells whether the session may open a path; it may open at least one. Other paths are not looked up: if a file
    exists at a longer path, a shorter one is a directory, so the answer is the same whether or not the file exists.

    Raises `MethodNotAllowed`, and what `locate` raises.
    """
    file = await locate(list(dict.fromkeys(one.path for one in candidates if opens(one.path))))
    matching = [one for one in candidates if one.path == file.path]
    for one in matching:
        if method in one.route.methods:
            return one, file
    raise MethodNotAllowed(allowed_methods(matching))


def _pattern(url: str) -> "re.Pattern[str]":
    """A route's URL as a pattern for the path after /media/."""
    parts = _PLACEHOLDER.split(url.removeprefix(MEDIA))
    ends = "".join(f"(?P<{part}>[^/]+)" if place % 2 else re.escape(part) for place, part in enumerate(parts))
    return re.compile(f"(?s:(?P<path>.+)){ends}")
