"""GraphQL at one address: over HTTP, over WebSocket, and, for browsers, the playground."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from typing import Any, cast

import orjson
from cross_web import AsyncHTTPRequestAdapter, HTTPException, StarletteRequestAdapter
from graphql import get_operation_ast
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError, MissingQueryError
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData
from strawberry.http.streaming import AsyncTextStream, HTTPStreamTransport
from strawberry.http.types import QueryParams
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.subscriptions import (
    GRAPHQL_SSE_PROTOCOL,
    GRAPHQL_TRANSPORT_WS_PROTOCOL,
    MULTIPART_SUBSCRIPTION_PROTOCOL,
)
from strawberry.types import ExecutionResult, SubscriptionExecutionResult
from strawberry.types.graphql import OperationType
from strawberry.types.unset import UNSET, UnsetType

from graph import http
from graph.access.access import Access
from graph.access.caller import Caller, unknown
from graph.context import Context
from graph.fast.answers import Answers
from graph.fast.documents import get_to_know, known
from graph.fast.mutation import DoneJobs
from graph.limits.limits import Limits
from graph.live.delivery import Encoded, Parts
from graph.live.http_stream import with_signs_of_life
from graph.live.multipart import MultipartTransport
from graph.live.sse import SSETransport
from graph.live.stream import Streams
from graph.live.websocket import TransportWSAdapter, TransportWSHandler
from graph.pages import playground
from graph.refusal import Refusal
from graph.schema import schema
from graph.settings import Settings
from graph.telemetry.call import call_in
from models.curves import Curves
from models.database import Database
from models.jobs import Jobs

__all__ = ["GraphQLView"]


PLACE = "training_monitor.place"
"""In the scope of a request that has one among the sockets, for its answer stays open."""


class Payload(dict[str, Any]):
    """An answer that is encoded already."""

    def __init__(self, json: str) -> None:
        super().__init__()
        self.json = json


class RequestAdapter(StarletteRequestAdapter):
    """Strawberry's view of a request, in which a media type is what it is in any case, whatever stands beside it."""

    @property
    def content_type(self) -> str | None:
        """The media type of the body."""
        return http.media_type_of(super().content_type or "")[0]

    @property
    def scope(self) -> Scope:
        """The request's."""
        return self._request.scope

    async def get_body(self) -> bytes:
        """The body. Raises HTTPException 413 where it is longer than the settings allow."""
        return await http.body_of(self._request.receive, self._request.state.max_body_bytes)


class GraphQLView(GraphQL[Context, None]):
    """Strawberry's ASGI view with our context: mounted bare, for its FastAPI router costs a third of the speed."""

    request_adapter_class = RequestAdapter
    websocket_adapter_class = TransportWSAdapter
    graphql_transport_ws_handler_class = TransportWSHandler

    def __init__(
        self, settings: Settings, database: Database, jobs: Jobs, streams: Streams, curves: Curves, access: Access
    ) -> None:
        super().__init__(
            schema,
            subscription_protocols=(
                GRAPHQL_TRANSPORT_WS_PROTOCOL,
                GRAPHQL_SSE_PROTOCOL,
                MULTIPART_SUBSCRIPTION_PROTOCOL,
            ),
            connection_init_wait_timeout=timedelta(seconds=settings.init_seconds),
            max_subscriptions_per_connection=settings.max_socket_operations,
        )
        self._stream_transport_map = {
            transport.protocol: transport
            for transport in (SSETransport(settings.ping_seconds), MultipartTransport(settings.ping_seconds))
        }
        self._max_body_bytes = settings.max_message_bytes
        self._max_sockets = settings.max_sockets
        self._sockets = 0
        self._open_streams = 0
        self._database = database
        self._jobs = jobs
        self._streams = streams
        self._curves = curves
        self._access = access
        self._parts = Parts()
        self._limits = Limits.of(settings)
        self._answers = Answers(schema._schema, self._limits, database, jobs)  # noqa: SLF001  # Strawberry's own has no plans
        self._ending = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or socket, its queries asked of this app's store."""
        with self._database.scope():
            if scope["type"] == "websocket":
                await self._serve_socket(WebSocket(scope, receive, send))
            else:
                try:
                    await self._serve_request(scope, receive, send)
                finally:
                    if PLACE in scope:
                        self._sockets -= 1

    async def _serve_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            quick = http.quick_media_type(scope)
            jobs: Jobs | DoneJobs = self._jobs
            if quick is not None:
                body = await http.body_of(receive, self._max_body_bytes)
                _check_token(scope)
                answer = await self._answers.answer(body, may_write=scope["caller"].may_write)
                if isinstance(answer, bytes):
                    await http.send_answer(send, answer, quick)
                    return
                if answer is not None:
                    jobs = DoneJobs(answer)
                receive = http.once_more(body, receive)
            request = Request(scope, receive)
            request.state.max_body_bytes = self._max_body_bytes
            request.state.jobs = jobs
            response = await self.run(request)
        except HTTPException as refusal:
            response = _refused(scope, refusal)
        except Refusal as refusal:
            response = refusal.response()
        except ClientDisconnect:
            return
        except asyncio.CancelledError:
            if not self._ending.is_set():
                raise
            response = _refused(scope, HTTPException(503, "The server is stopping; try again."))
        await response(scope, receive, send)

    async def _serve_socket(self, socket: WebSocket) -> None:
        if self._sockets >= self._max_sockets:
            if call := call_in(socket.scope):
                call.refused(503)
            await socket.send_denial_response(Response("Too many sockets are open.", 503, {"Retry-After": "10"}))
            return
        self._sockets += 1
        try:
            await self.run(socket)
        finally:
            self._sockets -= 1

    def is_websocket_origin_allowed(self, request: WebSocket, origin: str) -> bool:  # noqa: ARG002  # Strawberry's signature
        """Any that comes here: the doors have looked at it."""
        return True

    async def render_graphql_ide(self, request: Request) -> Response:
        """The playground, for a browser that opens the API's own address."""
        return await playground(request)

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:  # noqa: ARG002  # Strawberry's signature
        """What resolvers are given."""
        jobs = request.state.jobs if isinstance(request, Request) else self._jobs
        return Context(request.scope["caller"], self._limits, jobs, self._streams, self._parts, self._curves)

    async def on_ws_connect(self, context: Context) -> UnsetType:
        """Let a socket in, or not. Raises ConnectionRejectionError, Refusal."""
        payload, context.connection_params = context.connection_params or {}, None
        context.caller = await self._access.of_socket(context.caller, payload)
        if context.caller is None:
            raise ConnectionRejectionError
        nothing_to_add: UnsetType = UNSET
        return nothing_to_add

    async def get_sub_response(self, request: Request | WebSocket) -> Response:
        """The beginning of a response, which knows what the client accepts."""
        sub_response = await super().get_sub_response(request)
        # Streams have media types of their own; the playground is for browsers.
        streams = self._get_stream_transport_from_headers(request.headers) is not None
        answers = not streams or http.answers_by_name(request.headers)
        if answers and not _is_for_a_browser(request):
            sub_response.media_type = http.accepted_media_type(request.headers)
        return sub_response

    async def parse_http_body(self, request: AsyncHTTPRequestAdapter) -> GraphQLRequestData | list[GraphQLRequestData]:
        """The operation that is asked for. Raises HTTPException where it is none."""
        http.check_body_type(request)
        request_data = await super().parse_http_body(request)
        if isinstance(request_data, GraphQLRequestData):
            http.check_request(request_data)
            if request_data.query:
                await get_to_know(schema._schema, self._limits, request_data.query)  # noqa: SLF001  # as above
            streams = request_data.protocol != "http"
            if streams and http.answers_by_name(request.headers) and self._has_one_answer(request_data):
                # A client that takes both, as urql does, wants a stream of what streams.
                request_data.protocol = "http"
            if request_data.protocol != "http":
                self._take_place(cast("RequestAdapter", request))
        return request_data

    def _has_one_answer(self, request: GraphQLRequestData) -> bool:
        """Whether the operation is a query or a mutation; what is neither is refused in whatever form was asked for."""
        return self._kind_of(request) in {OperationType.QUERY, OperationType.MUTATION}

    def _kind_of(self, request: GraphQLRequestData | list[GraphQLRequestData]) -> OperationType | None:
        """What the operation is; None where it cannot be told, or where there are several."""
        if isinstance(request, list) or not isinstance(request.query, str):
            return None
        document = known(schema._schema, self._limits, request.query).document  # noqa: SLF001  # as above
        operation = get_operation_ast(document, request.operation_name) if document else None
        return None if operation is None else OperationType(operation.operation.value)

    def _take_place(self, request: RequestAdapter) -> None:
        if self._sockets >= self._max_sockets:
            raise HTTPException(503, "Too many sockets and streams are open.")
        self._sockets += 1
        request.scope[PLACE] = True

    def parse_query_params(self, params: QueryParams) -> dict[str, Any]:
        """The operation that an address asks for; a member of null is one that is left out."""
        return super().parse_query_params({name: value for name, value in params.items() if value != "null"})

    def parse_json(self, data: str | bytes) -> Any:
        """A JSON object, or a list for Strawberry to refuse. Raises HTTPException."""
        try:
            value = super().parse_json(data)
        except HTTPException as refusal:
            raw = data.encode() if isinstance(data, str) else data
            if b"NaN" not in raw and b"Infinity" not in raw:
                raise
            hint = "JSON has no NaN and no Infinity: send such a value by its name in `values`, as `nonFinite`."
            raise HTTPException(400, hint) from refusal
        if not isinstance(value, dict | list):
            raise HTTPException(400, "The request must be a JSON object.")
        return value

    async def execute_operation(
        self,
        request: Request,
        request_adapter: AsyncHTTPRequestAdapter,
        request_data: GraphQLRequestData | list[GraphQLRequestData],
        context: Context,
        *args: Any,
        **kwargs: Any,
    ) -> ExecutionResult | list[ExecutionResult] | SubscriptionExecutionResult:
        """The result of an operation, or its stream. Raises HTTPException, and Refusal where it may not be done."""
        _check_token(request.scope)
        caller: Caller = request.scope["caller"]
        # The schema refuses these too, but a response that has begun to stream has no status any more.
        by_get = request.method == "GET"
        if (by_get or not caller.may_write) and self._kind_of(request_data) is OperationType.MUTATION:
            raise HTTPException(405, "mutations are not allowed when using GET") if by_get else caller.refusal()
        return await super().execute_operation(request, request_adapter, request_data, context, *args, **kwargs)

    async def execute_single(
        self,
        request: Request,
        request_adapter: AsyncHTTPRequestAdapter,
        sub_response: Response,  # noqa: ARG002  # Strawberry's signature
        context: Context,
        root_value: None,
        request_data: GraphQLRequestData,
    ) -> ExecutionResult:
        """The result of a query or a mutation. Raises HTTPException."""
        try:
            return await self.schema.execute(
                request_data.query,
                root_value=root_value,
                variable_values=request_data.variables,
                context_value=context,
                operation_name=request_data.operation_name,
                allowed_operation_types=OperationType.from_http(request_adapter.method) - {OperationType.SUBSCRIPTION},
                operation_extensions=request_data.extensions,
            )
        except MissingQueryError as error:
            raise HTTPException(400, "No GraphQL query found in the request") from error
        except CannotGetOperationTypeError as error:
            raise HTTPException(400, error.as_http_error_reason()) from error
        except InvalidOperationTypeError as error:
            if error.operation_type is OperationType.SUBSCRIPTION:
                reason = "A subscription needs a WebSocket, or an Accept of text/event-stream or multipart/mixed."
                raise HTTPException(400, reason) from error
            raise HTTPException(405, error.as_http_error_reason(request.method)) from error

    async def process_result(self, request: Request, result: ExecutionResult) -> GraphQLHTTPResponse:  # noqa: ARG002  # Strawberry's signature
        """The answer to a result."""
        return Payload(result.json) if isinstance(result, Encoded) else http.payload_of(result)  # type: ignore[return-value]  # a dict for the type checker, and encoded for encode_json

    def _stream_result(
        self, request: Request, result: SubscriptionExecutionResult, transport: HTTPStreamTransport
    ) -> AsyncTextStream:
        """The body of a response that streams: with a sign of life now and then, and forgotten when its client is gone.

        A server that ends closes the response without saying that the operation is complete: it is not, and a client
        that knows it will ask again.
        """

        async def body() -> AsyncGenerator[str, None]:
            caller: Caller = request.scope["caller"]
            revoked = asyncio.Event()
            caller.follow(revoked.set)
            stops = {asyncio.create_task(one) for one in (self._ending.wait(), _gone(request), revoked.wait())}
            self._open_streams += 1
            try:
                async with aclosing(with_signs_of_life(result, transport.heartbeat_interval, stops)) as results:
                    if isinstance(transport, MultipartTransport):
                        yield transport.beginning
                    async for value in results:
                        if value is None:
                            yield transport.heartbeat_message(self.encode_json_string)
                        else:
                            answer = await self.process_result(request, value)
                            yield transport.encode_next(answer, self.encode_json_string)
                    if not any(stop.done() for stop in stops):
                        yield transport.encode_complete()
            finally:
                self._open_streams -= 1
                caller.unfollow(revoked.set)
                for stop in stops:
                    stop.cancel()
                await cast("AsyncGenerator[ExecutionResult, None]", result).aclose()

        return body

    @property
    def open_sockets(self) -> int:
        """Sockets that are open now."""
        return self._sockets - self._open_streams

    @property
    def open_streams(self) -> int:
        """Answers over HTTP that stream now."""
        return self._open_streams

    def end_streams(self) -> None:
        """Let the streams over HTTP end: the server is about to."""
        self._ending.set()

    def create_response(
        self, response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse], sub_response: Response
    ) -> Response:
        """The response, in the media type that the client accepts."""
        media_type = sub_response.media_type or http.JSON
        return Response(
            self.encode_json(response_data),
            http.status_of(response_data, media_type),
            {"Cache-Control": "no-store"},
            media_type=media_type,
        )

    def decode_json(self, data: str | bytes) -> Any:
        """Strictly JSON: no NaN, no lone surrogates. Raises json.JSONDecodeError."""
        return orjson.loads(data)

    def encode_json(self, data: object) -> bytes:
        """The bytes of an answer."""
        return data.json.encode() if isinstance(data, Payload) else orjson.dumps(data)


def _check_token(scope: Scope) -> None:
    """Raise Refusal where a token was revoked while the request came."""
    if scope["caller"].ended:
        raise unknown()


def _is_for_a_browser(request: Request | WebSocket) -> bool:
    return request.scope.get("method") == "GET" and "text/html" in request.headers.get("accept", "")


async def _gone(request: Request) -> None:
    """Return when the client has hung up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _refused(scope: Scope, refusal: HTTPException) -> Response:
    if call := call_in(scope):
        call.refused(refusal.status_code)
    headers = {"Cache-Control": "no-store"}
    if refusal.status_code == 405:
        headers["Allow"] = "POST" if scope["method"] == "GET" else "GET, POST"
    if refusal.status_code == 503:
        headers["Retry-After"] = "10"
    body = orjson.dumps({"errors": [{"message": refusal.reason}]})
    return Response(body, refusal.status_code, headers, media_type=http.JSON)
