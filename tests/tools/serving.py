"""The app of this process, served over real sockets."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

from graph.app import App
from graph.process.server import Server
from graph.settings import Settings
from tests.tools.waiting import eventually


class PromptServer(Server):
    """Ends as soon as nobody is connected any more, where uvicorn looks about itself every tenth of a second.

    How the product's own ends is tested where it is a process.
    """

    def __init__(self, app: App, settings: Settings) -> None:
        super().__init__(app, settings)
        self.told_to_end = asyncio.Event()

    async def main_loop(self) -> None:
        """Serve until it is told to end."""
        await self.on_tick(0)  # sets the headers of every answer
        await self.told_to_end.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Part from everybody. Raises TimeoutError where somebody stays."""
        self._app.http_streams.end()
        for server in self.servers:
            server.close()
        state = self.server_state
        for connection in [*state.connections]:
            connection.shutdown()
        await eventually(lambda: not state.connections and not state.tasks)


@contextlib.asynccontextmanager
async def served(app: App, settings: Settings) -> AsyncIterator[str]:
    """Inside, the app, which has started, is served at the given http:// address."""
    server = PromptServer(app, settings)
    server.config.lifespan = "off"  # it has its own
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield "http://{}:{}".format(*listening.getsockname())
        finally:
            server.told_to_end.set()
            await serving
