"""The calls of a server, HTTP requests and operations on sockets, as logs, metrics and traces record them.

What runs for a call finds it by `current_call()`: the log puts its id into each line, masked errors name it to the
client.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from contextvars import ContextVar
from random import getrandbits
from time import perf_counter
from typing import TYPE_CHECKING, Literal

from starlette.types import Message, Scope, Send

from graph.addresses import Network, client_key, client_of
from graph.media import GRAPHQL
from graph.settings import Settings, SettingsError

if TYPE_CHECKING:
    from graph.telemetry.tracing import Tracing

__all__ = [
    "ANONYMOUS",
    "Call",
    "Calls",
    "Outcome",
    "call_in",
    "current_call",
    "current_client",
    "request_id",
    "tracer_of",
]

log = logging.getLogger("graph.calls")

IN_SCOPE = "call"
GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")  # a request id that a client may choose: it appears in logs and headers
ANONYMOUS = "<anonymous>"  # stands for the name of an operation without one; no document can name one so
MAX_NAME = 100  # characters of an operation's name that are recorded: clients choose it, as long as a document may be

Outcome = Literal["ok", "error", "refused", "failed", "timeout", "cut"]
"""How a call ended. `error`: the answer has errors, or an error as data, that the client can mend; `refused`: nothing
was executed, because it was not allowed, invalid or too early, or the server closed the socket for what it received;
`failed`: an unexpected exception, or the store was unavailable, and the log has the reason; `timeout`: it took longer
than an operation may; `cut`: the client disconnected before it had the answer."""

PROTOCOL_ERRORS = {1002, 1003, 1007, 1009}  # codes that close a socket which received a malformed or too long message
SERVER_ERRORS = {1011, 1013}  # codes that close a socket which the server could not serve


class Call:
    """What is known of one call so far."""

    # Defaults of the class cost a call nothing.
    is_known = False  # whether its document is known and valid
    operation = ""  # the first MAX_NAME characters of the operation's name; empty where it has none
    kind = ""  # query, mutation or subscription
    outcome: Outcome = "ok"
    status = 0  # the HTTP status of the answer; 0 before there is one
    sent = 0  # bytes of the answer's body so far
    is_answered = False  # whether all of the answer is sent
    resolved = 0.0  # seconds that resolvers, or a compiled plan, took
    is_left = False  # whether the client disconnected before all of the answer was sent
    is_socket = False  # whether it is a socket that was opened
    close_code = 0  # the code that closed the socket; 0 while it is open
    is_page = False  # whether it requests anything but the API: a page, health, metrics
    client = ""  # the address of the client
    token_id: int | None = None  # the id of the client's token
    parent: bytes | None = None  # the traceparent header, which names the trace that it belongs to

    def __init__(self, given_id: bytes | None, ended: "Callable[[Call], None]", send: Send | None = None) -> None:
        """`ended` is called at its end; `send` sends its answer."""
        self.id = given_id.decode() if given_id and GIVEN_ID.fullmatch(given_id) else f"{getrandbits(64):016x}"
        self.began = perf_counter()
        self._ended = ended
        self._send = send

    def begin(self) -> None:
        """Make it the current call of this task. Each call has a task of its own, so nothing restores the last one."""
        _current.set(self)

    def operation_within(self) -> "Call":
        """Begin an operation, with an id of its own, on the socket that this call opened."""
        call = Call(None, self._ended)
        call.parent, call.client, call.token_id = self.parent, self.client, self.token_id
        call.begin()
        return call

    def know(self, operation: str | None, kind: str) -> None:
        """Record the operation that a valid document selects."""
        self.is_known = True
        self.operation = (operation or "")[:MAX_NAME]
        self.kind = kind

    def send(self, message: Message) -> Awaitable[None]:
        """Send a message of the answer, with the id in its head."""
        assert self._send is not None
        kind = message["type"]
        if kind == "http.response.body":
            self.sent += len(message.get("body", b""))
            self.is_answered = not message.get("more_body", False)
        elif kind == "websocket.close":
            if self.is_socket:
                self.closed(message.get("code", 1000), by_us=True)
            else:
                self.status = 403  # what uvicorn answers
        elif kind != "websocket.send":
            if "status" in message:
                self.status = int(message["status"])  # it may be an HTTPStatus
            if kind == "websocket.accept":
                self.is_socket = True
            if kind.endswith((".start", ".accept")):
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", self.id.encode())]
        return self._send(message)

    def met_errors(self, *, unexpected: bool) -> None:
        """Record that the answer has errors."""
        if unexpected:
            self.outcome = "failed"
        elif self.outcome == "ok":
            self.outcome = "error" if self.is_known else "refused"

    def refused(self, status: int) -> None:
        """Record that the protocol refused it with this status."""
        self.outcome, self.status = "refused", status

    def closed(self, code: int, *, by_us: bool) -> None:
        """Record the end of a socket. Only a code of ours decides the outcome: a client may choose any."""
        if self.close_code:
            return
        self.close_code = code
        if by_us and (4400 <= code < 4500 or code in PROTOCOL_ERRORS):
            self.outcome = "refused"
        elif by_us and code in SERVER_ERRORS:
            self.outcome = "failed"

    def end(self) -> None:
        """Record the end."""
        self._ended(self)

    @property
    def seconds(self) -> float:
        """How long ago it began."""
        return perf_counter() - self.began


_current: ContextVar[Call | None] = ContextVar("call", default=None)


def current_call() -> Call | None:
    """The call that this task runs for."""
    return _current.get()


def current_client() -> Hashable:
    """The identity of that call's client: its token, or else its address."""
    call = _current.get()
    if call is None:
        return None
    return client_key(call.client) if call.token_id is None else call.token_id


def call_in(scope: Mapping[str, object]) -> Call | None:
    """The call of a request or a socket that the app is serving, for its protocol."""
    call = scope.get(IN_SCOPE)
    return call if isinstance(call, Call) else None


def request_id() -> str | None:
    """The id of the current call."""
    call = _current.get()
    return call.id if call else None


class Calls:
    """Begins the calls of one app, and records the end of each."""

    def __init__(
        self, count: Callable[[Call], None], tracer: "Tracing | None", proxies: Sequence[Network] = ()
    ) -> None:
        """`count` counts a call that has ended; `proxies`: peers whose X-Forwarded-For names the client."""
        self._count = count
        self._tracer = tracer
        self._proxies = proxies

    def begun(self, scope: Scope, head: Mapping[bytes, bytes], send: Send) -> Call:
        """Begin the call of a request, or of a socket's handshake; `head` has its headers."""
        call = Call(head.get(b"x-request-id"), self._operation_ended, send)
        call.is_page = scope["path"] != GRAPHQL
        if self._tracer:
            call.parent = head.get(b"traceparent")
        if peer := scope.get("client"):
            call.client = client_of(peer[0], head, self._proxies) if self._proxies else peer[0]
        call.begin()
        scope[IN_SCOPE] = call
        return call

    def ended(self, call: Call, scope: Scope) -> None:
        """Record the end of a request, or of a socket, whose operations are calls of their own."""
        del scope[IN_SCOPE]  # a reference cycle, as `send` refers to the scope
        if call.outcome == "ok" and not call.is_socket:
            # A client ends a subscription by disconnecting.
            call.outcome = "cut" if call.is_left and call.kind != "subscription" else _outcome_of(call.status)
        self._record(call)
        if not log.isEnabledFor(logging.INFO):
            return
        if call.is_socket:
            self._log("socket", call, path=scope["path"], close=call.close_code)
        else:
            method = scope.get("method", "WEBSOCKET")  # of a handshake
            self._log("request", call, method=method, path=scope["path"], status=call.status, bytes=call.sent)

    def refused(self, status: int, call: Call | None) -> str:
        """Record a refusal by the protocol, of a call that has begun or before there is one. Returns its id."""
        refused = call or Call(None, self._operation_ended)
        refused.refused(status)
        if not call:  # else it is recorded once the app has ended it
            self._record(refused)
            self._log("request", refused, status=status, request_id=refused.id)
        return refused.id

    def _operation_ended(self, call: Call) -> None:
        self._record(call)
        if log.isEnabledFor(logging.INFO):
            self._log("operation", call)

    def _record(self, call: Call) -> None:
        if call.kind or call.outcome != "ok":  # else a page, health or metrics
            self._count(call)
            if self._tracer and not call.is_page:
                self._tracer.export(call)

    def _log(self, event: str, call: Call, **more: object) -> None:
        if call.kind:
            more |= {"operation": call.operation or ANONYMOUS, "type": call.kind}
        if call.client:
            more["client"] = call.client
        if call.token_id is not None:
            more["token_id"] = call.token_id
        extra = {**more, "outcome": call.outcome, "ms": round(call.seconds * 1000, 2)}
        log.info(event, extra=extra)


def _outcome_of(status: int) -> Outcome:
    """The outcome by the status alone."""
    if not status:
        return "cut"
    return "failed" if status >= 500 else "refused" if status >= 400 else "ok"


def tracer_of(settings: Settings) -> "Tracing | None":
    """The tracer, with --tracing. Raises SettingsError."""
    if not settings.tracing:
        return None
    try:
        from graph.telemetry.tracing import Tracing  # its libraries take 20 MB
    except ImportError as error:
        raise SettingsError("--tracing: its libraries are missing; install training-monitor[tracing].") from error
    try:
        return Tracing()
    except ValueError as error:
        raise SettingsError(f"--tracing: an OTEL_ variable is wrong: {error}") from error
