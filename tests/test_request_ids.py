"""Every request has an id, which whoever asked is told: one of their own choice, where it is a fit one."""

import re

import httpx
import pytest

from graph.gate import Gate
from graph.refusal import Refusal
from graph.telemetry.counts import Counts
from graph.telemetry.watch import Watch
from tests.api import Api
from tests.test_telemetry import UNPLANNED

pytestmark = pytest.mark.sqlite_alone("no store is asked")

QUERY = {"query": "{ __typename }"}
MADE = re.compile(r"[0-9a-f]{16}")


@pytest.mark.parametrize(
    ("given", "is_taken"),
    [
        ("a", True),
        ("Run-7_of.today", True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("", False),
        ("two words", False),
        ("a,b", False),
        ("<script>", False),
        ("a\tb", False),
        ("naïve", False),
    ],
)
async def test_a_fit_id_is_taken_and_any_other_replaced(api: Api, given: str, is_taken: bool) -> None:
    headers = [(b"X-Request-Id", given.encode())]
    told = (await api.http.post("/graphql", json=QUERY, headers=headers)).headers.get_list("x-request-id")
    assert len(told) == 1
    assert told == [given] if is_taken else MADE.fullmatch(told[0])


async def test_two_ids_are_none(api: Api) -> None:
    headers = [("X-Request-Id", "one"), ("X-Request-Id", "two")]
    assert MADE.fullmatch((await api.http.post("/graphql", json=QUERY, headers=headers)).headers["x-request-id"])


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        pytest.param("POST", "/graphql", {}, 200, id="by a plan"),
        pytest.param("POST", "/graphql", UNPLANNED, 200, id="by Strawberry"),
        pytest.param("GET", "/graphql?query={__typename}", {}, 200, id="by GET"),
        pytest.param("PUT", "/graphql", {}, 405, id="not served"),
        pytest.param("POST", "/graphql", {"accept": "text/event-stream"}, 200, id="events"),
        pytest.param("POST", "/graphql", {"accept": "multipart/mixed;subscriptionSpec=1.0"}, 200, id="parts"),
        pytest.param("GET", "/", {}, 200, id="a page"),
        pytest.param("GET", "/nowhere", {}, 404, id="no page"),
        pytest.param("GET", "/healthz", {}, 200, id="health"),
        pytest.param("GET", "/metrics", {}, 200, id="metrics"),
    ],
)
async def test_every_answer_tells_it(api: Api, method: str, path: str, headers: dict[str, str], status: int) -> None:
    given = {**headers, "X-Request-Id": "mine"}
    answer = await api.http.request(method, path, json=QUERY if method == "POST" else None, headers=given)
    assert (answer.status_code, answer.headers.get_list("x-request-id")) == (status, ["mine"])


async def test_a_refusal_at_the_gate_tells_it_and_is_counted() -> None:
    counts = Counts()

    async def refuse(*_: object) -> None:
        raise Refusal(429, "TOO_MANY", "Not now.", {"Retry-After": "1"})

    async def serve(*_: object) -> None:
        raise AssertionError("it is refused")

    transport = httpx.ASGITransport(Gate([refuse], serve, Watch(counts, None)))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        answer = await http.get("/", headers={"X-Request-Id": "mine"})
    assert (answer.status_code, answer.headers["x-request-id"], answer.headers["retry-after"]) == (429, "mine", "1")
    assert dict(counts.calls) == {("<unknown>", "refused"): 1}
