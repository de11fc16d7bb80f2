"""A request that is not served, and how that is told."""

from collections.abc import Mapping

import orjson
from starlette.responses import Response

from graph.media import JSON

__all__ = ["Refusal"]


class Refusal(Exception):
    """A request that is not served. The message is for whoever sent it."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        """`status`: of HTTP; `code`: for programs, as `extensions.code` in the answer."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers

    def response(self) -> Response:
        """The answer that tells of it."""
        body = {"errors": [{"message": str(self), "extensions": {"code": self.code}}]}
        headers = {"Cache-Control": "no-store", **(self.headers or {})}
        return Response(orjson.dumps(body), self.status, headers, media_type=JSON)
