"""The app: everything is built here, and lives from its start to its end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from graph.addresses import listed, networks_in
from graph.admission.access import Access
from graph.admission.caller import Refusal
from graph.admission.connection_slots import ConnectionSlots
from graph.admission.gate import Gate, failure
from graph.admission.hosts_and_origins import HostsAndOrigins
from graph.admission.rates import Rates
from graph.admission.sign_in import SignIn
from graph.admission.tokens import TokenCache
from graph.context import Services
from graph.execution.running import Operations
from graph.health import Health
from graph.live.stream import Streams
from graph.media import GRAPHQL
from graph.metrics import Metrics
from graph.pages import Pages
from graph.plans.answers import Answers
from graph.schema import schema
from graph.settings import Settings, read_settings
from graph.stores import database_of, feed_of
from graph.telemetry.calls import Calls, tracer_of
from graph.transport.streams import HTTPStreams
from graph.transport.view import GraphQLView
from models.alerts.alerts import Alerts
from models.alerts.checker import AlertChecker
from models.curves.builder import Growth
from models.curves.chunks import Chunks
from models.curves.reading import Curves
from models.housekeeping import Housekeeping
from models.jobs import Jobs
from models.tokens import Tokens
from models.webhooks.receiver import Receivers
from models.webhooks.sender import Webhooks

__all__ = ["App", "Companion", "create_app"]

Companion = Callable[[Jobs, Alerts], AbstractAsyncContextManager[None]]
"""Something that runs beside the server, from its start to its end, and acts on its jobs and their alerts."""


def create_app(settings: Settings | None = None, companion: Companion | None = None, *, plans: bool = True) -> "App":
    """The API and the pages over one store; several apps may live in one process.

    Settings left out are read from the environment; `plans`: False has Strawberry answer every operation, as compiled
    plans must.
    """
    settings = settings or read_settings()
    metrics, tracer = Metrics(), tracer_of(settings)
    database = database_of(settings, timed_read=metrics.reads.observe, timed_write=metrics.writes.observe)
    feed = feed_of(settings)
    jobs = Jobs(database, feed, settings.max_batch)
    streams = Streams(
        database, feed, settings.live_buffer, settings.live_check_seconds, show_secrets=settings.show_secrets
    )
    chunks = Chunks(database)
    growth = Growth(chunks, feed)
    housekeeping = Housekeeping(jobs, fail_lost_after=settings.fail_lost_after, keep_days=settings.keep_days)
    checker = AlertChecker(database, feed, settings.live_check_seconds)
    tokens = TokenCache(Tokens(database))
    access = Access(settings, tokens)
    slots, http_streams = ConnectionSlots(settings.max_sockets), HTTPStreams(settings.ping_seconds)
    pages = Pages(settings.root_path)
    operations = Operations(schema.graphql, settings)
    answers = Answers(schema.graphql, operations, database, jobs) if plans else None
    allowed_webhooks = frozenset(listed(settings.allowed_webhooks))
    alerts = Alerts(database, feed, allowed_webhooks)
    webhooks = Webhooks(
        database,
        feed,
        Receivers(allowed_webhooks),
        secret=settings.webhook_key,
        public_url=settings.public_url,
        check_seconds=settings.live_check_seconds,
        counted=metrics.count_webhook,
    )
    services = Services(operations, database, jobs, alerts, streams, Curves(chunks), answers, settings.show_secrets)
    view = GraphQLView(settings, services, access, slots, http_streams, pages)
    health = Health(database, feed)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with database, feed.open(database.identity):
            beside = companion(jobs, alerts) if companion else nullcontext()
            async with (
                health.answering(),
                tokens.refreshed(),
                metrics.running(feed, streams, slots),
                growth.running(),
                checker.running(),
                webhooks.running(),
                housekeeping.running(),
                beside,
            ):
                yield
        if tracer:
            await asyncio.to_thread(tracer.close)

    hosts = HostsAndOrigins(settings)
    calls = Calls(metrics.count, tracer, networks_in(settings.trusted_proxies))
    app = App(view, services, http_streams, calls, settings.root_path, lifespan=lifespan, openapi_url=None)
    gate = Gate([Rates(settings).check, hosts.check, access.check], app.serve, calls)
    app.gate = hosts.with_cors(gate) if settings.allowed_origins else gate
    sign_in = SignIn(access, tokens, pages)
    exposed = metrics.route(database, streams, slots)
    app.router.routes.extend([*health.routes, exposed, *sign_in.routes, *pages.routes])
    return app


class App(FastAPI):
    """FastAPI, but GraphQL goes straight to its view: layers in between cost time a request and memory a socket."""

    gate: ASGIApp
    """Checks every request and socket, and passes them on to `serve`."""

    def __init__(
        self,
        view: GraphQLView,
        services: Services,
        http_streams: HTTPStreams,
        calls: Calls,
        root_path: str,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.view = view
        self.services = services
        self.http_streams = http_streams
        self.add_exception_handler(Exception, _failed)
        self.add_exception_handler(Refusal, _failed)
        self.add_exception_handler(405, self._wrong_method)
        self.calls = calls
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, a socket or the app's lifespan."""
        if scope["type"] == "lifespan":
            await super().__call__(scope, receive, send)
        else:
            self._remove_prefix(scope)
            await self.gate(scope, receive, send)

    def _remove_prefix(self, scope: Scope) -> None:
        """Leave the path that routes know, whether a proxy has removed the prefix or not."""
        # In place: the protocol finds the call in its own scope.
        prefix, path = self._root_path, scope["path"]
        if prefix and (path == prefix or path.startswith(f"{prefix}/")):
            scope.update(path=path.removeprefix(prefix) or "/", root_path="")

    async def _wrong_method(self, _: Request, error: Exception) -> Response:
        """The answer to a POST to a page, mostly of a client with a wrong address of the API."""
        message = f"Method Not Allowed. The API is at {self._root_path}{GRAPHQL}."
        return Refusal(405, "METHOD_NOT_ALLOWED", message, getattr(error, "headers", None)).response()

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve what the gate has let pass. Raises Refusal."""
        if scope["path"] == GRAPHQL:
            await self.view(scope, receive, send)
        elif scope["type"] == "websocket":
            raise Refusal(404, "NOT_FOUND", f"Sockets are opened at {GRAPHQL}.")
        else:
            await super().__call__(scope, receive, send)


async def _failed(_: Request, error: Exception) -> Response:
    """Replaces Starlette's answer to what a route raises. It raises an unexpected exception again: the gate logs it."""
    return error.response() if isinstance(error, Refusal) else failure(error)
