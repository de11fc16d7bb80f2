"""graphql-transport-ws: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from types import MappingProxyType
from typing import Any, cast

import orjson
from graphql import GraphQLError
from starlette.websockets import WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import NonJsonMessageReceived, NonTextMessageReceived, WebSocketDisconnected
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler, Operation
from strawberry.subscriptions.protocols.graphql_transport_ws.types import (
    ConnectionInitMessage,
    Message,
    SubscribeMessage,
)
from strawberry.types.execution import ExecutionResult, PreExecutionError

from graph.admission.caller import Refusal
from graph.execution.body import json_value
from graph.execution.results import Encoded, logged_and_masked
from graph.telemetry.calls import current_call

__all__ = ["ACKNOWLEDGED", "TransportWSAdapter", "TransportWSHandler"]

ACKNOWLEDGED = "training_monitor.acknowledged"
"""In the scope of a socket once its connection_init is acknowledged: longer messages may come then."""
TRY_AGAIN_LATER = 1013
FORBIDDEN = 4403
TOO_LATE = 4408
TOO_MANY = 4429
MAX_ID = 256  # characters of an operation's id: clients count, or use 36 for a UUID
MAX_HELD = 16 * 2**20  # characters of the messages, all together, that the operations which run on a socket came with
MAX_REASON_BYTES = 123  # what a close frame has room for


class TransportWSAdapter(ASGIWebSocketAdapter):
    """Strawberry's socket, which yields only objects, and reports its end in one way, whichever side ended it."""

    view: Any  # a GraphQLView, which is made of this
    length = 0
    """Characters of the latest message."""

    async def iter_json(self, *, ignore_parsing_errors: bool = False) -> AsyncGenerator[object, None]:  # noqa: ARG002  # Strawberry's signature
        """The messages, as objects, each valid until the next is requested.

        Raises NonJsonMessageReceived, NonTextMessageReceived.
        """
        while self.ws.application_state is not WebSocketState.DISCONNECTED:
            event = await self.ws.receive()
            if event["type"] == "websocket.disconnect":
                if call := current_call():
                    call.closed(event.get("code", 1005), by_us=False)
                return
            if event.get("text") is None:
                raise NonTextMessageReceived
            try:
                message = await json_value(event["text"].encode(), self.view.operations.worker)
            except ValueError as error:
                raise NonJsonMessageReceived from error
            except GraphQLError as error:  # not parsed in time
                await self.close(TRY_AGAIN_LATER, error.message)
                return
            if not isinstance(message, dict):
                raise NonJsonMessageReceived
            self.length = len(event["text"])
            del event
            yield message
            message.clear()  # else a socket on which nothing more is said keeps the last one, however long

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


class TransportWSHandler(BaseGraphQLTransportWSHandler[Any, None]):
    """Strawberry's handler, strict about messages; an error of an operation ends that operation, not the socket."""

    websocket: TransportWSAdapter
    _lengths: Mapping[str, int] = MappingProxyType({})  # of the messages that the operations which run came with

    async def handle_message(self, message: Message) -> None:
        """Do what the message asks, or close the socket with 4400 where it is none of the protocol's."""
        if fault := _fault_of(cast("dict[str, Any]", message)):
            await self.handle_invalid_message(fault)
        elif message["type"] == "subscribe" and (wait := self.websocket.ws.scope.get("wait")) and wait():
            await self.websocket.close(TOO_MANY, "Too many requests")
        else:
            await super().handle_message(message)

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        """As the protocol has it; a payload of null is one that is left out."""
        if message.get("payload") is None:
            message = {"type": "connection_init"}
        try:
            await super().handle_connection_init(message)
        except Refusal as refusal:
            await self.websocket.close(TRY_AGAIN_LATER, str(refusal))
        if self.connection_acknowledged:
            self.websocket.ws.scope[ACKNOWLEDGED] = True
            self.context.caller.follow(self._revoked)
            self.connection_init_timeout_task = None  # it has been cancelled, and thousands of sockets keep theirs

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        """Begin an operation; one that comes with too much beside what others came with is answered with an error."""
        id, length = message["id"], self.websocket.length
        lengths = {other: its for other, its in self._lengths.items() if other in self.operations}
        if lengths and id not in lengths and sum(lengths.values()) + length > MAX_HELD:
            reason = f"The operations of this socket came with more than {MAX_HELD} characters: end one, or wait."
            error = GraphQLError(reason, extensions={"code": "TOO_MUCH_AT_ONCE"})
            await self.send_message({"id": id, "type": "error", "payload": [error.formatted]})
        else:
            self._lengths = {**lengths, id: length}
            await super().handle_subscribe(message)

    async def cleanup_operation(self, operation_id: str) -> None:
        """End an operation, whose task is cancelled."""
        operation = self.operations.get(operation_id)
        await super().cleanup_operation(operation_id)
        if operation is not None:
            operation.task = None  # it holds the operation

    def on_request_accepted(self) -> None:
        """Start the time limit of connection_init, which ends early where another socket takes this one's slot."""
        super().on_request_accepted()
        if self.context.slot:
            self.context.slot.add_done_callback(self._wait_no_longer)

    def _wait_no_longer(self, _: object) -> None:
        self.connection_timed_out = True
        self._parting = asyncio.create_task(self.websocket.close(TOO_LATE, "Connection initialisation timeout"))

    def _revoked(self) -> None:
        self._parting = asyncio.create_task(self.websocket.close(FORBIDDEN, "Forbidden"))

    async def shutdown(self) -> None:
        """End what runs on the socket."""
        if self.context.caller is not None:
            self.context.caller.unfollow(self._revoked)
        self.context.slot = None  # which knows of this
        await super().shutdown()

    async def run_operation(self, operation: Operation[Any, None]) -> None:
        """The operation's task: its results, then its end. A document that is wrong ends it, and not the socket."""
        socket = current_call()
        assert socket is not None
        call = socket.operation_within()
        frame = f'{{"id":{orjson.dumps(operation.id).decode()},"type":"next","payload":'
        try:
            results = await self.schema.stream(
                operation.query,
                variable_values=operation.variables,
                context_value=self.context,
                operation_name=operation.operation_name,
            )
            operation.variables = None  # the results have what they need of them
            async with aclosing(results):
                async for result in results:
                    if isinstance(result, Encoded):
                        await self.websocket.send_text(f"{frame}{result.json}}}")
                    elif isinstance(result, PreExecutionError):
                        return await operation.send_initial_errors(result.errors or [])
                    else:
                        await operation.send_next(cast("ExecutionResult", result))
            await operation.send_operation_message({"id": operation.id, "type": "complete"})
        except (WebSocketDisconnected, asyncio.CancelledError) as end:
            if call.kind != "subscription":  # a subscriber ends a stream so
                call.outcome = "cut"
            if isinstance(end, asyncio.CancelledError):
                raise
            self.operations.pop(operation.id, None)
        except Exception as error:  # noqa: BLE001  # logged; the operation ends, and the socket goes on
            errors = [GraphQLError(str(error), original_error=error)]
            await operation.send_initial_errors(logged_and_masked(errors))
        finally:
            call.end()


def _fault_of(message: dict[str, Any]) -> str | None:
    """What is wrong with the form of a message."""
    kind, payload = message.get("type"), message.get("payload")
    if not isinstance(kind, str):
        return "A message needs a type"
    if kind in {"subscribe", "complete"}:
        if not (isinstance(message.get("id"), str) and message["id"]):
            return f"A {kind} message needs an id"
        if len(message["id"]) > MAX_ID:
            return f"The id of a message has {MAX_ID} characters at most"
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
