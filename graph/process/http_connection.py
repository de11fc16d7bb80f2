"""uvicorn's HTTP connection, with limits on the time and the size of a request, and a strict reading of its end.

A proxy that finds the end of a request elsewhere than this server takes a part of one client's request for another
client's (RFC 9112, 11.2), so what can be read in two ways is refused. httptools refuses most of it.
"""

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from graph.admission.caller import Refusal
from graph.process.limits import Arriving, ConnectionLimit, LimitedConnection
from graph.settings import Settings
from graph.telemetry.calls import Calls, call_in

__all__ = ["HTTPConnection"]

MAX_PIPELINED = 100  # requests that may wait on one connection for the answers to those before them
LINGER_SECONDS = 2.0
"""How long a refused client's bytes are still read and dropped: closing at once would discard the answer."""
LINGER_BYTES = 64 * 2**20
"""How many of them, at most."""
UPGRADE_HEADERS = {b"upgrade", b"http2-settings", b"connection"}


class HTTPConnection(LimitedConnection, HttpToolsProtocol):
    """uvicorn's protocol for one connection."""

    def __init__(
        self, settings: Settings, calls: Calls, arriving: Arriving, limit: ConnectionLimit, **uvicorns: Any
    ) -> None:
        super().__init__(**uvicorns)
        self.settings = settings
        self.arriving = arriving
        self._calls = calls
        self._limit = limit
        self._is_refused = False
        self._dropped_bytes = 0
        self._has_progressed = False  # whether the bytes that came last completed a head, or were of a body
        self._head_bytes = 0  # since then, all of which httptools keeps
        self._is_in_head = False  # whether a head has begun to arrive that is not complete
        self._body_bytes = 0  # of the body that is arriving
        self._cycles: list[RequestResponseCycle] = []  # not answered yet; uvicorn remembers only the last

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Begin to wait for the first request."""
        super().connection_made(transport)
        if self._limit.is_exceeded(len(self.connections)):
            self._refuse(Refusal(503, "TOO_MANY_CONNECTIONS", "Too many connections are open."))
            transport.close()  # at once, for a descriptor is what is missing
        else:
            self.start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel what is running for the client."""
        for cycle in self._due():
            if call := call_in(cycle.scope):
                call.is_left = True
            _disconnect(cycle)
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:  # uvicorn leaves it, and so this object, after a reset
            self.timeout_keep_alive_task.cancel()

    def data_received(self, data: bytes) -> None:
        """Read on. What is no request, or too long, is refused."""
        if self._is_refused:
            self._dropped_bytes += len(data)
            if self._dropped_bytes > LINGER_BYTES:
                self.transport.abort()
            return
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
        self._has_progressed = False
        self._head_bytes += len(data)
        try:
            self._feed(data)
            if self._has_progressed:
                self._head_bytes = 0
            elif self._head_bytes > self.settings.max_header_bytes:
                self._refuse_head()
        except httptools.HttpParserError as error:
            said = error.__context__ if isinstance(error.__context__, Refusal) else None
            self._refuse(said or Refusal(400, "BAD_REQUEST", "That is no HTTP request."))
        except Refusal as refusal:
            self._refuse(refusal)
        else:
            self._wait_for_the_rest()

    def _feed(self, data: bytes) -> None:
        """Raises HttpParserError."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._requests_websocket():
                self.stop_waiting()
                self.handle_websocket_upgrade()
                self._is_refused = True  # another protocol reads from now on
                self.parser = None  # type: ignore[assignment]  # as after connection_lost; it refers to this object
                return
            # Java's HttpClient sends `Upgrade: h2c` with bodies. httptools expects no body then, so the head is read
            # again without it, as a server may ignore it (RFC 9110, 7.8).
            head = self._head_without_upgrade()
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's, which answers first
            self.parser.feed_data(head + data[upgrade.args[0] :])

    def _wait_for_the_rest(self) -> None:
        """Set or cancel the deadline, and count what has arrived."""
        if self._is_refused:
            return
        due = self._due()
        if due and not self.cycle.more_body:
            self.stop_waiting()
            return
        self.arriving.record(self.refuse_arriving, self._body_bytes if due else 0)
        if self.deadline is None:
            self.start_deadline()

    def on_message_begin(self) -> None:
        """The head of a request begins to arrive."""
        self._is_in_head = True
        super().on_message_begin()

    def on_response_complete(self) -> None:
        """A request is answered; the next one, which may have begun to arrive meanwhile, has its time from now on."""
        super().on_response_complete()
        if self._is_in_head and not self._is_refused and self.deadline is None:
            self.start_deadline()

    def on_headers_complete(self) -> None:
        """Check the head, and have the app serve the request. Raises Refusal."""
        self._has_progressed = True
        self._is_in_head = False
        if self._head_bytes > self.settings.max_header_bytes:  # or some of it was read with the head
            length = len(self.url) + sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers)
            if length > self.settings.max_header_bytes:
                self._refuse_head()
        self._check_framing()
        if self.parser.should_upgrade():
            self.scope["method"] = "GET"  # see handle_websocket_upgrade; others are read again
            return
        if len(self.pipeline) >= MAX_PIPELINED:
            raise Refusal(400, "BAD_REQUEST", "Too many requests wait on this connection.")
        super().on_headers_complete()
        self.cycle.transport = _Unread(self)  # type: ignore[assignment]  # the part of it that is called
        self.scope["headers"] = self.headers.copy()  # httptools adds trailers to its own
        if self.expect_100_continue:
            self.cycle.keep_alive = False  # a client may send the body after a refusal, or the next request
        self._cycles = [*self._due(), self.cycle]
        self._body_bytes = 0

    def on_body(self, body: bytes) -> None:
        """Some of the body has arrived."""
        self._has_progressed = True
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request has arrived completely."""
        if not self.parser.should_upgrade():
            self.cycle.more_body = False
            self.cycle.message_event.set()
            if not self.parser.should_keep_alive():
                self.cycle.keep_alive = False  # a trailer may say so too, and httptools reads nothing after it

    def leave(self) -> None:
        """Close, for a request is answered. The rest of its body is dropped first, or its client would lose the answer:
        most send all of it before they read, and a system resets a connection that is closed with bytes unread.
        """
        if not self.cycle.more_body or self._is_refused or self.transport.is_closing():
            self.transport.close()
            return
        self._is_refused = True
        self.stop_waiting()
        self._linger(self.settings.request_seconds)

    def refuse_arriving(self) -> None:
        """The process holds too many unfinished bodies."""
        self._refuse(Refusal(503, "TOO_MANY_UPLOADS", "Too many long requests arrive at once. Try again later."))

    def _check_framing(self) -> None:
        """Raise Refusal where another server may see the end of the request elsewhere."""
        version, method = self.parser.get_http_version(), self.parser.get_method()
        codings = [value.lower() for name, value in self.headers if name == b"transfer-encoding"]
        are_odd = codings and (codings != [b"chunked"] or version == "1.0")
        if are_odd or version not in {"1.0", "1.1"} or method == b"CONNECT":
            message = "This server speaks HTTP/1.1, where a body has a Content-Length or the Transfer-Encoding chunked."
            raise Refusal(400, "BAD_REQUEST", message)
        if not self.parser.should_upgrade():
            return
        has_body = codings or any(name == b"content-length" and value.strip(b"0") for name, value in self.headers)
        is_plain = not has_body and method == b"GET" and version == "1.1"
        if self._requests_websocket() and (not is_plain or self._due()):
            message = "A WebSocket is opened by GET, HTTP/1.1, without a body and not pipelined."
            raise Refusal(400, "BAD_REQUEST", message)

    def _requests_websocket(self) -> bool:
        return [value.lower() for name, value in self.headers if name == b"upgrade"] == [b"websocket"]

    def _head_without_upgrade(self) -> bytes:
        """The head, as that of the last request of its connection: the client may go on in another protocol."""
        line = b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        kept = [b"%s:%s" % header for header in self.headers if header[0] not in UPGRADE_HEADERS]
        return b"\r\n".join([line, *kept, b"connection:close", b"", b""])

    def _refuse_head(self) -> None:
        """Raises Refusal."""
        most = self.settings.max_header_bytes
        raise Refusal(431, "HEAD_TOO_LONG", f"The headers of a request are at most {most} bytes long.")

    def _due(self) -> list[RequestResponseCycle]:
        """The requests that are not answered yet."""
        return [cycle for cycle in self._cycles if not cycle.response_complete]

    def is_late(self) -> None:
        """Refuse what is arriving, or close the connection where nothing is, or it is answered already."""
        if self.flow.read_paused:
            self.start_deadline()  # what has come is not read before the app has served what came before
        elif self._due() or self._is_in_head or self._head_bytes:
            seconds = f"{self.settings.request_seconds:g} seconds"
            self._refuse(Refusal(408, "TOO_SLOW", f"The request was not there within {seconds}."))
        else:
            self.transport.close()

    def _refuse(self, refusal: Refusal) -> None:
        """Answer in place of the app, and close; without an answer where another one is due before it."""
        self._is_refused = True
        self.stop_waiting()
        due = self._due()
        if any(cycle.response_started or not cycle.more_body for cycle in due):
            self.transport.close()
            return
        id = self._calls.refused(refusal.status, call_in(due[0].scope) if due else None)
        for cycle in due:
            _disconnect(cycle)
        response = refusal.response()
        headers = [
            *self.server_state.default_headers,
            *response.raw_headers,
            (b"connection", b"close"),
            (b"x-request-id", id.encode()),
        ]
        head = STATUS_LINE[refusal.status] + b"".join(b"%s: %s\r\n" % header for header in headers)
        self.transport.write(head + b"\r\n" + bytes(response.body))
        self._linger(LINGER_SECONDS)

    def _linger(self, seconds: float) -> None:
        """Send no more, and drop what still arrives, until the client closes."""
        self.transport.write_eof()
        self.flow.resume_reading()
        self.deadline = self.loop.call_later(seconds, self.transport.abort)


class _Unread:
    """The transport as the cycle of a request has it: closing waits for the rest of a body."""

    def __init__(self, connection: HTTPConnection) -> None:
        self._connection = connection

    def write(self, data: bytes) -> None:
        self._connection.transport.write(data)

    def is_closing(self) -> bool:
        return self._connection.transport.is_closing()

    def close(self) -> None:
        self._connection.leave()


def _disconnect(cycle: RequestResponseCycle) -> None:
    """Have the app know that the client is gone."""
    cycle.disconnected = True
    cycle.message_event.set()
