"""GraphQL at one address: over HTTP, over WebSocket, and, for browsers, the playground."""

import asyncio
import functools
from datetime import timedelta
from typing import Any, cast

from cross_web import AsyncHTTPRequestAdapter, HTTPException
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

from graph.admission.access import Access
from graph.admission.caller import Caller, unknown
from graph.admission.connection_slots import PLACE, Places
from graph.context import Context
from graph.execution.body import Body
from graph.execution.documents import get_to_know
from graph.execution.limits import Limits
from graph.execution.running import Operations
from graph.live.stream import Streams
from graph.media import JSON, accepted_media_type, answers_by_name
from graph.pages import Pages
from graph.plans.answers import Answers
from graph.plans.mutation import DoneJobs
from graph.plans.subscription import Parts
from graph.schema import schema
from graph.settings import Settings
from graph.transport.http_stream import HTTPStreams
from graph.transport.multipart import MultipartTransport
from graph.transport.request import (
    RequestAdapter,
    check_body_type,
    check_request,
    is_for_a_browser,
    json_of,
    quick_media_type,
)
from graph.transport.response import answer_to, refused, response_of, send_answer
from graph.transport.sse import SSETransport
from graph.transport.websocket import TransportWSAdapter, TransportWSHandler
from models.curves.reading import Curves
from models.jobs import Jobs
from models.store.database import Database

__all__ = ["GraphQLView"]


class GraphQLView(GraphQL[Context, None]):
    """Strawberry's ASGI view with our context: mounted bare, for its FastAPI router costs a third of the speed."""

    request_adapter_class = RequestAdapter
    websocket_adapter_class = TransportWSAdapter
    graphql_transport_ws_handler_class = TransportWSHandler

    def __init__(
        self,
        settings: Settings,
        database: Database,
        jobs: Jobs,
        streams: Streams,
        curves: Curves,
        access: Access,
        places: Places,
        http_streams: HTTPStreams,
        pages: Pages,
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
        self._database = database
        self._jobs = jobs
        self._streams = streams
        self._curves = curves
        self._access = access
        self._places = places
        self._http_streams = http_streams
        self._pages = pages
        self._parts = Parts()
        self._limits = Limits.of(settings)
        self._operations = Operations(self._limits)
        self._answers = Answers(schema._schema, self._limits, self._operations, database, jobs)  # noqa: SLF001  # Strawberry's own has no plans

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or socket, its queries asked of this app's store. Raises Refusal."""
        with self._database.scope():
            try:
                if scope["type"] == "websocket":
                    self._places.take(scope)
                    await self.run(WebSocket(scope, receive, send))
                else:
                    await self._serve_request(scope, receive, send)
            finally:
                self._places.leave(scope)

    async def _serve_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = Body(receive, self._max_body_bytes)
        try:
            response = await self._response(scope, receive, send, body)
        except HTTPException as refusal:
            response = refused(scope, refusal)
        except ClientDisconnect:
            return
        except asyncio.CancelledError:
            if not self._http_streams.are_ending:
                raise
            response = refused(scope, HTTPException(503, "The server is stopping; try again."))
        finally:
            body.let_go()
        if response is not None:
            await response(scope, receive, send)

    async def _response(self, scope: Scope, receive: Receive, send: Send, body: Body) -> Response | None:
        """The response; None where an answer was sent the quick way."""
        quick = quick_media_type(scope)
        if quick is None:
            return await self._usual_response(scope, receive, body, self._jobs)
        await body.read()
        _check_token(scope)
        answer = await self._answers.answer(body, may_write=scope["caller"].may_write)
        if isinstance(answer, bytes):
            await send_answer(send, answer, quick)
            return None
        jobs = self._jobs if answer is None else DoneJobs(answer)
        return await self._usual_response(scope, receive, body, jobs)

    async def _usual_response(self, scope: Scope, receive: Receive, body: Body, jobs: Jobs | DoneJobs) -> Response:
        request = Request(scope, receive)
        request.state.body = body
        request.state.jobs = jobs
        return await self.run(request)

    def is_websocket_origin_allowed(self, request: WebSocket, origin: str) -> bool:  # noqa: ARG002  # Strawberry's signature
        """Any that comes here: the doors have looked at it."""
        return True

    async def render_graphql_ide(self, request: Request) -> Response:
        """The playground, for a browser that opens the API's own address."""
        return await self._pages.playground(request)

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:  # noqa: ARG002  # Strawberry's signature
        """What resolvers are given."""
        jobs = request.state.jobs if isinstance(request, Request) else self._jobs
        context = Context(
            request.scope["caller"], self._limits, self._operations, jobs, self._streams, self._parts, self._curves
        )
        context.place = request.scope.get(PLACE)
        return context

    async def on_ws_connect(self, context: Context) -> UnsetType:
        """Let a socket in, or not. Raises ConnectionRejectionError, Refusal."""
        payload, context.connection_params = context.connection_params or {}, None
        context.caller = await self._access.of_socket(context.caller, payload)
        if context.caller is None:
            raise ConnectionRejectionError
        assert context.place is not None
        self._places.let_in(context.place)
        nothing_to_add: UnsetType = UNSET
        return nothing_to_add

    async def get_sub_response(self, request: Request | WebSocket) -> Response:
        """The beginning of a response, which knows what the client accepts."""
        sub_response = await super().get_sub_response(request)
        # Streams have media types of their own; the playground is for browsers.
        streams = self._get_stream_transport_from_headers(request.headers) is not None
        answers = not streams or answers_by_name(request.headers)
        if answers and not is_for_a_browser(request):
            sub_response.media_type = accepted_media_type(request.headers)
        return sub_response

    async def parse_http_body(self, request: AsyncHTTPRequestAdapter) -> GraphQLRequestData | list[GraphQLRequestData]:
        """The operation that is asked for. Raises HTTPException where it is none, Refusal where there is no place."""
        check_body_type(request)
        request_data = await super().parse_http_body(request)
        if isinstance(request_data, GraphQLRequestData):
            check_request(request_data)
            streams = request_data.protocol != "http"
            if streams and answers_by_name(request.headers) and await self._has_one_answer(request_data):
                # A client that takes both, as urql does, wants a stream of what streams.
                request_data.protocol = "http"
            if request_data.protocol != "http":
                self._places.take(cast("RequestAdapter", request).scope)
        return request_data

    async def _has_one_answer(self, request: GraphQLRequestData) -> bool:
        """Whether the operation is a query or a mutation; what is neither is refused in whatever form was asked for."""
        return await self._kind_of(request) in {OperationType.QUERY, OperationType.MUTATION}

    async def _kind_of(self, request: GraphQLRequestData | list[GraphQLRequestData]) -> OperationType | None:
        """What the operation is; None where it cannot be told, or where there are several."""
        if isinstance(request, list) or not isinstance(request.query, str):
            return None
        document = (await get_to_know(schema._schema, self._limits, request.query)).document  # noqa: SLF001  # as above
        operation = get_operation_ast(document, request.operation_name) if document else None
        return None if operation is None else OperationType(operation.operation.value)

    def parse_query_params(self, params: QueryParams) -> dict[str, Any]:
        """The operation that an address asks for; a member of null is one that is left out."""
        return super().parse_query_params({name: value for name, value in params.items() if value != "null"})

    def parse_json(self, data: Any) -> Any:
        """A JSON object, or a list for Strawberry to refuse. Raises HTTPException."""
        return json_of(data) if isinstance(data, str) else data  # which our request's adapter has read

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
        if (by_get or not caller.may_write) and await self._kind_of(request_data) is OperationType.MUTATION:
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
        return answer_to(result)

    def _stream_result(
        self, request: Request, result: SubscriptionExecutionResult, transport: HTTPStreamTransport
    ) -> AsyncTextStream:
        """The body of a response that streams."""
        return functools.partial(self._http_streams.body, request, result, transport)

    def create_response(
        self, response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse], sub_response: Response
    ) -> Response:
        """The response, in the media type that the client accepts."""
        return response_of(response_data, sub_response.media_type or JSON)


def _check_token(scope: Scope) -> None:
    """Raise Refusal where a token was revoked while the request came."""
    if scope["caller"].ended:
        raise unknown()
