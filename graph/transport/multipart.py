"""Multipart subscriptions, as Apollo's clients speak them.

https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol
"""

from collections.abc import Mapping

from strawberry.http import GraphQLHTTPResponse
from strawberry.http.streaming import JSONEncoder, MultipartSubscriptionTransport, SSETransport

from graph.media import media_type_of

__all__ = ["MultipartTransport"]


class MultipartTransport(MultipartSubscriptionTransport):
    """Strawberry's, with the delimiters where RFC 2046 has them.

    A part ends with the delimiter of the next, so that a client need not wait for the next to know that it is whole;
    the first delimiter is therefore the stream's beginning, and the last needs only its closing hyphens.
    """

    beginning = "--graphql"

    @property
    def headers(self) -> Mapping[str, str]:
        """Those of SSE: without them a proxy buffers the stream."""
        return {**SSETransport.headers, **super().headers}

    def accepts(self, accept: str) -> bool:
        """Whether the client takes parts."""
        return any(self.accepts_content_type(*media_type_of(part)) for part in accept.split(","))

    def encode_next(self, response: GraphQLHTTPResponse, encode_json: JSONEncoder) -> str:
        """A result as a part."""
        return self._part(f'{{"payload":{encode_json(response)}}}')

    def heartbeat_message(self, encode_json: JSONEncoder) -> str:  # noqa: ARG002  # Strawberry's signature
        """An empty part, which clients pass over."""
        return self._part("{}")

    def encode_complete(self) -> str:
        """What turns the last delimiter into the end."""
        return "--\r\n"

    def _part(self, body: str) -> str:
        return f"\r\nContent-Type: application/json; charset=utf-8\r\n\r\n{body}\r\n{self.beginning}"
