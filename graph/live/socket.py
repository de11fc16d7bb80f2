"""uvicorn's end of a WebSocket, mended where it leaves a peer hanging or fills the log."""

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

__all__ = ["SocketProtocol"]


class SocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's protocol for one socket."""

    def start_keepalive(self) -> None:
        """The handshake is over: forget it, for thousands of sockets keep theirs."""
        super().start_keepalive()
        del self.response

    def keepalive_timeout(self) -> None:
        """The peer is gone. uvicorn would wait for it to read what it was sent, for as long as TCP has patience."""
        super().keepalive_timeout()
        self.transport.abort()

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
