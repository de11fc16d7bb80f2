"""One call of the server, an HTTP request or an operation on a socket, as those who run it see it.

Whatever happens on behalf of a call finds it by `current_call()`: the log, which tells its id in each line, and the
masking of errors, which tells it to the client.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from random import getrandbits
from time import perf_counter
from typing import Literal

from starlette.types import Message, Send

__all__ = ["ANONYMOUS", "IN_SCOPE", "Call", "Outcome", "call_in", "current_call", "request_id"]

IN_SCOPE = "call"

_GIVEN = re.compile(rb"[A-Za-z0-9._-]{1,64}")
"""An id that a client may choose: it stands in logs and headers."""
ANONYMOUS = "<anonymous>"
"""What stands for the name of an operation that has none; no document can name one so."""
MAX_NAME = 100
"""Characters of an operation's name that are told: clients choose it, and a document is as long as it may be."""

Outcome = Literal["ok", "error", "refused", "failed", "timeout", "cut"]
"""What came of a call. `error`: it was answered with errors, or with a member of a union that is one, about which a
client can do something; `refused`: nothing was executed, for it was not allowed, not valid, or not the time, or a
socket was closed for what came over it; `failed`: something happened that nobody expected, or the store was out of
reach, and the log has it; `timeout`: it took longer than an operation may; `cut`: who asked was gone before there was
an answer."""

UNREADABLE = {1002, 1003, 1007, 1009}
"""With these a socket is closed on which something came that is no message, or too long a one."""
UNABLE = {1011, 1013}
"""And with these where the server could not do its part."""


class Call:
    """What is known of one call so far."""

    # Defaults that are the class's cost a call nothing.
    is_known = False
    """Whether its document is known, and valid."""
    operation = ""
    """The name of the operation, where it has one, or the beginning of a long one."""
    kind = ""
    """query, mutation or subscription."""
    outcome: Outcome = "ok"
    status = 0
    """Of the answer over HTTP; 0 as long as there is none."""
    sent = 0
    """Bytes of its body."""
    is_answered = False
    """Whether all of it is sent."""
    resolved = 0.0
    """Seconds that its resolvers took, and what stands in their place."""
    is_left = False
    """Whether who asked has hung up before all of the answer was sent."""
    is_socket = False
    """Whether it is a socket that was opened."""
    close_code = 0
    """With which that was closed; 0 as long as it is not."""
    is_page = False
    """Whether it asks for a page, or for what stands beside the API."""
    client = ""
    """The address of who asks."""
    token_id: int | None = None
    """Of the token that lets it in."""
    parent: bytes | None = None
    """The trace that it is part of, as its traceparent says."""

    def __init__(self, given_id: bytes | None, ended: "Callable[[Call], None]", send: Send | None = None) -> None:
        """`ended` is told of its end; `send` is the way of its answer."""
        self.id = given_id.decode() if given_id and _GIVEN.fullmatch(given_id) else f"{getrandbits(64):016x}"
        self.began = perf_counter()
        self._ended = ended
        self._send = send

    def begin(self) -> None:
        """Make it the current one. Each has a task of its own, so nothing needs to be put back behind it."""
        _current.set(self)

    def operation_within(self) -> "Call":
        """An operation on the socket that this call opened, with an id of its own; it is the current call now."""
        call = Call(None, self._ended)
        call.parent, call.client, call.token_id = self.parent, self.client, self.token_id
        call.begin()
        return call

    def know(self, operation: str | None, kind: str) -> None:
        """Take note of the operation that a valid document asks for."""
        self.is_known = True
        self.operation = (operation or "")[:MAX_NAME]
        self.kind = kind

    def send(self, message: Message) -> Awaitable[None]:
        """Send on a part of the answer, which tells the id."""
        assert self._send is not None
        kind = message["type"]
        if kind == "http.response.body":
            self.sent += len(message.get("body", b""))
            self.is_answered = not message.get("more_body", False)
        elif kind == "websocket.close":
            if self.is_socket:
                self.closed(message.get("code", 1000), by_us=True)
            else:
                self.status = 403  # so uvicorn has it
        elif kind != "websocket.send":
            if "status" in message:
                self.status = int(message["status"])  # some give an enum's member
            if kind == "websocket.accept":
                self.is_socket = True
            if kind.endswith((".start", ".accept")):
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", self.id.encode())]
        return self._send(message)

    def met_errors(self, *, unexpected: bool) -> None:
        """Take note of errors that it is answered with."""
        if unexpected:
            self.outcome = "failed"
        elif self.outcome == "ok":
            self.outcome = "error" if self.is_known else "refused"

    def timed_out(self) -> None:
        """Take note that it took too long."""
        self.outcome = "timeout"

    def refused(self, status: int) -> None:
        """Take note that it is answered with a refusal, by who stands before the app."""
        self.outcome, self.status = "refused", status

    def closed(self, code: int, *, by_us: bool) -> None:
        """Take note of the end of a socket. What came of it only a code of ours tells: clients may choose any."""
        if self.close_code:
            return
        self.close_code = code
        if by_us and (4400 <= code < 4500 or code in UNREADABLE):
            self.outcome = "refused"
        elif by_us and code in UNABLE:
            self.outcome = "failed"

    def end(self) -> None:
        """It is over."""
        self._ended(self)

    @property
    def seconds(self) -> float:
        """How long ago it began."""
        return perf_counter() - self.began


_current: ContextVar[Call | None] = ContextVar("call", default=None)


def current_call() -> Call | None:
    """The call on whose behalf this runs."""
    return _current.get()


def call_in(scope: Mapping[str, object]) -> Call | None:
    """The call of a request or a socket that the app is serving, for who stands before the app."""
    call = scope.get(IN_SCOPE)
    return call if isinstance(call, Call) else None


def request_id() -> str | None:
    """The id of that call."""
    call = _current.get()
    return call.id if call else None
