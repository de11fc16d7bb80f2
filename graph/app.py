"""The app: everything is built here, and lives from its start to its end."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from graph.access.access import Access
from graph.access.keyring import Keyring
from graph.access.sign_in import SignIn
from graph.doors import Cors, Doors
from graph.gate import Check, Gate
from graph.health import Health
from graph.live.stream import Streams
from graph.pages import page_routes
from graph.rates import Rates
from graph.settings import Settings, read_settings
from graph.view import GraphQLView
from models.chunks import Chunks
from models.curves import Curves
from models.database import Database
from models.feed import Feed
from models.growth import Growth
from models.jobs import Jobs
from models.tokens import Tokens

__all__ = ["App", "Companion", "create_app", "database_of", "feed_of"]

Companion = Callable[[Jobs], AbstractAsyncContextManager[None]]
"""Something that runs beside the server, from its start to its end, and acts on its jobs."""


def create_app(settings: Settings | None = None, companion: Companion | None = None) -> "App":
    """The API and the pages over one store; several apps may live in one process.

    Settings left out are read from the environment.
    """
    settings = settings or read_settings()
    database, feed = database_of(settings), feed_of(settings)
    jobs = Jobs(database, feed, settings.max_batch)
    streams = Streams(feed, settings.live_buffer, settings.live_check_seconds)
    chunks = Chunks(database)
    growth = Growth(chunks, feed)
    keyring = Keyring(Tokens(database))
    access = Access(settings, keyring)
    view = GraphQLView(settings, database, jobs, streams, Curves(chunks), access)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with database, feed.open(database.identity):
            with database.scope():
                async with keyring.kept(), growth.running(), companion(jobs) if companion else nullcontext():
                    yield

    checks: list[Check] = [Doors(settings).check, Rates(settings).check, access.check]
    app = App(settings, view, checks, title="training-monitor", lifespan=lifespan, openapi_url=None)
    app.router.routes.extend(
        [*Health(database, feed).routes, *SignIn(settings, access, keyring).routes, *page_routes()]
    )
    return app


def database_of(settings: Settings, *, create: bool = True) -> Database:
    """The store that the settings name. Raises StoreError where they name none."""
    return Database(
        settings.database_url,
        create=create,
        connections=settings.database_connections,
        seconds=settings.database_seconds,
    )


def feed_of(settings: Settings) -> Feed:
    """The feed that the settings name: within this process where they name none. Raises FeedError."""
    if not settings.feed_url:
        return Feed()
    from models.feed_redis import RedisFeed  # its library takes 5 MiB of who needs none

    return RedisFeed(settings.feed_url, settings.feed_seconds)


class App(FastAPI):
    """FastAPI, but GraphQL goes straight to its view: layers in between cost each request time, each socket memory."""

    def __init__(self, settings: Settings, view: GraphQLView, checks: Sequence[Check], **options: Any) -> None:
        super().__init__(**options)
        self.view = view
        gate = Gate(checks, self._serve)
        self._gate: ASGIApp = Cors(settings, gate) if settings.allowed_origins else gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, a socket or the app's lifespan."""
        if scope["type"] == "lifespan":
            await super().__call__(scope, receive, send)
        else:
            await self._gate(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/graphql":
            await self.view(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)
