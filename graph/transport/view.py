"""GraphQL at one address: over HTTP, over WebSocket, and, for browsers, the playground."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from typing import Any, cast

import orjson
from cross_web import AsyncHTTPRequestAdapter, HTTPException
from graphql import GraphQLError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData
from strawberry.http.types import QueryParams
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult, SubscriptionExecutionResult
from strawberry.types.graphql import OperationType
from strawberry.types.unset import UNSET, UnsetType

from graph.admission.access import Access
from graph.admission.caller import Caller, Refusal, unknown
from graph.admission.connection_slots import SLOT, ConnectionSlots
from graph.context import Context, Services
from graph.execution.body import Body
from graph.execution.results import is_refused, json_of
from graph.media import JSON, RESPONSE_JSON, accepted_media_type, answers_by_name
from graph.pages import Pages
from graph.schema import schema
from graph.settings import Settings
from graph.transport.http import RequestAdapter, check_body_type, operation_of, quick_media_type, refused, send_answer
from graph.transport.streams import TRANSPORTS, HTTPStreams
from graph.transport.websocket import TransportWSAdapter, TransportWSHandler

__all__ = ["GraphQLView"]


class GraphQLView(GraphQL[Context, None]):
    """Strawberry's ASGI view with our context: mounted bare, for its FastAPI router costs a third of the speed."""

    request_adapter_class = RequestAdapter
    websocket_adapter_class = TransportWSAdapter
    graphql_transport_ws_handler_class = TransportWSHandler
    stream_transport_classes_by_protocol = {protocol: type(transport) for protocol, transport in TRANSPORTS.items()}  # noqa: RUF012  # Strawberry's, and read only

    def __init__(
        self,
        settings: Settings,
        services: Services,
        access: Access,
        slots: ConnectionSlots,
        http_streams: HTTPStreams,
        pages: Pages,
    ) -> None:
        super().__init__(
            schema,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL, *TRANSPORTS),
            connection_init_wait_timeout=timedelta(seconds=settings.init_seconds),
            max_subscriptions_per_connection=settings.max_socket_operations,
        )
        self._max_body_bytes = settings.max_message_bytes
        self.operations = services.operations
        self._services = services
        self._without_plans = services._replace(answers=None)
        self._access = access
        self._slots = slots
        self._http_streams = http_streams
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or socket. Raises Refusal."""
        try:
            if scope["type"] == "websocket":
                self._slots.take(scope)
                await self.run(WebSocket(scope, receive, send))
            else:
                await self._serve_request(scope, receive, send)
        finally:
            self._slots.leave(scope)

    async def _serve_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = Body(receive, self._max_body_bytes, self.operations.worker)
        try:
            response = await self._response(scope, receive, send, body)
        except HTTPException as refusal:
            response = refused(scope, refusal)
        except GraphQLError as error:  # a long body was not parsed in time, so nothing was done
            raise Refusal(503, "SERVICE_UNAVAILABLE", error.message, {"Retry-After": "10"}) from error
        except ClientDisconnect:
            return
        except asyncio.CancelledError:
            if not self._http_streams.are_ending:
                raise
            response = refused(scope, HTTPException(503, "The server is stopping; try again."))
        finally:
            body.release()
        if response is not None:
            await response(scope, receive, send)

    async def _response(self, scope: Scope, receive: Receive, send: Send, body: Body) -> Response | None:
        """The response; None where an answer was sent past Strawberry's view, as most are."""
        services, media_type = self._services, quick_media_type(scope)
        if media_type is not None and services.answers is not None:
            raw = await body.read()
            _check_token(scope)
            answer = services.answers.recalled(raw)
            if answer is None and (operation := await operation_of(body)):
                may_write = scope["caller"].may_write
                answer = await services.answers.answer(*operation, may_write=may_write, key=raw)
                services = self._without_plans
            if answer is not None:
                await send_answer(send, answer, media_type)
                return None
        request = Request(scope, receive)
        request.state.body = body
        request.state.services = services
        return await self.run(request)

    def is_websocket_origin_allowed(self, request: WebSocket, origin: str) -> bool:  # noqa: ARG002  # its signature
        """True: HostsAndOrigins has checked it."""
        return True

    async def render_graphql_ide(self, request: Request) -> Response:
        """The playground, for a browser that opens the API's own address."""
        return await self._pages.playground(request)

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:  # noqa: ARG002  # Strawberry's signature
        """What resolvers are given."""
        services = request.state.services if isinstance(request, Request) else self._services
        context = Context(services, request.scope["caller"])
        context.slot = request.scope.get(SLOT)
        return context

    async def on_ws_connect(self, context: Context) -> UnsetType:
        """Let a socket in, or not. Raises ConnectionRejectionError, Refusal."""
        payload, context.connection_params = context.connection_params or {}, None
        context.caller = await self._access.of_socket(context.caller, payload)
        if context.caller is None:
            raise ConnectionRejectionError
        assert context.slot is not None
        self._slots.authenticate(context.slot)
        return cast("UnsetType", UNSET)

    async def get_sub_response(self, request: Request | WebSocket) -> Response:
        """The beginning of a response, which knows what the client accepts."""
        sub_response = await super().get_sub_response(request)
        # Streams have media types of their own; the playground is for browsers.
        accept = request.headers.get("accept", "")
        streams = any(transport.accepts(accept) for transport in TRANSPORTS.values())
        answers = not streams or answers_by_name(request.headers)
        is_for_a_browser = request.scope.get("method") == "GET" and "text/html" in accept
        if answers and not is_for_a_browser:
            sub_response.media_type = accepted_media_type(request.headers)
        return sub_response

    async def parse_http_body(self, request: AsyncHTTPRequestAdapter) -> GraphQLRequestData | list[GraphQLRequestData]:
        """The operation of a request. Raises HTTPException where it is none, Refusal where no stream may begin."""
        check_body_type(request)
        request_data = await super().parse_http_body(request)
        if isinstance(request_data, GraphQLRequestData):
            if not isinstance(request_data.operation_name, str | None):
                reason = "The GraphQL operation's `operationName` must be a string or null, if provided."
                raise HTTPException(400, reason)
            takes_both = request_data.protocol != "http" and answers_by_name(request.headers)
            if takes_both and await self._kind_of(request_data) in {OperationType.QUERY, OperationType.MUTATION}:
                request_data.protocol = "http"  # a client that takes both, as urql does, wants a stream of what streams
            if request_data.protocol != "http":
                self._slots.take(cast("RequestAdapter", request).scope)
        return request_data

    async def _kind_of(self, request: GraphQLRequestData) -> OperationType | None:
        """The operation's type; None where it has none."""
        if not isinstance(request.query, str):
            return None
        document = await self.operations.documents.get(request.query)
        operation = document.operation(request.operation_name)
        return None if operation is None else OperationType(operation.operation.value)

    def parse_query_params(self, params: QueryParams) -> dict[str, Any]:
        """The operation that an address asks for; a member of null is one that is left out."""
        return super().parse_query_params({name: value for name, value in params.items() if value != "null"})

    def parse_json(self, data: Any) -> Any:
        """A JSON object, or a list for Strawberry to refuse. Raises HTTPException, JSONDecodeError."""
        value = orjson.loads(data) if isinstance(data, str) else data
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
        assert isinstance(request_data, GraphQLRequestData)  # a list of them is refused before
        _check_token(request.scope)
        caller: Caller = request.scope["caller"]
        kind = await self._kind_of(request_data)
        if kind is OperationType.MUTATION:
            # The schema refuses these too, but a response that has begun to stream has no status any more.
            if request.method == "GET":
                raise HTTPException(405, "mutations are not allowed when using GET")
            if not caller.may_write:
                raise caller.refusal()
        if kind is OperationType.SUBSCRIPTION and request_data.protocol == "http":
            reason = "A subscription needs a WebSocket, or an Accept of text/event-stream or multipart/mixed."
            raise HTTPException(400, reason)
        request.state.results = results = await super().execute_operation(
            request, request_adapter, request_data, context, *args, **kwargs
        )
        request.state.transport = TRANSPORTS.get(request_data.protocol)
        return results

    async def create_streaming_response(
        self,
        request: Request | WebSocket,
        stream: Callable[[], AsyncIterator[str]],  # noqa: ARG002  # Strawberry's body, which ends with an error
        sub_response: Response,
        headers: Mapping[str, str],
    ) -> Response:
        """The response that streams, with a body of our own."""
        assert isinstance(request, Request)
        body = functools.partial(self._http_streams.body, request, request.state.results, request.state.transport)
        return await super().create_streaming_response(request, body, sub_response, headers)

    async def process_result(self, request: Request, result: ExecutionResult) -> GraphQLHTTPResponse:  # noqa: ARG002  # Strawberry's signature
        """The result as it is: `create_response` encodes it."""
        return cast("GraphQLHTTPResponse", result)

    def create_response(
        self, response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse], sub_response: Response
    ) -> Response:
        """The response, in the media type that the client accepts."""
        result, media_type = cast("ExecutionResult", response_data), sub_response.media_type or JSON
        status = 400 if media_type == RESPONSE_JSON and is_refused(result) else 200
        return Response(json_of(result), status, {"Cache-Control": "no-store"}, media_type=media_type)


def _check_token(scope: Scope) -> None:
    """Raise Refusal where a token was revoked while the request came."""
    if scope["caller"].ended:
        raise unknown()
