"""The app: everything is built here, and lives from its start to its end."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from graph.live.stream import Streams
from graph.pages import page_routes
from graph.settings import Settings, read_settings
from graph.view import GraphQLView
from models.database import Database
from models.feed import Feed
from models.jobs import Jobs

__all__ = ["App", "Companion", "create_app"]

Companion = Callable[[Jobs], AbstractAsyncContextManager[None]]
"""Something that runs beside the server, from its start to its end, and acts on its jobs."""


def create_app(settings: Settings | None = None, companion: Companion | None = None) -> "App":
    """The API and the pages over one store; several apps may live in one process.

    Settings left out are read from the environment.
    """
    settings = settings or read_settings()
    database = Database(settings.database_url)
    feed = Feed()
    jobs = Jobs(database, feed)
    streams = Streams(feed, settings.live_buffer, settings.live_check_seconds)
    view = GraphQLView(settings, database, jobs, streams)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with database:
            with database.scope():
                async with companion(jobs) if companion else nullcontext():
                    yield

    app = App(view, title="training-monitor", lifespan=lifespan, openapi_url=None)
    app.router.routes.extend(page_routes())
    return app


class App(FastAPI):
    """FastAPI, but GraphQL goes straight to its view: layers in between cost each request time, each socket memory."""

    def __init__(self, view: GraphQLView, **options: Any) -> None:
        super().__init__(**options)
        self.view = view

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, a socket or the app's lifespan."""
        if scope["type"] != "lifespan" and scope["path"] == "/graphql":
            await self.view(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)
