"""One call of the server, an HTTP request or an operation on a socket, as logs, metrics and traces record it.

What runs for a call finds it by `current_call()`: the log puts its id into each line, masked errors name it to the
client.
"""

import re
from collections.abc import Awaitable, Callable, Hashable, Mapping
from contextvars import ContextVar
from random import getrandbits
from time import perf_counter
from typing import Literal

from starlette.types import Message, Send

from graph.addresses import client_key

__all__ = ["ANONYMOUS", "IN_SCOPE", "Call", "Outcome", "call_in", "current_call", "current_client", "request_id"]

IN_SCOPE = "call"

_GIVEN = re.compile(rb"[A-Za-z0-9._-]{1,64}")
"""A request id that a client may choose: it appears in logs and headers."""
ANONYMOUS = "<anonymous>"
"""Stands for the name of an operation without one; no document can name one so."""
MAX_NAME = 100
"""Characters of an operation's name that are recorded: clients choose it, as long as a document may be."""

Outcome = Literal["ok", "error", "refused", "failed", "timeout", "cut"]
"""How a call ended. `error`: the answer has errors, or an error as data, that the client can mend; `refused`: nothing
was executed, because it was not allowed, invalid or too early, or the server closed the socket for what it received;
`failed`: an unexpected exception, or the store was unavailable, and the log has the reason; `timeout`: it took longer
than an operation may; `cut`: the client disconnected before it had the answer."""

PROTOCOL_ERRORS = {1002, 1003, 1007, 1009}
"""Codes that close a socket which received a malformed or too long message."""
SERVER_ERRORS = {1011, 1013}
"""Codes that close a socket which the server could not serve."""


class Call:
    """What is known of one call so far."""

    # Defaults of the class cost a call nothing.
    is_known = False
    """Whether its document is known and valid."""
    operation = ""
    """The first MAX_NAME characters of the operation's name; empty where it has none."""
    kind = ""
    """query, mutation or subscription."""
    outcome: Outcome = "ok"
    status = 0
    """The HTTP status of the answer; 0 before there is one."""
    sent = 0
    """Bytes of the answer's body so far."""
    is_answered = False
    """Whether all of the answer is sent."""
    resolved = 0.0
    """Seconds that resolvers, or a compiled plan, took."""
    is_left = False
    """Whether the client disconnected before all of the answer was sent."""
    is_socket = False
    """Whether it is a socket that was opened."""
    close_code = 0
    """The code that closed the socket; 0 while it is open."""
    is_page = False
    """Whether it requests anything but the API: a page, health, metrics."""
    client = ""
    """The address of the client."""
    token_id: int | None = None
    """The id of its token."""
    parent: bytes | None = None
    """The traceparent header, which names the trace that it belongs to."""

    def __init__(self, given_id: bytes | None, ended: "Callable[[Call], None]", send: Send | None = None) -> None:
        """`ended` is called at its end; `send` sends its answer."""
        self.id = given_id.decode() if given_id and _GIVEN.fullmatch(given_id) else f"{getrandbits(64):016x}"
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
    """What tells the client of that call from others: its token, or else its address."""
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
