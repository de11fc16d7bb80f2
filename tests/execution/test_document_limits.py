"""Documents within the limits of the server: each limit holds on every transport, and names itself in the error."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from graphql import GraphQLError, parse

from graph.execution.document_size import sizes_of
from graph.execution.results import CODES
from graph.execution.running import Operations
from graph.schema import schema
from graph.settings import Settings, flag_name
from tests.tools.api import BY_THE_VIEW, Api
from tests.tools.sockets import Socket
from tests.tools.streaming import TRANSPORTS
from tests.tools.waiting import PATIENCE

pytestmark = pytest.mark.sqlite_alone("documents are limited before any store is asked")

SMALL = {
    "max_document_characters": 1_000,
    "max_document_tokens": 60,
    "max_depth": 4,
    "max_aliases": 3,
    "max_directives": 2,
    "max_cost": 20_000,
    "max_variable_values": 600,
}
F = "fragment F on Query"
POINTS = "query ($n: Int!) { jobs(limit: 20) { metrics(limit: $n) { seq } } }"
LISTED = "query ($s: [JobStatus!]) { jobs(status: $s, limit: 1) { id } }"
TABLE: list[tuple[str, str, str, dict[str, Any], dict[str, Any]]] = [
    ("max_document_characters", "{ __typename }".ljust(1_000), "{ __typename }".ljust(1_001), {}, {}),
    ("max_document_tokens", "{ " + "__typename " * 58 + "}", "{ " + "__typename " * 59 + "}", {}, {}),
    (
        "max_depth",
        "{ jobs(limit: 1) { metrics(limit: 1) { values { name } } } }",
        "{ __schema { types { fields { type { name } } } } }",
        {},
        {},
    ),
    (
        "max_depth",
        f"{{ __schema {{ types {{ ...T }} }} ...F }} fragment T on __Type {{ ofType {{ name }} }} {F} {{ __typename }}",
        "{ __schema { types { ...T } } } fragment T on __Type { ofType { ofType { name } } }",
        {},
        {},
    ),
    (
        "max_aliases",
        f"{{ ...F c: __typename }} {F} {{ a: __typename b: __typename }}",
        f"{{ ...F ...F }} {F} {{ a: __typename b: __typename }}",
        {},
        {},
    ),
    (
        "max_directives",
        f"{{ ...F @skip(if: false) }} {F} {{ __typename @include(if: true) }}",
        f"{{ ...F @skip(if: false) ... @skip(if: true) {{ __typename }} }} {F} {{ __typename @include(if: true) }}",
        {},
        {},
    ),
    ("max_cost", POINTS, POINTS, {"n": 499}, {"n": 500}),
    ("max_cost", "{ jobs(limit: 333) { latestMetrics(count: 29) { seq } } }", "{ jobs(limit: 334) { ...J } } "
     "fragment J on Job { latestMetrics(count: 30) { seq } }", {}, {}),
    ("max_cost", "query ($n: Int = 199) { jobs(limit: $n) { metrics(limit: 49) { __typename } } }",
     "query ($n: Int = 201) { jobs(limit: $n) { metrics(limit: 50) { __typename } } }", {}, {}),
    ("max_cost", "{ jobs(limit: 1) { metrics(limit: 952) { values { name } } } }",
     "{ jobs(limit: 1) { metrics(limit: 953) { values { name } } } }", {}, {}),
    ("max_cost", "{ jobs(limit: 1) { curve(points: 4999) { step value } } }",
     "{ jobs(limit: 1) { curve(points: 5000) { step value } } }", {}, {}),
    ("max_cost", f'{{ jobs(search: "a", limit: 500) {{ {"id " * 19} }} }}',
     f'{{ jobs(search: "a", limit: 500) {{ {"id " * 20} }} }}', {}, {}),
    ("max_cost", f"{{ jobs(limit: 500) {{ {'id ' * 37} {'a' * 63}: id }} }}",
     f"{{ jobs(limit: 500) {{ {'id ' * 37} {'a' * 64}: id }} }}", {}, {}),
    ("max_variable_values", LISTED, LISTED, {"s": ["QUEUED"] * 599}, {"s": ["QUEUED"] * 600}),
]  # fmt: skip
"""Setting, a query at its limit and one past it, and the variables of both."""
STREAM = "subscription ($id: ID!, $n: Int!) { jobChanged(id: $id, current: true) { metrics(limit: $n) { seq } } }"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update=SMALL)


@pytest.fixture
async def http(address: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=address, timeout=PATIENCE) as http:
        yield http


async def errors_everywhere(http: httpx.AsyncClient, query: str, variables: dict[str, Any]) -> dict[str, Any]:
    """Transport -> the errors that it answers a query with."""
    body = {"query": query, "variables": variables}
    answers = {
        "POST": await http.post("/graphql", json=body),
        "POST, again": await http.post("/graphql", json=body),
        "POST by the view": await http.post("/graphql", json=body, headers=BY_THE_VIEW),
        "GET": await http.get("/graphql", params={"query": query, "variables": json.dumps(variables)}),
    }
    assert {response.status_code for response in answers.values()} == {200}
    found = {name: response.json().get("errors", []) for name, response in answers.items()}
    for name in ("graphql-transport-ws", "SSE by POST"):
        async with TRANSPORTS[name](str(http.base_url), query, **variables) as stream:
            kind, payload = await stream.told()
            found[name] = payload if kind == "error" else payload.get("errors", [])
    return found


async def test_each_limit_holds_on_every_transport_up_to_its_last_one(http: httpx.AsyncClient) -> None:
    for setting, at, beyond, its_variables, other_variables in TABLE:
        allowed = await http.post("/graphql", json={"query": at, "variables": its_variables})
        assert "errors" not in allowed.json(), at
        for name, errors in (await errors_everywhere(http, beyond, other_variables)).items():
            (error,) = errors
            assert error["extensions"] == {"code": CODES[setting]}, (name, beyond)
            assert flag_name(setting) in error["message"]
            assert str(SMALL[setting]) in error["message"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_subscription_that_asks_for_too_much_is_refused_alone(api: Api, address: str, transport: str) -> None:
    id = await api.started()
    async with TRANSPORTS[transport](address, STREAM, id=id, n=9_999) as stream:
        assert await stream.data() == {"jobChanged": {"metrics": []}}
    for query in (STREAM, STREAM.replace("{ seq }", "{ seq @skip(if: false) }")):  # shared, and by itself
        async with TRANSPORTS[transport](address, query, id=id, n=10_000) as stream:
            (error,) = await stream.refusal()
        assert error["extensions"]["code"] == "TOO_COSTLY"


async def test_an_operation_that_is_refused_leaves_the_others_of_its_socket_alone(api: Api, socket: Socket) -> None:
    id = await api.created()
    other = await socket.subscribe("subscription ($id: ID!) { jobChanged(id: $id, current: true) { id } }", id=id)
    assert await socket.next(other) == {"jobChanged": {"id": id}}, "it has begun"
    refused = await socket.subscribe("{ a: __typename b: __typename c: __typename d: __typename }")
    assert (await socket.message(refused))["type"] == "error"
    await api.start(id)
    assert await socket.next(other) == {"jobChanged": {"id": id}}


async def test_a_list_of_requests_is_refused(http: httpx.AsyncClient) -> None:
    assert (await http.post("/graphql", json=[{"query": "{ __typename }"}] * 2)).status_code == 400


OPERATIONS = Operations(schema.graphql, Settings())


def doubled(type: str, times: int, selection: str, root: str = "...") -> str:
    """A document that spreads what is selected of a type 2 ** `times` times."""
    fragments = [f"fragment F{n} on {type} {{ ...F{n + 1} ...F{n + 1} }}" for n in range(times)]
    return " ".join([f"{{ {root} {{ ...F0 }} }}", *fragments, f"fragment F{times} on {type} {{ {selection} }}"])


class TestHostileDocuments:
    """None takes long: the app is in this process, and would keep it busy."""

    @pytest.mark.parametrize(
        ("document", "code"),
        [
            (doubled("Query", 300, "a: __typename"), "TOO_MANY_ALIASES"),
            (doubled("Query", 300, "__typename @skip(if: true)"), "TOO_MANY_DIRECTIVES"),
            (doubled("Job", 60, "metrics { seq }", "jobs"), "TOO_COSTLY"),
            (
                "{ __schema { queryType { ...F0 } } } "
                + " ".join(f"fragment F{n} on __Type {{ ofType {{ ...F{n + 1} }} }}" for n in range(400))
                + " fragment F400 on __Type { name }",
                "TOO_DEEP",
            ),
            ("{ ...F } fragment F on Query { ...G } fragment G on Query { ...F }", None),
            ("{ ...F } fragment F on Query { a: __typename ...F }", None),
            ("{" * 4_000, None),
            ("{ jobs { " + "id " * 4_900 + "} }", "TOO_COSTLY"),
            ("{ " + " ".join(f"a{n}: b" for n in range(201)) + "}", "TOO_MANY_ALIASES"),
        ],
        ids=["aliases", "directives", "cost", "depth", "cycle", "itself", "braces", "overlap", "unknown fields"],
    )
    def test_one_that_asks_for_very_much_in_few_words_is_refused_at_once(self, document: str, code: str | None) -> None:
        found = OPERATIONS.documents.read(document)
        errors = [*found.errors]
        if not errors:
            with pytest.raises(GraphQLError) as refused:
                found.cost(None, {})
            errors = [refused.value]
        (error, *_) = errors
        assert (error.extensions or {}).get("code") == code
        assert len(error.message) < 500

    def test_a_chain_of_fragments_that_is_longer_than_the_stack_is_measured(self) -> None:
        chain = [f"fragment F{n} on Job {{ ...F{n + 1} }}" for n in range(2_000)]
        document = parse(" ".join(["{ job(id: 1) { ...F0 } }", *chain, "fragment F2000 on Job { a: id }"]))
        assert [(each.depth, each.aliases) for each in sizes_of(document)] == [(2, 1)]


class TestWhatTheSchemaGivesAway:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        quiet = {"introspection": False, "suggestions": False, "max_aliases": 10}
        return settings.model_copy(update=quiet)

    async def test_without_introspection_types_of_answers_and_nothing_of_the_schema(
        self, http: httpx.AsyncClient
    ) -> None:
        for query in (
            "{ __schema { types { name } } }",
            '{ __type(name: "Job") { name } }',
            "{ ...F } fragment F on Query { __schema { types { name } } }",
        ):
            for errors in (await errors_everywhere(http, query, {})).values():
                assert [error["extensions"]["code"] for error in errors] == ["INTROSPECTION_DISABLED"]
        for errors in (await errors_everywhere(http, "{ __typename jobs { __typename } }", {})).values():
            assert errors == []

    async def test_without_suggestions_no_name(self, http: httpx.AsyncClient) -> None:
        cases: list[tuple[str, dict[str, Any]]] = [
            ("{ jobz { id } }", {}),
            ("{ jobs(limt: 1) { id } }", {}),
            ("{ jobs(status: [RUNING]) { id } }", {}),
            ("query ($s: [JobStatus!]) { jobs(status: $s) { id } }", {"s": ["RUNING"]}),
            ("query ($s: [JobStatuz!]) { jobs(status: $s) { id } }", {}),
            (
                "query ($i: CreateJobInput!) { previewJob(input: $i) { __typename } }",
                {"i": {"nam": "a", "modelName": "m", "epochs": 1, "learningRate": 1}},
            ),
        ]
        for query, variables in cases:
            for errors in (await errors_everywhere(http, query, variables)).values():
                assert errors
                assert "did you mean" not in json.dumps(errors).lower()
            if not variables:
                assert "Did you mean" in OPERATIONS.documents.read(query).errors[0].message, "else this tests nothing"
