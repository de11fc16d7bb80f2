"""graphql-transport-ws: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md"""

from collections.abc import AsyncGenerator, Mapping
from typing import Any, cast

import orjson
from graphql import GraphQLError
from starlette.websockets import WebSocketDisconnect
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import NonJsonMessageReceived, WebSocketDisconnected
from strawberry.schema.schema import StreamResult
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler, Operation
from strawberry.subscriptions.protocols.graphql_transport_ws.types import ConnectionInitMessage, Message

from graph.context import Context
from graph.live.delivery import Encoded

__all__ = ["TransportWSAdapter", "TransportWSHandler"]

MAX_REASON_BYTES = 123
"""What a close frame has room for."""


class TransportWSAdapter(ASGIWebSocketAdapter):
    """Strawberry's socket, which gives nothing but objects, and whose end is told in one way, whoever ended it."""

    async def iter_json(self, *, ignore_parsing_errors: bool = False) -> AsyncGenerator[object, None]:
        """The messages, as objects. Raises NonJsonMessageReceived, NonTextMessageReceived."""
        async for message in super().iter_json(ignore_parsing_errors=ignore_parsing_errors):
            if not isinstance(message, dict):
                raise NonJsonMessageReceived
            yield message

    async def send_json(self, message: Mapping[str, object]) -> None:
        """Send a message. Raises WebSocketDisconnected where the socket is closed."""
        await self.send_text(orjson.dumps(message).decode())

    async def send_text(self, text: str) -> None:
        """Send a message that is encoded already. Raises WebSocketDisconnected where the socket is closed."""
        try:
            await self.ws.send({"type": "websocket.send", "text": text})
        except (WebSocketDisconnect, RuntimeError) as closed:  # RuntimeError: Starlette's, once we have closed it
            raise WebSocketDisconnected from closed

    async def close(self, code: int, reason: str) -> None:
        """Close the socket, if it is not closed yet."""
        room = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
        try:
            await self.ws.close(code=code, reason=room)
        except (WebSocketDisconnect, RuntimeError):
            return


class TransportWSHandler(BaseGraphQLTransportWSHandler[Context, None]):
    """Strawberry's handler, strict about messages, and mild about operations: what is wrong with one ends that one."""

    websocket: TransportWSAdapter

    async def handle_message(self, message: Message) -> None:
        """Do what the message asks, or close the socket with 4400 where it is none of the protocol's."""
        if fault := _fault_of(cast("dict[str, Any]", message)):
            await self.handle_invalid_message(fault)
        else:
            await super().handle_message(message)

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        """As the protocol has it; a payload of null is one that is left out."""
        if message.get("payload") is None:
            message = {"type": "connection_init"}
        await super().handle_connection_init(message)

    async def run_operation(self, operation: Operation[Context, None]) -> None:
        """The operation's task: its results, then its end."""
        try:
            await super().run_operation(operation)
        except WebSocketDisconnected:
            self.operations.pop(operation.id, None)

    async def handle_task_exception(self, error: Exception) -> None:
        """Log what a task raised, unless it is only that the client is gone."""
        if not isinstance(error, WebSocketDisconnected):
            await super().handle_task_exception(error)

    async def _send_result_stream(self, operation: Operation[Context, None], result_source: StreamResult) -> None:
        frame = f'{{"id":{orjson.dumps(operation.id).decode()},"type":"next","payload":'

        async def rest() -> AsyncGenerator[Any, None]:
            async for result in result_source:
                if isinstance(result, Encoded):
                    if not operation.completed:
                        await self.websocket.send_text(f"{frame}{result.json}}}")
                else:
                    yield result

        await super()._send_result_stream(operation, rest())

    @staticmethod
    def _get_pre_execution_close_reason(error: GraphQLError) -> str | None:  # noqa: ARG004  # Strawberry's signature
        """None: a document that is wrong ends its operation, and leaves the socket to the others."""
        return None


def _fault_of(message: dict[str, Any]) -> str | None:
    """What is wrong with the form of a message."""
    kind, payload = message.get("type"), message.get("payload")
    if not isinstance(kind, str):
        return "A message needs a type"
    if kind in {"subscribe", "complete"} and not (isinstance(message.get("id"), str) and message["id"]):
        return f"A {kind} message needs an id"
    if kind != "subscribe":
        return None if payload is None or isinstance(payload, dict) else f"The payload of {kind} must be an object"
    if not isinstance(payload, dict) or not isinstance(payload.get("query"), str):
        return "A subscribe message needs a payload with a query"
    if not isinstance(payload.get("operationName"), str | None):
        return "operationName must be a string"
    for name in ("variables", "extensions"):
        if not isinstance(payload.get(name), dict | None):
            return f"{name} must be an object"
    return None
