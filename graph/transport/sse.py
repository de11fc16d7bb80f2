"""graphql-sse's distinct connections: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md"""

from strawberry.http.streaming import SSETransport as StrawberrySSETransport

from graph.media import media_ranges

__all__ = ["SSETransport"]


class SSETransport(StrawberrySSETransport):
    """Strawberry's, for clients that say they take it."""

    def accepts(self, accept: str) -> bool:
        """Whether the client takes events."""
        return media_ranges(accept).get("text/event-stream", 0.0) > 0

    def encode_event(self, event: str, data: str | None = None) -> str:
        """One event. With bare line feeds, and nothing after the colon where there is no data: urql knows no others."""
        return f"event: {event}\ndata: {data}\n\n" if data else f"event: {event}\ndata:\n\n"

    def encode_comment(self, comment: str) -> str:
        """A line that clients pass over."""
        return f": {comment}\n\n"
