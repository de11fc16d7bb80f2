"""Traces: operations as spans, sent to a collector by OTLP; without --tracing nothing of it is loaded."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from graph.telemetry.calls import Call, Outcome
from graph.telemetry.tracing import Tracing
from tests.tools.process import ServerProcess
from tests.tools.sockets import opened, websocket_url
from tests.tools.waiting import PATIENCE, eventually

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


class Collector:
    """A receiver of OTLP over HTTP."""

    def __init__(self) -> None:
        self.spans: dict[str, Span] = {}
        self.service = ""
        self.url = ""

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        for of_resource in request.resource_spans:
            (self.service,) = (
                each.value.string_value for each in of_resource.resource.attributes if each.key == "service.name"
            )
            self.spans |= {span.name: span for of_scope in of_resource.scope_spans for span in of_scope.spans}


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.take(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as receiver:
        thread = threading.Thread(target=receiver.serve_forever)
        thread.start()
        collector.url = "http://{}:{}".format(*receiver.server_address)
        yield collector
        receiver.shutdown()
        thread.join()


async def test_an_operation_is_a_span_of_the_trace_that_it_came_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        with ServerProcess(f"sqlite://{tmp_path}/test.sqlite3", "--tracing") as server:
            async with httpx.AsyncClient(base_url=server.url) as http:
                headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-Id": "mine"}
                await http.post("/graphql", json={"query": "query Mine { jobs { id } }"}, headers=headers)
                await http.post("/graphql", json={"query": "query Wrong { nobody }"})
                await http.get("/healthz")
            await eventually(lambda: {"query Mine", "request"} <= collector.spans.keys())
            async with opened(websocket_url(server.url)) as connection:
                await connection.next(await connection.subscribe("query OnSocket { jobs { id } }"))
            await eventually(lambda: "query OnSocket" in collector.spans)
            assert server.stop() == 0
            assert server.log == ""
    assert collector.spans.keys() == {"query Mine", "request", "query OnSocket"}
    assert collector.service == "training-monitor"
    span = collector.spans["query Mine"]
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
    assert {each.key: each.value.string_value for each in span.attributes} == {
        "graphql.operation.type": "query",
        "graphql.operation.name": "Mine",
        "training_monitor.outcome": "ok",
        "training_monitor.request_id": "mine",
    }
    assert span.end_time_unix_nano > span.start_time_unix_nano
    assert span.status.code == Status.STATUS_CODE_UNSET
    assert not collector.spans["query OnSocket"].parent_span_id


@pytest.mark.parametrize("outcome", ["refused", "failed"])
def test_a_span_is_an_error_where_the_server_is_at_fault(monkeypatch: pytest.MonkeyPatch, outcome: Outcome) -> None:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        tracing = Tracing(close_seconds=PATIENCE)  # so that what is left is sent
        call = Call(None, tracing.export)
        call.know("Mine", "query")
        call.outcome = outcome
        call.end()
        tracing.close()
    is_fault = collector.spans["query Mine"].status.code == Status.STATUS_CODE_ERROR
    assert is_fault is (outcome == "failed")


def test_a_server_ends_without_a_collector_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "3600")
        tracing = Tracing()
        Call(None, tracing.export).end()
        closing = threading.Thread(target=tracing.close, daemon=True)
        closing.start()
        closing.join(PATIENCE)
        assert not closing.is_alive(), "by itself the exporter would wait for an hour"


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("import os; os.environ['OTEL_BSP_MAX_QUEUE_SIZE'] = '1'", "--tracing: an OTEL_ variable is wrong: max_export"),
        ("import sys; sys.modules['opentelemetry.sdk'] = None", "training-monitor[tracing]"),
    ],
    ids=["a wrong variable", "no libraries"],
)
def test_what_keeps_it_from_tracing_is_said_in_one_line(sqlite_url: str, before: str, said: str) -> None:
    program = f"{before}; from graph.commands import main; main()"
    ended = run(sys.executable, "-c", program, "serve", "--tracing", "--port", "0", "--database-url", sqlite_url)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1)
    assert said in ended.stderr


def test_libraries_of_traces_and_colours_are_not_loaded_without_need() -> None:
    names = "opentelemetry.sdk", "opentelemetry.exporter", "rich"
    program = f"import sys, graph.__main__; print([name for name in {names} if name in sys.modules])"
    assert run(sys.executable, "-c", program).stdout == "[]\n"


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
