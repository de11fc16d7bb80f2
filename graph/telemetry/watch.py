"""Sees calls come and go, and tells of each: a count, a line in the log, a span."""

import contextvars
import logging
from collections.abc import Mapping, Sequence
from typing import Protocol

from starlette.types import Scope, Send

from graph.addresses import Network, client_of
from graph.media import GRAPHQL
from graph.settings import Settings, SettingsError
from graph.telemetry.call import ANONYMOUS, IN_SCOPE, Call, Outcome
from graph.telemetry.counts import Counts

__all__ = ["Tracer", "Watch", "tracer_of"]

log = logging.getLogger("graph.calls")

SOCKET = "WEBSOCKET"
"""What stands for the method of a socket's handshake."""


class Tracer(Protocol):
    """Who tells of calls as spans."""

    def tell(self, call: Call) -> None:
        """Tell of one that has just ended."""

    def close(self) -> None:
        """Send what is not sent yet."""


def tracer_of(settings: Settings) -> Tracer | None:
    """Who tells of operations as spans, where the settings want it. Raises SettingsError."""
    if not settings.tracing:
        return None
    try:
        from graph.telemetry.tracing import Tracing  # its libraries take 20 MB of who needs none
    except ImportError as error:
        raise SettingsError("--tracing: its libraries are missing; install training-monitor[tracing].") from error
    try:
        return Tracing()
    except ValueError as error:
        raise SettingsError(f"--tracing: an OTEL_ variable is wrong: {error}") from error


class Watch:
    """Watches the calls of one app."""

    def __init__(self, counts: Counts, tracer: Tracer | None, proxies: Sequence[Network] = ()) -> None:
        """`proxies`: who is believed when they say whose request it is."""
        self._counts = counts
        self._tracer = tracer
        self._proxies = proxies

    def begun(self, scope: Scope, head: Mapping[bytes, bytes], send: Send) -> Call:
        """The call of a request, or of a socket's handshake, that begins here; `head` has its headers."""
        call = Call(head.get(b"x-request-id"), self._operation_ended, send)
        call.is_page = scope["path"] != GRAPHQL
        if self._tracer:
            call.parent = head.get(b"traceparent")
        if log.isEnabledFor(logging.INFO) and (peer := scope.get("client")):
            call.client = client_of(peer[0], head, self._proxies)
        call.begin()
        scope[IN_SCOPE] = call
        return call

    def ended(self, call: Call, scope: Scope) -> None:
        """Take note of the end of a request, or of a socket, whose operations have ended for themselves."""
        del scope[IN_SCOPE]  # it leads back to the scope: a ring, which only a search would find
        if call.outcome == "ok" and not call.is_socket:
            # Who follows something ends it by leaving.
            call.outcome = "cut" if call.is_left and call.kind != "subscription" else _outcome_of(call.status)
        self._tell(call)
        if not log.isEnabledFor(logging.INFO):
            return
        if call.is_socket:
            self._log("socket", call, path=scope["path"], close=call.close_code)
        else:
            method = scope.get("method", SOCKET)
            self._log("request", call, method=method, path=scope["path"], status=call.status, bytes=call.sent)

    def refused(self, status: int) -> str:
        """Take note of what was refused before there was a request, for it is none, or not all of it. Gives its id."""
        call = Call(None, self._operation_ended)
        call.refused(status)
        contextvars.copy_context().run(self._tell_of_refused, call)
        return call.id

    def _tell_of_refused(self, call: Call) -> None:
        call.begin()
        self._tell(call)
        if log.isEnabledFor(logging.INFO):
            self._log("request", call, status=call.status)

    def _operation_ended(self, call: Call) -> None:
        self._tell(call)
        if log.isEnabledFor(logging.INFO):
            self._log("operation", call)

    def _tell(self, call: Call) -> None:
        if call.kind or call.outcome != "ok":  # else it is a page, or what stands beside the API
            self._counts.call(call)
            if self._tracer and not call.is_page:
                self._tracer.tell(call)

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
    """What came of a request that was answered so, where nothing else is known."""
    if not status:
        return "cut"
    return "failed" if status >= 500 else "refused" if status >= 400 else "ok"
