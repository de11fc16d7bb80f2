"""uvicorn's WebSocket connection, with limits on what a client may send and for how long it may send it."""

from collections.abc import Coroutine
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode

from graph.admission.rates import Bucket
from graph.process.limits import Arriving, LimitedConnection
from graph.settings import Settings
from graph.telemetry.calls import call_in
from graph.transport.websocket import ACKNOWLEDGED

__all__ = ["WebSocketConnection"]

FIRST_MESSAGE_BYTES = 64 * 1024
"""The longest message before the socket is acknowledged: its connection_init, of a client that may have no token."""
PIECE_BYTES = 4096
"""What is parsed at once: a read of 256 KiB may bring 40,000 frames, of which the first 600 are too many."""
SMALL_FRAGMENT_BYTES = 1024  # a shorter fragment of a message counts as a message, as there is no limit to empty ones
LINGER_SECONDS = 2.0
"""How long a client's bytes are still read and dropped: closing at once would discard the close frame."""
INVALID_TEXT = 1007
TRY_AGAIN_LATER = 1013
TOO_LATE = 4408
TOO_MANY = 4429


class WebSocketConnection(LimitedConnection, WebSocketsSansIOProtocol):
    """uvicorn's protocol for one socket."""

    def __init__(self, settings: Settings, arriving: Arriving, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self.settings = settings
        self.arriving = arriving
        self._bucket = Bucket(settings.max_messages_a_second)
        self._is_closing = False

    def data_received(self, data: bytes) -> None:
        """Read on; at first the handshake, which the HTTP connection passes on as a whole."""
        if not self.handshake_initiated:
            super().data_received(data)
            self._check_handshake()
            return
        for start in range(0, len(data), PIECE_BYTES):
            if self._is_closing:
                return
            self._parse(data[start : start + PIECE_BYTES])
        self._wait_for_the_rest()

    def _parse(self, data: bytes) -> None:
        longest = self.settings.max_message_bytes
        self.conn.max_message_size = longest if ACKNOWLEDGED in self.scope else min(FIRST_MESSAGE_BYTES, longest)
        self.conn.receive_data(data)
        frames = [event for event in self.conn.events if isinstance(event, Frame)]
        if any(self._counts(frame) and self._bucket.take(self.loop.time()) for frame in frames):
            self._fail(TOO_MANY, "Too many messages")
        elif self.conn.parser_exc is not None:
            self.handle_parser_exception()
        else:
            self.handle_events()
        for frame in frames:
            frame.data = b""  # websockets keeps the last one until the next comes

    def _wait_for_the_rest(self) -> None:
        """Count what is there of an unfinished message, and set its deadline."""
        if self._is_closing:
            return
        pending = len(self.conn.reader.buffer) + (self.conn.current_size or 0)
        self.arriving.record(self.refuse_arriving, pending)
        if not pending:
            self.stop_waiting()
        elif self.deadline is None:
            self.start_deadline()

    def send_receive_event_to_app(self) -> None:
        """Pass a complete message to the app; invalid UTF-8 closes the socket, and is no error here."""
        self.stop_waiting()
        if self.curr_msg_data_type == "text":
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self._fail(INVALID_TEXT, "Invalid UTF-8")
                return
        super().send_receive_event_to_app()

    def send(self, message: Any) -> Coroutine[Any, Any, None]:
        """Send on. An answer in place of the handshake has the headers of every answer, and completes it."""
        if message["type"] == "websocket.http.response.start":
            message["headers"] = [*self.default_headers, *message.get("headers", ())]
        elif message["type"] == "websocket.http.response.body":
            self.handshake_complete = True  # else uvicorn logs an error of the app
        return super().send(message)

    def start_keepalive(self) -> None:
        """Release the handshake, which thousands of sockets would keep."""
        super().start_keepalive()
        del self.response

    def keepalive_timeout(self) -> None:
        """The client is gone. uvicorn would wait until it has read what was sent to it."""
        super().keepalive_timeout()
        self.transport.abort()

    def handle_parser_exception(self) -> None:
        """What has come is no WebSocket frame, or too long. uvicorn would close before the client reads why."""
        close = self.conn.close_sent
        assert close is not None
        self._close(close.code, close.reason)

    def refuse_arriving(self) -> None:
        """The process holds too many unfinished messages."""
        self._fail(TRY_AGAIN_LATER, "Too many long messages arrive at once")

    def connection_lost(self, exc: Exception | None) -> None:
        """Release what has arrived: websockets' parser and its reader refer to each other."""
        self._stop_reading()
        super().connection_lost(exc)

    def is_late(self) -> None:
        """Close the socket, unless the app has not taken the message before this one."""
        self.deadline = None
        if self.read_paused:
            self._wait_for_the_rest()
        else:
            self._fail(TOO_LATE, f"A message was not there within {self.settings.request_seconds:g} seconds")

    def _counts(self, frame: Frame) -> bool:
        return frame.opcode is not Opcode.CONT or len(frame.data) < SMALL_FRAGMENT_BYTES

    def _fail(self, code: int, reason: str) -> None:
        self.conn.fail(code, reason)
        self._close(code, reason)

    def _close(self, code: int, reason: str) -> None:
        """Send the close frame, which `conn` has ready, and drop what still comes."""
        self._is_closing = True
        if call := call_in(self.scope):
            call.closed(code, by_us=True)
        self._stop_reading()
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.write_eof()
        self.close_sent = True
        self.read_paused = False
        self.transport.resume_reading()
        self.close_timer = self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def _check_handshake(self) -> None:
        """Close where the head was too long for websockets: uvicorn does not notice, and would keep the connection."""
        if not self.handshake_initiated and not self.transport.is_closing():
            self.handshake_complete = self.close_sent = True
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def _stop_reading(self) -> None:
        self.stop_waiting()
        self.conn.reader.discard()
        self.frames = []
