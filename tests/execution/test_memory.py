"""Little is left of a request that Python would have to look for, which stops everyone, whatever is wrong with it."""

import gc
import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.types import Message, Scope

from graph.app import App
from graph.execution.long_json import LONG
from graph.garbage import forget_frames, tune

FEW = 40
"""Objects; of a request whose every token, field or error left some there would be hundreds."""
READS = " ".join(f"a{n}: job(id: $i) {{ id }}" for n in range(100))
BODIES = {
    "a short read": {"query": "{ jobs { id name } }"},
    "a field that is none": {"query": "{ jobs { nobody } }"},
    "a document with too many comments": {"query": "#\n" * 10_000 + "{ __typename }"},
    "a document that ends too soon": {"query": "{ jobs { id " * 10},
    "a document that is nested too deeply": {"query": "{ jobs " * 1_000},
    "errors of a hundred fields": {"query": f"query ($i: ID!) {{ {READS} }}", "variables": {"i": "9" * 1_000}},
    "a job that is not there": {"query": 'mutation { startJob(id: "7") { __typename ... on Error { message } } }'},
    "a long body": {"query": "{ __typename }", "variables": {f"a{n}": n for n in range(LONG // 5)}},
    "a long list that is no batch": {
        "query": "mutation ($m: [MetricInput!]!) { logMetrics(id: 1, metrics: $m) { __typename } }",
        "variables": {"m": [{}] * LONG},
    },
}
RAW = {
    "a body that is no JSON": b"{",
    "a long body that is no JSON": b'{"a":' * LONG,
    **{name: json.dumps(body).encode() for name, body in BODIES.items()},
}
WAYS = {"quick": b"application/json", "usual": b'application/json; charset="utf-8"'}


async def asks(app: App, body: bytes, content_type: bytes) -> None:
    """Ask the app, by nothing that leaves something itself."""
    scope: Scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/graphql",
        "raw_path": b"/graphql",
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"content-type", content_type)],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }
    sent: list[Any] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    assert sent[0]["status"] in {200, 400}


@pytest.fixture
def unlooked() -> Iterator[None]:
    """What is there before is not looked at: in this process that takes longer than all else."""
    gc.collect()
    gc.freeze()
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


@pytest.mark.sqlite_alone("the store has no part in it")
@pytest.mark.usefixtures("unlooked")
@pytest.mark.parametrize("content_type", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("body", RAW.values(), ids=RAW)
async def test_of_a_request_that_may_be_anything_little_is_left(app: App, body: bytes, content_type: bytes) -> None:
    await asks(app, body, content_type)
    gc.collect()
    await asks(app, body.replace(b" ", b"  ", 1), content_type)  # of which nothing is known yet
    assert gc.collect() < FEW


def test_an_error_that_was_dealt_with_holds_nothing_of_where_it_was() -> None:
    def fails() -> None:
        try:
            int("first")
        except ValueError as first:
            raise ValueError("second") from first

    with pytest.raises(ValueError, match="second") as raised:
        fails()
    error = raised.value
    cause = error.__cause__
    forget_frames(error)
    assert cause is not None
    assert [error.__traceback__, error.__cause__, error.__context__, cause.__traceback__] == [None] * 4


def test_a_long_body_is_not_looked_at_again_and_again() -> None:
    """As it is where everything that is new is looked at once more after fifty times."""
    thresholds, was_enabled = gc.get_threshold(), gc.isenabled()
    looks: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            looks.append(info["generation"])

    try:
        tune()
        gc.callbacks.append(note)
        body: list[dict[str, list[list[int]]]] = [{"values": [[]]} for _ in range(100_000)]
    finally:
        gc.callbacks.remove(note)
        gc.unfreeze()
        gc.set_threshold(*thresholds)
        if not was_enabled:
            gc.disable()
    assert len(body) == 100_000
    assert len(looks) > 100
    assert set(looks) == {0}
