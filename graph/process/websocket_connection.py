"""uvicorn's end of a WebSocket, mended where it leaves a peer hanging, fills the log, or takes whatever comes."""

from asyncio import AbstractEventLoop
from collections.abc import Coroutine
from http import HTTPStatus
from typing import Any

from uvicorn._types import ASGISendEvent, WebSocketSendEvent
from uvicorn.config import Config
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.exceptions import InvalidMessage
from websockets.frames import Frame
from websockets.http11 import Response
from websockets.server import ServerProtocol

from graph.admission.rates import Bucket
from graph.process.turns import TakesTurns
from graph.process.unread import LONG, Held, Unread
from graph.telemetry.call import call_in
from graph.telemetry.watch import Watch

__all__ = ["SocketProtocol"]

LINGER_SECONDS = 2.0
"""For so long what a peer still sends is forgotten: closing at once would take the close frame from it."""
SMALL_PIECE = 1024
"""Bytes of a fragment of a message below which it counts as a message, for there is no end to empty ones."""


class SocketProtocol(TakesTurns, WebSocketsSansIOProtocol):
    """uvicorn's protocol for one socket."""

    turn_bytes = 1024
    _held: tuple[Held, ...] = ()
    """The messages, long ones and those that wait behind them, that its peer is still to take."""

    def __init__(
        self,
        max_messages_a_second: int,
        watch: Watch,
        long_answers: Unread,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._bucket = Bucket(max_messages_a_second)
        self._is_parting = False
        self._watch = watch
        self._long_answers = long_answers
        self.conn.reject = self._refusal  # type: ignore[method-assign]  # uvicorn makes the connection

    def start_keepalive(self) -> None:
        """The handshake is over: forget it, for thousands of sockets keep theirs."""
        super().start_keepalive()
        del self.response, self.conn.reject

    def send(self, message: ASGISendEvent) -> Coroutine[Any, Any, None]:
        """Send on; what refuses the handshake has the headers of every answer, which uvicorn leaves out."""
        if message["type"] == "websocket.http.response.start":
            message["headers"] = [*self.default_headers, *message.get("headers", ())]
        elif message["type"] == "websocket.send" and (
            not self.writable.is_set() or _bytes_in(message.get("text") or "") > LONG
        ):
            return self._send_unread(message)
        return super().send(message)

    async def _send_unread(self, message: WebSocketSendEvent) -> None:
        held = self._long_answers.hold(_bytes_in(message.get("text") or ""), self.transport.abort)
        try:
            await super().send(message)
        except BaseException:
            self._long_answers.let_go(held)
            raise
        if self.writable.is_set():
            self._long_answers.let_go(held)
        else:
            self._held = (*self._held, held)

    def resume_writing(self) -> None:
        """The peer has taken nearly all of what it was sent."""
        super().resume_writing()
        self._let_go()

    def _let_go(self) -> None:
        for held in self._held:
            self._long_answers.let_go(held)
        self._held = ()

    def _refusal(self, status: HTTPStatus | int, text: str) -> Response:
        """What websockets or uvicorn by themselves answer to a handshake, with the headers of every answer."""
        response = ServerProtocol.reject(self.conn, status, text)
        call = call_in(self.scope) if self.handshake_initiated else None
        id = call.id if call else self._watch.refused(response.status_code)
        del response.headers["Date"]  # it is among those
        for name, value in (*self.default_headers, (b"x-request-id", id.encode())):
            response.headers[name.decode()] = value.decode()
        return response

    def keepalive_timeout(self) -> None:
        """The peer is gone. uvicorn would wait for it to read what it was sent, for as long as TCP has patience."""
        super().keepalive_timeout()
        self.transport.abort()

    async def run_asgi(self) -> None:
        """Serve the socket. uvicorn takes a handshake that was answered with a refusal for an error of the app's."""
        try:
            await self.app(self.scope, self.receive, self.send)
        except ClientDisconnected:
            pass
        except BaseException:
            self.logger.exception("Exception in ASGI application\n")
            self.send_500_response()
        else:
            if not self.handshake_complete and self.initial_response is None:
                self.logger.error("ASGI callable returned without completing handshake.")
                self.send_500_response()
        if self.close_timer is None:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything."""
        self._let_go()
        self.forget_what_is_ahead()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on: the handshake, which HTTP hands over, as the whole that it is."""
        if self.handshake_initiated:
            super().data_received(data)
        else:
            self.read(data)

    def is_reading_paused(self) -> bool:
        """Whether the app has enough messages to go on with."""
        return self.read_paused

    def read(self, data: bytes) -> None:
        """Read on, unless there is nothing more to be said."""
        if self._is_parting:
            return
        WebSocketsSansIOProtocol.data_received(self, data)
        if not self.handshake_initiated and not self.transport.is_closing():
            # A handshake that websockets refuses before it asks: uvicorn would keep the answer, and the connection.
            self.handshake_complete = self.close_sent = True
            if isinstance(self.conn.handshake_exc, InvalidMessage):  # it has no answer for what is no request at all
                self._watch.refused(0)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def handle_text(self, event: Frame) -> None:
        """A message of text begins."""
        if self._is_counted():
            super().handle_text(event)
            event.data = b""  # websockets keeps the last frame until another comes

    def handle_bytes(self, event: Frame) -> None:
        """A message of bytes begins."""
        if self._is_counted():
            super().handle_bytes(event)
            event.data = b""

    def handle_cont(self, event: Frame) -> None:
        """A message goes on."""
        if len(event.data) >= SMALL_PIECE or self._is_counted():
            super().handle_cont(event)
            event.data = b""

    def handle_ping(self) -> None:
        """A ping, which is answered."""
        if self._is_counted():
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        """A pong, perhaps the one that was asked for."""
        if self._is_counted():
            super().handle_pong(event)

    def send_receive_event_to_app(self) -> None:
        """Hand a message to the app; one that is no UTF-8 closes the socket with 1007 and is no error of ours."""
        if self.curr_msg_data_type == "text":
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.frames = []
                self.conn.fail(1007, "Invalid UTF-8")
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    def _is_counted(self) -> bool:
        """Whether a frame is one that may still come; the first that is too many closes the socket."""
        if self._is_parting:
            return False
        if self._bucket.take(self.loop.time()):
            self._part(4429, "Too many messages")
        return not self._is_parting

    def handle_parser_exception(self) -> None:
        """What came is no WebSocket any more; uvicorn would hang up on what still comes, and take the close from it."""
        close = self.conn.close_sent
        assert close is not None
        self._leave(close.code, close.reason)

    def _part(self, code: int, reason: str) -> None:
        self.conn.fail(code, reason)
        self._leave(code, reason)

    def _leave(self, code: int, reason: str) -> None:
        self._is_parting = True
        if call := call_in(self.scope):
            call.closed(code, by_us=True)
        self.frames = []
        self.forget_what_is_ahead()
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.write_eof()
        self.close_sent = True
        self.read_paused = False
        self.transport.resume_reading()
        self.close_timer = self.loop.call_later(LINGER_SECONDS, self.transport.abort)


def _bytes_in(text: str) -> int:
    """The most that a text takes, in memory and as UTF-8."""
    return len(text) if text.isascii() else 4 * len(text)
