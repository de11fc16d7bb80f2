"""GraphQL over HTTP: what is a request, what it is answered with, and that nothing a client sends is answered with 500.

https://graphql.github.io/graphql-over-http/draft/ — its audits are those of the npm package graphql-http.
"""

import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from graph.settings import Settings
from tests.tools.api import Api
from tests.tools.nodejs import running_script
from tests.tools.process import ServerProcess

pytestmark = pytest.mark.sqlite_alone("HTTP is the same whatever is stored where")

JSON = "application/json"
RESPONSE_JSON = "application/graphql-response+json"
SSE = "text/event-stream"
MULTIPART = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0"
HELLO = b'{"query": "{ __typename }"}'
HELLO_BACK = {"data": {"__typename": "Query"}}


parameters = st.builds(
    "{}{}{}".format,
    st.sampled_from([";q", ";charset", ";boundary", "; Q", ";"]),
    st.sampled_from(["", "*", "*0", "*0*"]),
    st.sampled_from(["", "=", "=1", "=0", "=0.5", "=utf-8", '="utf-8"', "=utf-8''1", "=''", "=é", '="', "=nan"]),
)
media_ranges = st.builds(
    "{}{}".format,
    st.sampled_from([JSON, RESPONSE_JSON, "*/*", "APPLICATION/json", "text/plain", "é", "", " ", "/", "a b"]),
    st.lists(parameters, max_size=2).map("".join),
)
"""What may stand in Accept or Content-Type, whether it should or not."""


@pytest.fixture
def http(api: Api) -> httpx.AsyncClient:
    return api.http


@pytest.fixture(autouse=True)
def nothing_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a client sends, it is no error of the server's."""
    yield
    # An exporter of another test may go on complaining in its thread that its collector is gone.
    records = [record for record in caplog.get_records("call") if not record.name.startswith("opentelemetry")]
    assert [record.getMessage()[:200] for record in records if record.levelno >= logging.WARNING] == []


async def post(http: httpx.AsyncClient, body: bytes = HELLO, type: str = JSON, accept: str = JSON) -> httpx.Response:
    headers = [(b"content-type", type.encode("latin-1")), (b"accept", accept.encode("latin-1"))]
    return await http.post("/graphql", content=body, headers=headers)


def refused(response: httpx.Response, status: int) -> str:
    """The message of a refusal, which must be JSON with errors, and not blame the server."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] in {JSON, RESPONSE_JSON}
    answer = response.json()
    assert "data" not in answer
    assert "INTERNAL_SERVER_ERROR" not in response.text
    message = answer["errors"][0]["message"]
    assert isinstance(message, str)
    assert message
    return message


class TestAccept:
    async def test_the_answer_is_in_the_media_type_that_the_client_likes_best(self, http: httpx.AsyncClient) -> None:
        for accept, answered in (
            ("", JSON),
            ("*/*", JSON),
            ("application/*", JSON),
            (JSON, JSON),
            ("Application/JSON", JSON),
            (RESPONSE_JSON, RESPONSE_JSON),
            (f"{RESPONSE_JSON}, {JSON};q=0.9", RESPONSE_JSON),
            (f"{RESPONSE_JSON};q=0.5, {JSON};q=0.9", JSON),
            (f"{JSON};q=0, {RESPONSE_JSON}", RESPONSE_JSON),
            (f"{JSON};q=0, */*", RESPONSE_JSON),
            (f"{RESPONSE_JSON};q=0, */*", JSON),
            (f"text/html, {RESPONSE_JSON};q=0.2", RESPONSE_JSON),
            (f"{SSE};q=0, {JSON}", JSON),
            (f"{JSON}; q*=utf-8''1, {JSON}", JSON),
        ):
            response = await post(http, accept=accept)
            assert (response.status_code, response.headers["content-type"]) == (200, answered), accept
            assert response.json() == HELLO_BACK

    async def test_whatever_stands_beside_the_type_of_the_body_an_executed_operation_has_the_status_200(
        self, http: httpx.AsyncClient
    ) -> None:
        for type in (JSON, f"{JSON};a=b", f"{JSON};q"):
            response = await post(http, type=type, accept=RESPONSE_JSON)
            assert (response.status_code, response.json()) == (200, HELLO_BACK)

    async def test_a_client_that_takes_neither_is_answered_with_406(self, http: httpx.AsyncClient) -> None:
        for accept in ("text/plain", "image/*", "*/*;q=0", f"{JSON};q=0", f"{JSON};q=x", "é"):
            refused(await post(http, accept=accept), 406)

    @hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
    @given(
        accept=st.lists(media_ranges, max_size=3).map(",".join),
        type=st.lists(media_ranges, max_size=2).map(",".join),
    )
    async def test_no_header_is_answered_with_500(self, http: httpx.AsyncClient, accept: str, type: str) -> None:
        response = await post(http, accept=accept, type=type)
        assert response.status_code in {200, 406, 415}


class TestContentType:
    async def test_json_in_utf_8_is_taken(self, http: httpx.AsyncClient) -> None:
        utf_8 = (f"{JSON}; charset=utf-8", f'{JSON};charset="UTF-8"')
        for type in (JSON, "Application/JSON", *utf_8, f"{JSON};"):
            assert (await post(http, type=type)).json() == HELLO_BACK

    async def test_anything_else_is_answered_with_415(self, http: httpx.AsyncClient) -> None:
        others = ("", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "é")
        for type in (*others, f"{JSON}; charset=utf-16", f"{JSON}; charset*=utf-16''x", f"text/plain, {JSON}"):
            refused(await post(http, type=type), 415)


class TestMethods:
    async def test_other_methods_are_answered_with_405_and_told_which_are_allowed(
        self, http: httpx.AsyncClient
    ) -> None:
        for method in ("PUT", "PATCH", "DELETE"):
            response = await http.request(method, "/graphql", content=HELLO, headers={"content-type": JSON})
            refused(response, 405)
            assert response.headers["allow"] == "GET, POST"

    async def test_a_mutation_by_get_is_answered_with_405_and_not_done(self, api: Api) -> None:
        id = await api.created()
        query = f"mutation {{ startJob(id: {id}) {{ __typename }} }}"
        for accept in (JSON, RESPONSE_JSON, SSE, MULTIPART, f"{JSON}, {SSE}"):
            response = await api.http.get("/graphql", params={"query": query}, headers={"accept": accept})
            refused(response, 405)
            assert response.headers["allow"] == "POST"
        assert (await api.job(id))["status"] == "QUEUED"

    async def test_a_subscription_that_asks_for_no_stream_is_refused(self, http: httpx.AsyncClient) -> None:
        request, headers = {"query": "subscription { jobChanged { id } }"}, {"accept": JSON}
        response = await http.get("/graphql", params=request, headers=headers)
        assert "subscription" in refused(response, 405 if "allow" in response.headers else 400)
        assert "subscription" in refused(await http.post("/graphql", json=request, headers=headers), 400)


class TestGet:
    @pytest.mark.parametrize("nothing", [None, "null"])
    async def test_it_takes_variables_and_the_operations_name(self, api: Api, nothing: str | None) -> None:
        id = await api.created(name="a run")
        params = {
            "query": "query Q($id: ID!) { job(id: $id) { name } } query Other { __typename }",
            "variables": json.dumps({"id": id}),
            "operationName": "Q",
        }
        if nothing:
            params["extensions"] = nothing
        response = await api.http.get("/graphql", params=params, headers={"accept": JSON})
        assert response.json() == {"data": {"job": {"name": "a run"}}}

    async def test_what_is_no_request_is_answered_with_400(self, http: httpx.AsyncClient) -> None:
        query = {"query": "{ __typename }"}
        for more in ({"variables": "{"}, {"extensions": "x"}, {"operationName": "Nobody"}):
            refused(await http.get("/graphql", params=query | more, headers={"accept": JSON}), 400)
        refused(await http.get("/graphql", headers={"accept": JSON}), 400)

    async def test_an_address_that_is_not_utf_8_is_refused(self, http: httpx.AsyncClient) -> None:
        response = await http.get("/graphql?query=%7B__typename%7D&variables=%ff", headers={"accept": JSON})
        refused(response, 400)


class TestBodies:
    async def test_what_is_no_request_is_answered_with_400(self, http: httpx.AsyncClient) -> None:
        for body in (
            b"",
            b"{",
            b"5",
            b"NaN",
            b"[]",
            b'[{"query": "{ __typename }"}]',
            b"{}",
            b'{"query": ""}',
            b'{"query": ["{ __typename }"]}',
            b'{"query": "{ __typename }", "variables": "x"}',
            b'{"query": "{ __typename }", "extensions": []}',
            b'{"query": "{ __typename }", "operationName": 5}',
            b'{"query": "{ __typename }", "operationName": "Nobody"}',
            b'{"query": "{ __typename }", "variables": {"a": 1e400}}',
            b'{"query": "{ __typename \xff }"}',
            b"\xff\xfe{\x00}\x00",
            b'{"query": "\\ud800"}',
            b"[" * 100_000,
            b'{"a":' * 100_000,
        ):
            for accept in (JSON, RESPONSE_JSON):
                refused(await post(http, body, accept=accept), 400)

    @pytest.mark.parametrize("accept", [JSON, RESPONSE_JSON])
    async def test_a_request_that_cannot_be_executed_is_refused_as_its_media_type_has_it(
        self, http: httpx.AsyncClient, accept: str
    ) -> None:
        """With 400 and application/graphql-response+json; with application/json 200 is as good, and 400 too."""
        requests: tuple[tuple[str, dict[str, Any]], ...] = (
            ("{", {}),
            ("{ nobody }", {}),
            ('{ job(id: "\\ud800") { id } }', {}),
            ("{ jobs" + "{ a" * 3_000 + " }", {}),
            ("query ($a: Int = 1" + "0" * 5_000 + ") { jobs(limit: $a) { id } }", {}),
            ("query ($a: Int!) { jobs(limit: $a) { id } }", {}),
            ("query ($a: Int!) { jobs(limit: $a) { id } }", {"a": 10**30}),
            ("query A { __typename } query B { __typename }", {}),
            ("fragment F on Job { id }", {}),
        )
        for query, variables in requests:
            response = await post(http, json.dumps({"query": query, "variables": variables}).encode(), accept=accept)
            refused(response, 400 if accept == RESPONSE_JSON else response.status_code)
            assert response.status_code in {200, 400}

    @pytest.mark.parametrize("accept", [JSON, RESPONSE_JSON])
    async def test_an_error_of_a_field_stands_beside_the_data(self, http: httpx.AsyncClient, accept: str) -> None:
        body = b'{"query": "{ __typename job(id: 99999999999999999999) { id } }"}'
        response = await post(http, body, accept=accept)
        assert response.status_code == 200
        assert response.json()["data"] == {"__typename": "Query", "job": None}

    @pytest.mark.parametrize("value", ["NaN", "-Infinity"])
    async def test_a_client_that_sends_nan_as_json_is_told_how_to_send_it(
        self, http: httpx.AsyncClient, value: str
    ) -> None:
        body = f'{{"query": "query ($x: Float) {{ __typename }}", "variables": {{"x": {value}}}}}'.encode()
        assert "nonFinite" in refused(await post(http, body), 400)


class TestLength:
    @pytest.fixture
    def settings(self, database_url: str) -> Settings:
        return Settings(database_url=database_url, max_message_bytes=1024)

    async def test_a_body_is_taken_up_to_the_limit_and_refused_one_byte_past_it(self, http: httpx.AsyncClient) -> None:
        assert (await post(http, HELLO.ljust(1024))).json() == HELLO_BACK
        refused(await post(http, HELLO.ljust(1025)), 413)


class TestClientsThatTakeAnswersAndStreams:
    """urql and others name all that they understand, for every operation."""

    ACCEPT = f"{RESPONSE_JSON}, application/graphql+json, {JSON}, {SSE}, multipart/mixed"

    @pytest.mark.parametrize("query", ["{ __typename }", "mutation { startJob(id: 1) { __typename } }"])
    async def test_what_has_one_answer_is_answered_in_json(self, http: httpx.AsyncClient, query: str) -> None:
        response = await post(http, json.dumps({"query": query}).encode(), accept=self.ACCEPT)
        assert response.headers["content-type"] == "application/graphql-response+json"
        assert response.json()["data"]

    async def test_what_streams_is_streamed(self, http: httpx.AsyncClient) -> None:
        query = 'subscription { metricAdded(jobId: "nobody") { seq } }'
        response = await post(http, json.dumps({"query": query}).encode(), accept=self.ACCEPT)
        assert response.headers["content-type"].startswith("text/event-stream")

    async def test_an_event_ends_with_a_bare_empty_line_and_one_without_data_with_a_bare_colon(
        self, http: httpx.AsyncClient
    ) -> None:
        """urql splits a stream there, and reads anything behind a colon as JSON."""
        response = await post(http, b'{"query": "{ __typename }"}', accept=SSE)
        assert response.text == 'event: next\ndata: {"data":{"__typename":"Query"}}\n\nevent: complete\ndata:\n\n'


class TestStreamsThatAreRefused:
    """Over SSE and multipart an operation's errors are reported in the stream, and are the client's fault as well."""

    @pytest.mark.parametrize("accept", [SSE, MULTIPART])
    async def test_the_client_learns_of_it(self, http: httpx.AsyncClient, accept: str) -> None:
        for query in ("", "{ jobs(limit: 1" + "0" * 5_000 + ") { id } }", "subscription { nobody }"):
            response = await post(http, json.dumps({"query": query}).encode(), accept=accept)
            if response.status_code != 200:
                refused(response, response.status_code)
            else:
                assert '"errors"' in response.text
                assert "INTERNAL_SERVER_ERROR" not in response.text


async def test_every_audit_of_graphql_over_http_is_met(server: ServerProcess) -> None:
    async with running_script("audit.mjs", f"{server.url}/graphql") as script:
        *not_met, summary = await script.rest()
    assert not_met == []
    assert summary == {"audits": 61}
