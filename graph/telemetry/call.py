"""One call of the server, an HTTP request or an operation on a socket, as those who run it see it.

Whatever happens on behalf of a call finds it by `current_call()`: the log, which tells its id in each line, and the
masking of errors, which tells it to the client.
"""

import re
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from random import getrandbits
from time import perf_counter
from typing import Literal

from starlette.types import Message, Send

__all__ = ["ANONYMOUS", "Call", "Outcome", "current_call", "request_id"]

_GIVEN = re.compile(rb"[A-Za-z0-9._-]{1,64}")
"""An id that a client may choose: it stands in logs and headers."""
ANONYMOUS = "<anonymous>"
"""What stands for the name of an operation that has none; no document can name one so."""
MAX_NAME = 100
"""Characters of an operation's name that are told: clients choose it, and a document is as long as it may be."""

Outcome = Literal["ok", "error", "refused", "failed", "cut"]
"""What came of a call. `error`: it was answered with errors that a client can do something about; `refused`: nothing
was executed, for it was not allowed, not valid, or not the time; `failed`: something happened that nobody expected, or
the store was out of reach, and the log has it; `cut`: who asked was gone before there was an answer."""


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
        call.parent = self.parent
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
        elif kind != "websocket.send":
            if "status" in message:
                self.status = message["status"]
            if kind.endswith((".start", ".accept")):
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", self.id.encode())]
        return self._send(message)

    def met_errors(self, *, unexpected: bool) -> None:
        """Take note of errors that it is answered with."""
        if unexpected:
            self.outcome = "failed"
        elif self.outcome == "ok":
            self.outcome = "error" if self.is_known else "refused"

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


def request_id() -> str | None:
    """The id of that call."""
    call = _current.get()
    return call.id if call else None
