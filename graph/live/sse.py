"""graphql-sse's distinct connections: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md"""

from strawberry.http.streaming import SSETransport as StrawberrySSETransport

from graph.http import media_ranges

__all__ = ["SSETransport"]


class SSETransport(StrawberrySSETransport):
    """Strawberry's, for clients that say they take it."""

    def accepts(self, accept: str) -> bool:
        """Whether the client takes events."""
        return media_ranges(accept).get("text/event-stream", 0.0) > 0
