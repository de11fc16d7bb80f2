"""Nothing is left of a request once Python's garbage collector has run, whatever is wrong with the request."""

import gc
import json
from typing import Any

import pytest

from graph.execution.body import LONG
from tests.tools.api import Api

pytestmark = pytest.mark.sqlite_alone("the store has no part in it")

FEW = 40
"""Objects a request: of one whose every token, field or error left some there would be hundreds. Some dozens are held
by the cancelled timer of its deadline, which asyncio drops from its heap only once there are many of those."""
REQUESTS = 5
READS = " ".join(f"a{n}: job(id: $i) {{ id }}" for n in range(100))
BODIES: dict[str, dict[str, Any]] = {
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


@pytest.mark.parametrize("body", RAW.values(), ids=RAW)
async def test_of_a_request_nothing_is_left(api: Api, body: bytes) -> None:
    counts = []
    for _ in range(3):
        for _ in range(REQUESTS):
            response = await api.http.post("/graphql", content=body, headers={"Content-Type": "application/json"})
            assert response.status_code in {200, 400}
        del response
        gc.collect()
        counts.append(len(gc.get_objects()))
    assert counts[-1] - counts[-2] < REQUESTS * FEW
