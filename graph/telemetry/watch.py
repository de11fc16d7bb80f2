"""Records each call at its end: in the metrics, as a line in the log, as a span."""

import contextvars
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from starlette.types import Scope, Send

from graph.addresses import Network, client_of
from graph.media import GRAPHQL
from graph.settings import Settings, SettingsError
from graph.telemetry.call import ANONYMOUS, IN_SCOPE, Call, Outcome
from graph.telemetry.prometheus import AppMetrics

if TYPE_CHECKING:
    from graph.telemetry.tracing import Tracing

__all__ = ["Watch", "tracer_of"]

log = logging.getLogger("graph.calls")

SOCKET = "WEBSOCKET"
"""Logged as the method of a socket's handshake."""


def tracer_of(settings: Settings) -> "Tracing | None":
    """The tracer, with --tracing. Raises SettingsError."""
    if not settings.tracing:
        return None
    try:
        from graph.telemetry.tracing import Tracing  # its libraries take 20 MB
    except ImportError as error:
        raise SettingsError("--tracing: its libraries are missing; install training-monitor[tracing].") from error
    try:
        return Tracing()
    except ValueError as error:
        raise SettingsError(f"--tracing: an OTEL_ variable is wrong: {error}") from error


class Watch:
    """Watches the calls of one app."""

    def __init__(self, metrics: AppMetrics, tracer: "Tracing | None", proxies: Sequence[Network] = ()) -> None:
        """`proxies`: peers whose X-Forwarded-For names the client."""
        self._metrics = metrics
        self._tracer = tracer
        self._proxies = proxies

    def begun(self, scope: Scope, head: Mapping[bytes, bytes], send: Send) -> Call:
        """Begin the call of a request, or of a socket's handshake; `head` has its headers."""
        call = Call(head.get(b"x-request-id"), self._operation_ended, send)
        call.is_page = scope["path"] != GRAPHQL
        if self._tracer:
            call.parent = head.get(b"traceparent")
        if peer := scope.get("client"):
            call.client = client_of(peer[0], head, self._proxies) if self._proxies else peer[0]
        call.begin()
        scope[IN_SCOPE] = call
        return call

    def ended(self, call: Call, scope: Scope) -> None:
        """Record the end of a request, or of a socket, whose operations are calls of their own."""
        del scope[IN_SCOPE]  # a reference cycle, as `send` refers to the scope
        if call.outcome == "ok" and not call.is_socket:
            # A client ends a subscription by disconnecting.
            call.outcome = "cut" if call.is_left and call.kind != "subscription" else _outcome_of(call.status)
        self._record(call)
        if not log.isEnabledFor(logging.INFO):
            return
        if call.is_socket:
            self._log("socket", call, path=scope["path"], close=call.close_code)
        else:
            method = scope.get("method", SOCKET)
            self._log("request", call, method=method, path=scope["path"], status=call.status, bytes=call.sent)

    def refused(self, status: int, call: Call | None) -> str:
        """Record a refusal by the protocol, of a call that has begun or before there is one. Returns its id."""
        if call:
            call.refused(status)  # recorded once the app has ended it
        else:
            call = Call(None, self._operation_ended)
            call.refused(status)
            contextvars.copy_context().run(self._record_refused, call)
        return call.id

    def _record_refused(self, call: Call) -> None:
        call.begin()
        self._record(call)
        self._log("request", call, status=call.status)

    def _operation_ended(self, call: Call) -> None:
        self._record(call)
        if log.isEnabledFor(logging.INFO):
            self._log("operation", call)

    def _record(self, call: Call) -> None:
        if call.kind or call.outcome != "ok":  # else a page, health or metrics
            self._metrics.count(call)
            if self._tracer and not call.is_page:
                self._tracer.export(call)

    def _log(self, event: str, call: Call, **more: object) -> None:
        if call.kind:
            more |= {"operation": call.operation or ANONYMOUS, "type": call.kind}
        if call.client:
            more["client"] = call.client
        if call.token_id is not None:
            more["token_id"] = call.token_id
        extra = {**more, "outcome": call.outcome, "ms": round(call.seconds * 1000, 2)}
        log.info(event, extra=extra)


def _outcome_of(status: int) -> Outcome:
    """The outcome by the status alone."""
    if not status:
        return "cut"
    return "failed" if status >= 500 else "refused" if status >= 400 else "ok"
