"""The web pages: files that the build of the package left in graph/static, served with caching."""

import gzip
import hashlib
from pathlib import Path

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

from graph.media import media_ranges

__all__ = ["Pages"]

STATIC = Path(__file__).parent / "static"

PATHS = ("/", "/training/jobs", "/training/jobs/{id}", "/training/compare")
"""Addresses of the page: it finds out by itself what to show."""

HEADERS = {
    # The names of its scripts change with each build, its own does not: a browser must check each time.
    "Cache-Control": "no-cache",
    # Nothing from elsewhere. Styles may stand in the page: charts, toasts and the playground's editor set theirs so.
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; worker-src 'self' blob:; base-uri 'self'; frame-src 'none'; manifest-src 'none'; "
    "media-src 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}


class Pages:
    """The pages of one server, which know the prefix that it is reached below."""

    def __init__(self, root_path: str) -> None:
        """Raises RuntimeError where the pages were not built."""
        if not (STATIC / "index.html").is_file():
            raise RuntimeError("The pages are not built: run python web/build.py.")
        self._index = _Document(_html("index.html", root_path), "text/html")
        self._playground = _Document(_html("playground.html", root_path), "text/html")
        self._favicon = _Document((STATIC / "favicon.svg").read_text(), "image/svg+xml")
        self.sign_in = _html("sign-in.html", root_path)
        """The HTML of the page to sign in."""

    @property
    def routes(self) -> list[BaseRoute]:
        """The routes of the pages, and of the files they load."""
        return [
            *(Route(path, self._index.serve) for path in PATHS),
            Route("/playground", self.playground),
            Route("/favicon.svg", self._favicon.serve),
            Mount("/assets", _Assets(directory=STATIC / "assets")),
            Route("/{path:path}", self._not_found),
        ]

    async def playground(self, request: Request) -> Response:
        """GraphiQL. At the API's own address browsers get it, and other clients do not."""
        response = await self._playground.serve(request)
        response.headers.add_vary_header("Accept")
        return response

    async def _not_found(self, request: Request) -> Response:
        """404: for a browser with the page, which says so."""
        if "text/html" not in request.headers.get("accept", ""):
            raise HTTPException(404)
        response = await self._index.serve(request)
        response.status_code = 404
        return response


class _Document:
    """A document of the build that has an address of its own, compressed once."""

    def __init__(self, text: str, media_type: str) -> None:
        self._plain = text.encode()
        self._media_type = media_type
        self._compressed = gzip.compress(self._plain, mtime=0)
        self._etag = hashlib.sha256(self._plain).hexdigest()[:32]

    async def serve(self, request: Request) -> Response:
        """The document, or 304 where the client has it already."""
        is_compressed = _accepts_gzip(request.headers)
        headers = {**HEADERS, "Vary": "Accept-Encoding", "ETag": f'"{self._etag}{"-gzip" if is_compressed else ""}"'}
        if is_compressed:
            headers["Content-Encoding"] = "gzip"
        body = self._compressed if is_compressed else self._plain
        return _unless_known(Response(body, 200, headers, self._media_type), request.headers)


def _html(name: str, root_path: str) -> str:
    """A document of the build, whose addresses are relative to the server's prefix."""
    return (STATIC / name).read_text().replace('<base href="/">', f'<base href="{root_path}/">', 1)


class _Assets(StaticFiles):
    """Files whose names are made from their content: a client that has one need not request it again."""

    def file_response(self, full_path: object, stat_result: object, scope: Scope, status_code: int = 200) -> Response:  # noqa: ARG002  # Starlette's signature
        """The file, compressed where that is understood."""
        headers = Headers(scope=scope)
        caching = {"Cache-Control": "public, max-age=31536000, immutable"}
        path, compressed = Path(str(full_path)), Path(f"{full_path}.gz")
        if compressed.is_file():
            caching["Vary"] = "Accept-Encoding"
            if _accepts_gzip(headers):
                path, caching["Content-Encoding"] = compressed, "gzip"
        response = FileResponse(path, headers=caching, stat_result=path.stat())  # typed as without .gz
        return _unless_known(response, headers)


def _accepts_gzip(request_headers: Headers) -> bool:
    return media_ranges(request_headers.get("accept-encoding", "")).get("gzip", 0.0) > 0


def _unless_known(response: Response, request_headers: Headers) -> Response:
    """The response, or 304 where the client has it already."""
    known = [tag.strip().removeprefix("W/") for tag in request_headers.get("if-none-match", "").split(",")]
    return NotModifiedResponse(response.headers) if response.headers["etag"] in known else response
