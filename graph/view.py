"""GraphQL at one address: over HTTP, over WebSocket, and, for browsers, the playground."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL

from graph.context import Context
from graph.live.delivery import Parts
from graph.live.stream import Streams
from graph.live.websocket import TransportWSAdapter, TransportWSHandler
from graph.playground import playground_html
from graph.schema import schema
from models.database import Database
from models.jobs import Jobs

__all__ = ["GraphQLView"]


class GraphQLView(GraphQL[Context, None]):
    """Strawberry's ASGI view with our context: mounted bare, for its FastAPI router costs a third of the speed."""

    websocket_adapter_class = TransportWSAdapter
    graphql_transport_ws_handler_class = TransportWSHandler

    def __init__(self, database: Database, jobs: Jobs, streams: Streams) -> None:
        super().__init__(schema, subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,))
        self._database = database
        self._jobs = jobs
        self._streams = streams

        self._parts = Parts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or socket, its queries asked of this app's store."""
        with self._database.scope():
            await super().__call__(scope, receive, send)

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:  # noqa: ARG002
        """What resolvers are given."""
        return Context(self._jobs, self._streams, self._parts)

    def decode_json(self, data: str | bytes) -> Any:
        """Strictly JSON: no NaN, no lone surrogates. Raises json.JSONDecodeError."""
        return orjson.loads(data)

    @property
    def graphql_ide_html(self) -> str:
        """The playground, with an example of everything."""
        return playground_html()
