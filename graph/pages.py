"""The web pages: files that the build of the package left in graph/static, served with caching."""

from pathlib import Path

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

from graph.media import media_ranges

__all__ = ["page_routes", "playground"]

STATIC = Path(__file__).parent / "static"

PATHS = ("/", "/training/jobs", "/training/jobs/{id}", "/training/compare")
"""Addresses of the page: it finds out by itself what to show."""

HEADERS = {
    # The names of its scripts change with each build, its own does not: ask each time whether it is still the same.
    "Cache-Control": "no-cache",
    # Nothing from elsewhere. Styles may stand in the page: charts, toasts and the playground's editor set theirs so.
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'self'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "frame-src 'none'",
            "manifest-src 'none'",
            "media-src 'none'",
            "worker-src 'self' blob:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "object-src 'none'",
        )
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}


def page_routes() -> list[BaseRoute]:
    """The routes of the pages, and of the files they load. Raises RuntimeError where the pages were not built."""
    if not (STATIC / "index.html").is_file():
        raise RuntimeError("The pages are not built: run python web/build.py.")
    return [
        *(Route(path, _index) for path in PATHS),
        Route("/playground", playground),
        Route("/favicon.svg", _favicon),
        Mount("/assets", _Assets(directory=STATIC / "assets")),
        Route("/{path:path}", _nothing),
    ]


async def playground(request: Request) -> Response:
    """GraphiQL. At the API's own address it is what browsers get, and others do not."""
    response = _file("playground.html", request)
    response.headers.add_vary_header("Accept")
    return response


async def _index(request: Request) -> Response:
    return _file("index.html", request)


async def _nothing(request: Request) -> Response:
    """For a person the page, which says that there is none at this address."""
    if "text/html" not in request.headers.get("accept", ""):
        raise HTTPException(404)
    response = _file("index.html", request)
    response.status_code = 404
    return response


async def _favicon(request: Request) -> Response:
    return _file("favicon.svg", request)


def _file(name: str, request: Request) -> Response:
    response = _compressed_where_wanted(STATIC / name, request.headers)
    response.headers.update(HEADERS)
    return _unless_known(response, request.headers)


class _Assets(StaticFiles):
    """Files whose names are made from their content: whoever has one need not ask again."""

    def file_response(self, full_path: object, stat_result: object, scope: Scope, status_code: int = 200) -> Response:  # noqa: ARG002  # Starlette's signature
        """The file, compressed where that is understood."""
        headers = Headers(scope=scope)
        response = _compressed_where_wanted(Path(str(full_path)), headers)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return _unless_known(response, headers)


def _compressed_where_wanted(path: Path, request_headers: Headers) -> FileResponse:
    """The file, or what the build compressed of it. Named by the file's own type either way."""
    compressed = path.with_name(path.name + ".gz")
    if not compressed.is_file():
        return FileResponse(path, stat_result=path.stat())
    accepted = media_ranges(request_headers.get("accept-encoding", "")).get("gzip", 0.0) > 0
    sent = compressed if accepted else path
    plain_type = FileResponse(path).media_type
    response = FileResponse(sent, stat_result=sent.stat(), media_type=plain_type)
    response.headers["Vary"] = "Accept-Encoding"
    if accepted:
        response.headers["Content-Encoding"] = "gzip"
    return response


def _unless_known(response: FileResponse, request_headers: Headers) -> Response:
    """The response, or that it is what the client has already."""
    known = [tag.strip().removeprefix("W/") for tag in request_headers.get("if-none-match", "").split(",")]
    return NotModifiedResponse(response.headers) if response.headers["etag"] in known else response
