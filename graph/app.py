"""The app: everything is built here, and lives from its start to its end."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

from fastapi import FastAPI
from starlette.routing import Route, WebSocketRoute

from graph.live.stream import Streams
from graph.settings import Settings, read_settings
from graph.view import GraphQLView
from models.database import Database
from models.feed import Feed
from models.jobs import Jobs

__all__ = ["Companion", "create_app"]

Companion = Callable[[Jobs], AbstractAsyncContextManager[None]]
"""Something that runs beside the server, from its start to its end, and acts on its jobs."""


def create_app(settings: Settings | None = None, companion: Companion | None = None) -> FastAPI:
    """The API over one store; several apps may live in one process. Settings left out are read from the environment."""
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

    app = FastAPI(title="training-monitor", lifespan=lifespan, openapi_url=None)
    app.state.end_streams = view.end_streams
    # As bare routes: a mount would send /graphql to /graphql/ first.
    app.router.routes += [Route("/graphql", view), WebSocketRoute("/graphql", view)]
    return app
