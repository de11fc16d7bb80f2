"""Every answer bears the id of its request: the client's own, where that is valid."""

import asyncio
import re

import httpx
import pytest

from graph.settings import Settings
from tests.tools.api import BY_THE_VIEW, Api
from tests.tools.logged import logged
from tests.tools.scraped import scrape
from tests.tools.waiting import PATIENCE, eventually
from tests.tools.wire import SOCKET, connected, head

pytestmark = pytest.mark.sqlite_alone("no store is asked")

QUERY = {"query": "{ __typename }"}
MADE = re.compile(r"[0-9a-f]{16}")


@pytest.mark.parametrize(
    ("given", "is_taken"),
    [
        ("a", True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("", False),
        ("two words", False),
        ("a\tb", False),
        ("naïve", False),
    ],
)
async def test_a_valid_id_is_kept_and_any_other_replaced(api: Api, given: str, is_taken: bool) -> None:
    headers = [(b"X-Request-Id", given.encode())]
    ids = (await api.http.post("/graphql", json=QUERY, headers=headers)).headers.get_list("x-request-id")
    assert len(ids) == 1
    assert ids == [given] if is_taken else MADE.fullmatch(ids[0])


async def test_two_ids_are_none(api: Api) -> None:
    headers = [("X-Request-Id", "one"), ("X-Request-Id", "two")]
    assert MADE.fullmatch((await api.http.post("/graphql", json=QUERY, headers=headers)).headers["x-request-id"])


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        pytest.param("POST", "/graphql", {}, 200, id="by a plan"),
        pytest.param("POST", "/graphql", BY_THE_VIEW, 200, id="by Strawberry's view"),
        pytest.param("POST", "/graphql", {"accept": "text/event-stream"}, 200, id="events"),
        pytest.param("POST", "/graphql", {"accept": "multipart/mixed;subscriptionSpec=1.0"}, 200, id="parts"),
        pytest.param("GET", "/nowhere", {}, 404, id="no page"),
        pytest.param("GET", "/metrics", {}, 200, id="metrics"),
    ],
)
async def test_every_answer_bears_it(api: Api, method: str, path: str, headers: dict[str, str], status: int) -> None:
    given = {**headers, "X-Request-Id": "mine"}
    answer = await api.http.request(method, path, json=QUERY if method == "POST" else None, headers=given)
    assert (answer.status_code, answer.headers.get_list("x-request-id")) == (status, ["mine"])


class TestBeforeTheApp:
    """Refusals before the app has a request: with an id, a line and a count as well."""

    @pytest.fixture
    def settings(self, database_url: str) -> Settings:
        return Settings(
            database_url=database_url,
            request_seconds=0.3,
            max_header_bytes=2_000,
            allowed_origins="https://dash.example.org",
            root_path="/monitor",
        )

    @pytest.mark.parametrize(
        ("sent", "status"),
        [
            pytest.param(b"What is this?\r\n\r\n", 400, id="no request"),
            pytest.param(b"GET / HTTP/1.1\r\nHost: localhost\r\n", 408, id="half a request"),
            pytest.param(head("GET", Long="x" * 3_000), 431, id="a long head"),
        ],
    )
    async def test_it_has_an_id_a_line_and_a_count(self, api: Api, address: str, sent: bytes, status: int) -> None:
        with logged() as lines:
            received, headers = await answer_to(address, sent)
        id = headers["x-request-id"]
        assert (received, headers["x-content-type-options"]) == (status, "nosniff")
        assert MADE.fullmatch(id)
        assert [(line["request_id"], line["status"], line["outcome"]) for line in lines] == [(id, status, "refused")]
        assert (await scrape(api.http)).values("requests_total") == {("<unknown>", "refused"): 1}

    @pytest.mark.parametrize("path", ["/graphql", "/monitor/graphql"])
    async def test_a_request_that_the_app_serves_is_one_call(self, api: Api, address: str, path: str) -> None:
        with logged() as lines:
            sent = head(path=path, X_Request_Id="mine", Content_Type="application/json", Content_Length="10") + b"{"
            received, headers = await answer_to(address, sent)
            await eventually(lambda: bool(lines))
        assert (received, headers["x-request-id"]) == (408, "mine")
        (line,) = lines
        assert (line["request_id"], line["status"], line["outcome"], line["method"]) == ("mine", 408, "refused", "POST")
        assert (await scrape(api.http)).values("requests_total") == {("<unknown>", "refused"): 1}

    async def test_the_answer_to_a_preflight_bears_it(self, api: Api) -> None:
        headers = {"Origin": "https://dash.example.org", "Access-Control-Request-Method": "POST"}
        with logged() as lines:
            answer = await api.http.options("/graphql", headers={**headers, "X-Request-Id": "mine"})
        assert (answer.status_code, answer.headers["x-request-id"]) == (204, "mine")
        assert [(line["request_id"], line["method"], line["outcome"]) for line in lines] == [("mine", "OPTIONS", "ok")]


@pytest.mark.parametrize("path", ["/graphql", "/nowhere"])
async def test_a_refused_handshake_bears_it_and_the_headers_of_every_answer(address: str, path: str) -> None:
    origin = {"Origin": "https://elsewhere.example.org"} if path == "/graphql" else {}
    status = 403 if path == "/graphql" else 404
    with logged() as lines:
        received, headers = await answer_to(address, head("GET", path, X_Request_Id="mine", **SOCKET, **origin))
        await eventually(lambda: bool(lines))
    assert (received, headers["x-request-id"]) == (status, "mine")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert len(headers.get_list("date")) == 1
    assert [(line["request_id"], line["status"], line["outcome"]) for line in lines] == [("mine", status, "refused")]


async def answer_to(address: str, sent: bytes) -> tuple[int, httpx.Headers]:
    """The status and the headers of the answer to some bytes."""
    async with asyncio.timeout(PATIENCE):
        wire = await connected(address)
        await wire.send(sent)
        line, *headers = (await wire.reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[:-2]
        wire.writer.close()
    pairs = [header.split(b": ", 1) for header in headers]
    return int(line.split()[1]), httpx.Headers([(name, value) for name, value in pairs])
