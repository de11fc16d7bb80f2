"""uvicorn's end of an HTTP connection, bounded in what it waits for and in what it keeps."""

import asyncio
import logging
from asyncio import AbstractEventLoop, TimerHandle, Transport
from collections.abc import Awaitable
from typing import Any

import httptools
import orjson
from uvicorn._types import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGISendCallable,
    ASGISendEvent,
    HTTPResponseBodyEvent,
    Scope,
)
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from graph.media import JSON
from graph.process.framing import Unclear, check_framing
from graph.process.turns import TakesTurns
from graph.process.unread import LONG, Unread
from graph.settings import Settings
from graph.telemetry.call import Call, call_in
from graph.telemetry.watch import Watch

__all__ = ["HTTPProtocol"]

log = logging.getLogger(__name__)

GRACE_SECONDS = 0.05
OF_UPGRADES = {b"upgrade", b"http2-settings", b"connection"}
"""Headers that ask for another protocol."""
LINGER_SECONDS = 2.0
"""For so long what a refused peer still sends is read and forgotten: closing at once would take the answer from it."""


class TooLong(Exception):
    """The head of a request is longer than it may be."""


class HTTPProtocol(TakesTurns, HttpToolsProtocol):
    """uvicorn's protocol for one connection.

    uvicorn by itself waits for ever for a request that does not come, keeps a head of any length, takes trailers for
    headers, writes a line into the log for each request that is none, and reads the body of one that asks for another
    protocol as the next request.
    """

    turn_bytes = 4096

    def __init__(
        self,
        settings: Settings,
        watch: Watch,
        long_answers: Unread,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._watch = watch
        self._long_answers = long_answers
        self._sending: RequestResponseCycle | None = None
        """Of which a long answer is on its way."""
        self._running: RequestResponseCycle | None = None
        """What the app serves, or served last; `cycle` may have come after it, and wait."""
        self._seconds = settings.request_seconds
        self._max_head = settings.max_header_bytes
        self._deadline: TimerHandle | None = None
        self._is_whole = False
        """Whether the request that came last has come to its end."""
        self._is_last = False
        """Whether nothing more is read, for the request that came is the last."""
        self._unread = 0
        """Bytes since the parser last came to a head's end, a body's bytes or a chunk: the parser keeps them all."""
        self._has_moved = False
        self._head_again: bytes | None = None
        """Of a request that asks for a protocol which is not spoken here: its head without that."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(self._seconds, self._is_due)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything."""
        if (cycle := self._answering) and (call := call_in(cycle.scope)):
            call.is_left = True
        self._leave()
        self._forget_deadline()
        self.forget_what_is_ahead()
        super().connection_lost(exc)
        # Where a peer breaks off, uvicorn leaves this timer, and with it all of the connection, until it is due.
        self._unset_keepalive_if_required()

    @property
    def app(self) -> ASGI3Application:
        """What uvicorn runs: the app, whose long answers are sent a piece at a time, as their reader takes them."""
        return self._serve

    @app.setter
    def app(self, app: ASGI3Application) -> None:
        self._app = app

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    async def _serve(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        def send_on(message: ASGISendEvent) -> Awaitable[None]:
            if self.transport.is_closing():
                self._leave()  # of which uvicorn hears only later, and some transports can be written to no more
            if message["type"] == "http.response.body" and len(message.get("body", b"")) > LONG:
                return self._send_long(message, send)
            return send(message)

        await self._app(scope, receive, send_on)

    async def _send_long(self, message: HTTPResponseBodyEvent, send: ASGISendCallable) -> None:
        body, is_last = message["body"], not message.get("more_body", False)
        held = self._long_answers.hold(len(body), self.transport.abort)
        self._sending = sending = self._running
        try:
            for start in range(0, len(body), LONG):
                if self.transport.is_closing():
                    self._leave()
                    return
                end = start + LONG
                piece = body[start:end]  # a copy: a transport would keep all of what a view is of
                more = not is_last or end < len(body)
                await send(HTTPResponseBodyEvent(type="http.response.body", body=piece, more_body=more))
                self._long_answers.moved(held)
                await asyncio.sleep(0)  # a quick reader takes all at once, and others wait
        except asyncio.CancelledError:  # the server ends, and what is sent now is a part of this answer
            self._leave()
            self.transport.abort()
        finally:
            if self._sending is sending:  # else the next is on its way
                self._sending = None
            self._long_answers.let_go(held)

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio asks whether to go on
        """The peer says nothing more. It has left, unless it is still reading a long answer."""
        if self._sending is None:
            return False
        self.cycle.keep_alive = False
        return True

    def is_reading_paused(self) -> bool:
        """Whether the app has enough of a body to go on with."""
        return self.flow.read_paused

    def read(self, data: bytes) -> None:
        """Read on; what is no request, or too long or too late a one, is refused."""
        if self._is_last:
            return
        self._unset_keepalive_if_required()
        self._is_whole = self._has_moved = False
        self._unread += len(data)
        rest = b""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._head_again is None:
                self._change_protocol()
                return
            rest = data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            reason = error.__context__
            if isinstance(reason, TooLong):
                self._refuse_head()
            else:
                log.debug("no request: %s", error)
                message = str(reason) if isinstance(reason, Unclear) else "That is no HTTP request."
                self._refuse(400, "BAD_REQUEST", message)
            return
        if self._head_again is not None:
            again, self._head_again = self._head_again, None
            self._unread = 0
            self.parser = _parser(self)
            self.read(again + rest)
            return
        if self._has_moved:
            self._unread = 0
        elif self._unread > self._max_head:
            self._refuse_head()
            return
        if self._is_whole:
            self._forget_deadline()
            if not self._answering and not self.transport.is_closing():  # the answer came before its request's end
                self.timeout_keep_alive_task = self.loop.call_later(
                    self.timeout_keep_alive, self.timeout_keep_alive_handler
                )
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self._seconds, self._is_due)

    def _change_protocol(self) -> None:
        self._forget_deadline()
        self.forget_what_is_ahead()
        if self._should_upgrade():
            self.handle_websocket_upgrade()
            self.parser = None  # type: ignore[assignment]  # as uvicorn has it at the end: it is a ring with this
        else:
            self._is_last = True  # what follows is of another protocol, if it is of any

    def on_headers_complete(self) -> None:
        """The head is there: begin to serve the request."""
        self._is_whole, self._has_moved = False, True
        if self._unread > self._max_head and self._head_length() > self._max_head:
            raise TooLong
        if self.parser.should_upgrade() and not self._asks_for_a_socket_or_tunnel():
            # A server may pass over it (RFC 9110, 7.8), but the parser takes it that no body follows.
            self._head_again = self._head_without_upgrade()
            return
        version = self.parser.get_http_version()
        check_framing(version, self.headers, changes_protocol=self.parser.should_upgrade())
        if version == "1.0":
            self.expect_100_continue = False
        super().on_headers_complete()
        self.scope["headers"] = self.headers.copy()  # the parser will add trailers to its own
        # Who expects to be told may send the body after a refusal, or the next request: nobody can know which.
        if self.expect_100_continue or (self.parser.should_upgrade() and not self._should_upgrade()):
            self.cycle.keep_alive = False

    def on_chunk_header(self) -> None:
        """A chunk of the body begins, or its trailers do."""
        self._has_moved = True

    def on_body(self, body: bytes) -> None:
        """Some of the body is there."""
        self._has_moved = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is there."""
        if self._head_again is not None:
            return
        self._is_whole = True
        super().on_message_complete()
        if not self.parser.should_keep_alive() and not self._should_upgrade():
            # A trailer may say so as well, and the parser takes nothing more then.
            self.cycle.keep_alive = False
            if self.cycle.response_complete:
                self.transport.close()

    def _should_upgrade(self) -> bool:
        """Whether a socket is to be opened, for which nobody else must wait for an answer on this connection."""
        return (
            super()._should_upgrade()
            and self.parser.get_method() == b"GET"
            and self.parser.get_http_version() == "1.1"
            and not self._answering
        )

    def _asks_for_a_socket_or_tunnel(self) -> bool:
        return self.parser.get_method() == b"CONNECT" or any(
            name == b"upgrade" and b"websocket" in value.lower() for name, value in self.headers
        )

    def _head_without_upgrade(self) -> bytes:
        """The head, as that of the last request of its connection."""
        line = b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        kept = [b"%s:%s" % header for header in self.headers if header[0] not in OF_UPGRADES]
        return b"\r\n".join([line, *kept, b"connection:close", b"", b""])

    def _head_length(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _is_due(self) -> None:
        # Where this process was busy, what has come in the meantime is still to be read.
        self._deadline = self.loop.call_later(GRACE_SECONDS, self._is_late)

    def _is_late(self) -> None:
        self._deadline = None
        if self._answering and (self.pipeline or not self.cycle.more_body):  # the next may wait, or cannot be read yet
            self._deadline = self.loop.call_later(self._seconds, self._is_due)
        elif self._unread or self._answering:
            self._refuse(408, "TOO_SLOW", f"The request was not there within {self._seconds:g} seconds.")
        else:
            self.transport.close()  # nobody asked anything

    @property
    def _answering(self) -> RequestResponseCycle | None:
        """What is being answered."""
        return self._running if self._running and not self._running.response_complete else None

    def _leave(self) -> None:
        """Whatever is being answered, nobody hears it any more."""
        if cycle := self._answering:
            cycle.disconnected = True
            cycle.message_event.set()

    def _refuse_head(self) -> None:
        self._refuse(431, "HEAD_TOO_LONG", f"The headers of a request are at most {self._max_head} bytes long.")

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answer what comes from no app, and part."""
        self._forget_deadline()
        self._is_last = True
        call: Call | None = None
        if cycle := self._answering:
            if not cycle.more_body and (self._sending or not cycle.response_started):
                # It is the next request that is wrong. But a stream ends here, for it may never end by itself.
                if self.pipeline and self.cycle.more_body:
                    self.pipeline.popleft()
                last = self.pipeline[0][0] if self.pipeline else cycle
                last.keep_alive = False
                return
            self._leave()
            if cycle.response_started:  # a second answer would be taken for a part of the first
                self.transport.close()
                return
            if call := call_in(cycle.scope):
                call.refused(status)
        id = call.id if call else self._watch.refused(status)
        body = orjson.dumps({"errors": [{"message": message, "extensions": {"code": code}}]})
        headers = [
            *self.server_state.default_headers,
            (b"content-type", JSON.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
            (b"x-request-id", id.encode()),
        ]
        lines = b"".join(b"%s: %s\r\n" % header for header in headers)
        # What follows the head of an answer to HEAD would be taken for the next answer.
        sent = b"" if self.parser.get_method() == b"HEAD" else body
        self.transport.write(STATUS_LINE[status] + lines + b"\r\n" + sent)
        self.transport.write_eof()
        self.flow.resume_reading()
        self._deadline = self.loop.call_later(LINGER_SECONDS, self.transport.abort)


def _parser(protocol: HTTPProtocol) -> httptools.HttpRequestParser:
    """One as uvicorn makes it."""
    parser = httptools.HttpRequestParser(protocol)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser
