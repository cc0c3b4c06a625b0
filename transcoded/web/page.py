"""The web page at `/`: static files of the package. The page loads nothing from other servers."""

from importlib.resources import files

import attrs
from twisted.web.server import Request

from transcoded.plan.errors import NotFound
from transcoded.plan.http.access import Access
from transcoded.web.answers import sent
from transcoded.web.route import route

_STATIC = files("transcoded.web") / "static"
_TYPES = {
    "css": b"text/css; charset=utf-8",
    "html": b"text/html; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "svg": b"image/svg+xml",
}
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
    b"connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'; "
    b"require-trusted-types-for 'script'"
)


@attrs.frozen
class PageRoutes:
    """The routes of the page. Its files are small, so they are read once and kept in memory."""

    _files: dict[str, bytes] = attrs.field(
        factory=lambda: {file.name: file.read_bytes() for file in _STATIC.iterdir() if file.is_file()}
    )

    @route("/", access=Access.OPEN, answers=sent("text/html"), strict=False)
    async def index(self, request: Request) -> bytes:
        """The page."""
        return self._send(request, "index.html")

    @route("/static/<name>", access=Access.OPEN, answers=sent("*/*"), strict=False)
    async def static(self, request: Request, name: str) -> bytes:
        """A script, style sheet or image of the page."""
        return self._send(request, name)

    def _send(self, request: Request, name: str) -> bytes:
        content = self._files.get(name)
        if content is None:
            raise NotFound("The page has no such file.")
        request.setHeader(b"Content-Type", _TYPES.get(name.rpartition(".")[2], b"application/octet-stream"))
        request.setHeader(b"Cache-Control", b"no-cache")
        request.setHeader(b"Content-Security-Policy", _POLICY)
        request.setHeader(b"Referrer-Policy", b"same-origin")
        return content
