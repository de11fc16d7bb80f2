"""What may be asked for: each limit holds on every transport, up to its last one, and tells who goes beyond it."""

import asyncio
import gc
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import (
    GraphQLError,
    OperationDefinitionNode,
    get_nullable_type,
    is_interface_type,
    is_list_type,
    is_object_type,
    parse,
    validate,
)

from graph.app import create_app
from graph.execution.cost import cost_of
from graph.execution.deadline import TimeLimit
from graph.execution.document_size import measured, refusal
from graph.execution.documents import _find_out, known
from graph.execution.limits import Limits
from graph.execution.list_lengths import LENGTHS, Given
from graph.execution.results import TimedOut
from graph.execution.validation import faults_of
from graph.schema import schema
from graph.settings import Settings, flag_name
from tests.conftest import running
from tests.tools.api import Api
from tests.tools.hostile.documents import documents
from tests.tools.outside import Outside
from tests.tools.process import ServerProcess
from tests.tools.scraped import scrape
from tests.tools.serving import served
from tests.tools.sockets import PATIENCE, Socket
from tests.tools.streaming import TRANSPORTS

pytestmark = pytest.mark.sqlite_alone("documents are limited before any store is asked")

SMALL = {
    "max_document_characters": 1_000,
    "max_document_tokens": 60,
    "max_depth": 4,
    "max_aliases": 3,
    "max_directives": 2,
    "max_cost": 1_000,
    "max_variable_values": 600,
}
CODES = {
    "max_document_characters": "DOCUMENT_TOO_LONG",
    "max_document_tokens": "TOO_MANY_TOKENS",
    "max_depth": "TOO_DEEP",
    "max_aliases": "TOO_MANY_ALIASES",
    "max_directives": "TOO_MANY_DIRECTIVES",
    "max_cost": "TOO_COSTLY",
    "max_variable_values": "TOO_MANY_VALUES",
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
    ("max_cost", POINTS, POINTS, {"n": 24}, {"n": 25}),
    ("max_cost", "{ jobs(limit: 333) { latestMetrics { seq } } }", "{ jobs(limit: 334) { ...J } } "
     "fragment J on Job { latestMetrics(count: 1) { seq } }", {}, {}),
    ("max_cost", "query ($n: Int = 47) { jobs(limit: $n) { metrics(limit: 10) { __typename } } }",
     "query ($n: Int = 48) { jobs(limit: $n) { metrics(limit: 10) { __typename } } }", {}, {}),
    ("max_cost", "{ jobs(limit: 1) { metrics(limit: 47) { values { name } } } }",
     "{ jobs(limit: 1) { metrics(limit: 48) { values { name } } } }", {}, {}),
    ("max_cost", "{ jobs(limit: 1) { curve(points: 499) { step } } }",
     "{ jobs(limit: 1) { curve(points: 500) { step } } }", {}, {}),
    ("max_cost", f"{{ jobs(limit: 333) {{ {'a' * 63}: id }} }}",
     f"{{ jobs(limit: 333) {{ {'a' * 64}: id }} }}", {}, {}),
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
    posted = await http.post("/graphql", json=body)
    again = await http.post("/graphql", json=body)
    usual = await http.post("/graphql", json={**body, "extensions": {"a": 1}})
    got = await http.get("/graphql", params={"query": query, "variables": json.dumps(variables)})
    answers = {"POST": posted, "POST, again": again, "POST, the usual way": usual, "GET": got}
    assert {response.status_code for response in answers.values()} == {200}
    found = {name: response.json().get("errors", []) for name, response in answers.items()}
    for name in ("graphql-transport-ws", "SSE by POST"):
        async with TRANSPORTS[name](str(http.base_url), query, **variables) as stream:
            kind, payload = await stream.told()
            found[name] = payload if kind == "error" else payload.get("errors", [])
    return found


async def test_each_limit_holds_on_every_transport_up_to_its_last_one(http: httpx.AsyncClient) -> None:
    for setting, at, beyond, its_variables, other_variables in TABLE:
        allowed = await errors_everywhere(http, at, its_variables)
        assert not any(allowed.values()), (at, allowed)
        for name, errors in (await errors_everywhere(http, beyond, other_variables)).items():
            (error,) = errors
            assert error["extensions"] == {"code": CODES[setting]}, (name, beyond)
            assert flag_name(setting) in error["message"]
            assert str(SMALL[setting]) in error["message"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_subscription_that_asks_for_too_much_is_refused_alone(api: Api, address: str, transport: str) -> None:
    id = await api.started()
    async with TRANSPORTS[transport](address, STREAM, id=id, n=499) as stream:
        assert await stream.data() == {"jobChanged": {"metrics": []}}
    for query in (STREAM, STREAM.replace("{ seq }", "{ seq @skip(if: false) }")):  # shared, and by itself
        async with TRANSPORTS[transport](address, query, id=id, n=500) as stream:
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


class TestHostileDocuments:
    """None takes long: the app is in this process, and would keep it busy."""

    @pytest.mark.parametrize(
        ("document", "code"),
        [
            (
                "{ ...F0 } "
                + " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(300))
                + " fragment F300 on Query { a: __typename }",
                "TOO_MANY_ALIASES",
            ),
            (
                "{ ...F0 } "
                + " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(300))
                + " fragment F300 on Query { __typename @skip(if: true) }",
                "TOO_MANY_DIRECTIVES",
            ),
            (
                "{ jobs { ...F0 } } "
                + " ".join(f"fragment F{n} on Job {{ ...F{n + 1} ...F{n + 1} }}" for n in range(60))
                + " fragment F60 on Job { metrics { seq } }",
                "TOO_COSTLY",
            ),
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
        limits = Limits.of(Settings())
        found = known(schema.graphql, limits, document)
        error = next(iter(found.errors), None) or found.too_costly(None, {})
        assert error is not None
        assert (error.extensions or {}).get("code") == code
        assert len(error.message) < 500

    def test_a_chain_of_fragments_that_is_longer_than_the_stack_is_measured(self) -> None:
        chain = [f"fragment F{n} on Job {{ ...F{n + 1} }}" for n in range(2_000)]
        document = parse(" ".join(["{ job(id: 1) { ...F0 } }", *chain, "fragment F2000 on Job { a: id }"]))
        assert [(each.depth, each.aliases) for each in measured(document)] == [(2, 1)]


class TestCosts:
    def test_every_list_of_the_schema_has_a_length(self) -> None:
        lists = {
            f"{type.name}.{name}"
            for type in schema.graphql.type_map.values()
            if is_object_type(type) or is_interface_type(type)
            for name, field in type.fields.items()
            if is_list_type(get_nullable_type(field.type))
        }
        assert lists <= LENGTHS.keys()
        assert LENGTHS.keys() - lists == {"Query.previewJob", "Job.curve"}, "what holds lists that its argument limits"

    def test_a_length_is_given_by_an_argument_of_its_field(self) -> None:
        for place, length in LENGTHS.items():
            type, name = place.split(".")
            field = schema.graphql.type_map[type].fields[name]  # type: ignore[attr-defined]  # each is an object's
            assert not isinstance(length, Given) or length.argument in field.args, place

    @pytest.mark.parametrize(
        ("query", "variables", "cost"),
        [
            ("{ __typename }", {}, 1),
            ("{ job(id: 1) { id a: id } }", {}, 3),
            ("{ jobs { id } }", {}, 200),
            ("query ($n: Int) { jobs { ...J } } fragment J on Job { metrics(limit: $n) { seq } }", {"n": 3}, 700),
            ("query ($n: Int) { jobs { ...J } } fragment J on Job { metrics(limit: $n) { seq } }", {}, 40_100),
            ("query ($n: Int! = 7) { jobs(limit: $n) { id } }", {}, 14),
            ("query ($n: Int! = 7) { jobs(limit: $n) { id } }", {"n": "no number"}, 2),
            ("query ($n: Int! = 7) { jobs(limit: $n) { id } }", {"n": 10**30}, 0),
            ('{ job(id: 1) { metrics(limit: 5) { values(names: ["a", "b"]) { name } } } }', {}, 26),
            ("query ($n: [String!]) { job(id: 1) { metrics(limit: 5) { values(names: $n) { name } } } }", {}, 106),
            ("{ previewJob(input: {}, points: 10) { ... on JobPreview { curves { step } } } }", {}, 150),
            ("subscription { metricsAdded(jobId: 1) { values { name } } }", {}, 21_000),
        ],
    )
    def test_the_cost_is_what_may_be_answered(self, query: str, variables: dict[str, Any], cost: int) -> None:
        document = parse(query)
        (operation,) = (node for node in document.definitions if isinstance(node, OperationDefinitionNode))
        assert cost_of(schema.graphql, document, operation).of(variables) == cost

    def test_what_the_page_and_the_readme_ask_for_is_far_below_every_limit(self) -> None:
        root = Path(__file__).parents[2]
        limits = Limits.of(Settings())
        files = [*(root / "web" / "src").rglob("*.graphql")]
        assert files
        shared = "\n".join(path.read_text() for path in files if "examples" not in path.parts)
        examples = [path.read_text() for path in files if "examples" in path.parts]
        examples += re.findall(r"```graphql\n(.*?)```", (root / "README.md").read_text(), re.DOTALL)
        for text in (shared, *examples):
            document = parse(text)
            assert max(each.depth for each in measured(document)) <= limits.max_depth / 2
            for operation in document.definitions:
                if isinstance(operation, OperationDefinitionNode):
                    most = {"n": 500, "limit": 500, "points": 1_000, "count": 10_000}
                    assert cost_of(schema.graphql, document, operation).of(most) <= limits.max_cost / 2


class TestBatches:
    async def test_the_largest_is_taken_and_one_more_point_is_not(self, database_url: str) -> None:
        settings = Settings(database_url=database_url, max_batch=3)
        app = create_app(settings)
        async with running(app), served(app, settings) as address, httpx.AsyncClient(base_url=address) as http:
            api = Api(http)
            id = await api.started()
            assert (await api.log(id, [{"step": step} for step in range(3)]))["recorded"] == 3
            refused = await api.log(id, [{"step": step} for step in range(10, 14)])
            assert (refused["__typename"], refused["field"]) == ("InvalidInput", "metrics")
            assert refused["message"] == "metrics: a batch is 1 to 3 points, and this one has more."
            literal = "step: 1}, {step: 2}, {step: 3}, {step: 4"
            usual = await api.data(
                f"mutation {{ logMetrics(id: {id}, metrics: [{{{literal}}}]) {{ ... on InvalidInput {{ message }} }} }}"
            )
            assert usual["logMetrics"] == {"message": refused["message"]}


class TestTime:
    @pytest.fixture
    def settings(self, database_url: str) -> Settings:
        return Settings(database_url=database_url, operation_seconds=0.3)

    @pytest.fixture
    async def job(self, api: Api) -> str:
        return await api.started()

    @pytest.mark.parametrize("extensions", [{}, {"a": 1}], ids=["the quick way", "the usual way"])
    async def test_a_mutation_that_waits_too_long_is_answered_and_done_when_it_can_be(
        self, api: Api, outside: Outside, job: str, socket: Socket, extensions: dict[str, Any]
    ) -> None:
        stream = await socket.subscribe(f"subscription {{ metricAdded(jobId: {job}, after: 0) {{ seq }} }}")
        query = f"mutation {{ simulateStep(id: {job}) {{ __typename }} }}"
        with outside.writing():
            response = await api.http.post("/graphql", json={"query": query, "extensions": extensions})
            late = await socket.subscribe(query)
            message = await socket.message(late)
        assert response.status_code == 200
        for answer in (response.json(), message["payload"]):
            assert answer["data"] is None
            (error,) = answer["errors"]
            assert error["extensions"] == {"code": "TIMED_OUT"}
            assert "0.3 seconds" in error["message"]
            assert "may still be done" in error["message"]
        assert (await socket.message(late))["type"] == "complete"
        seqs = [(await socket.next(stream))["metricAdded"]["seq"] for _ in range(2)]
        assert seqs == [1, 2], "both were done, and the stream, which is older, was not cut"
        counted = (await scrape(api.http)).values("requests_total")
        assert counted["<anonymous>", "timeout"] == 2, "and it is told apart from what clients did wrong"


class TestTheTimeLimit:
    async def test_each_of_many_is_ended_in_its_time_and_those_that_are_quick_are_not(self) -> None:
        limit = TimeLimit(0.05)

        async def quick() -> str:
            return "done"

        async def begun_after(others: int) -> object:
            for _ in range(others):
                await limit.run(quick())
            return await limit.run(asyncio.Event().wait())

        async with asyncio.timeout(PATIENCE):
            for _ in range(2):  # once more, after it had nothing to watch
                ended = await asyncio.gather(*(begun_after(others) for others in range(5)))
                assert [type(each) for each in ended] == [TimedOut] * 5
        assert await limit.run(quick()) == "done"

    async def test_one_that_somebody_else_cancels_is_cancelled(self) -> None:
        task = asyncio.create_task(TimeLimit(PATIENCE).run(asyncio.Event().wait()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def test_what_the_operation_raises_is_raised(self) -> None:
        async def broken() -> None:
            raise TimeoutError("the store's own")

        with pytest.raises(TimeoutError, match="the store's own"):
            await TimeLimit(PATIENCE).run(broken())


class TestWhatTheSchemaTells:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        quiet = {"introspection": False, "suggestions": False, "max_aliases": 10}
        return settings.model_copy(update=quiet)

    async def test_without_introspection_the_schema_is_not_told_but_types_of_answers_are(
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

    @pytest.mark.parametrize(
        ("query", "variables"),
        [
            ("{ jobz { id } }", {}),
            ("{ jobs(limt: 1) { id } }", {}),
            ("{ jobs(status: [RUNING]) { id } }", {}),
            ("query ($s: [JobStatus!]) { jobs(status: $s) { id } }", {"s": ["RUNING"]}),
            ("query ($s: [JobStatuz!]) { jobs(status: $s) { id } }", {}),
            (
                "query ($i: CreateJobInput!) { previewJob(input: $i) { __typename } }",
                {"i": {"nam": "a", "modelName": "m", "epochs": 1, "learningRate": 1}},
            ),
        ],
    )
    async def test_without_suggestions_no_name_is_given_away(
        self, http: httpx.AsyncClient, query: str, variables: dict[str, Any]
    ) -> None:
        for errors in (await errors_everywhere(http, query, variables)).values():
            assert errors
            assert "did you mean" not in json.dumps(errors).lower()
        suggesting = known(schema.graphql, Limits.of(Settings()), query)
        if not variables:
            assert "Did you mean" in suggesting.errors[0].message, "else this tests nothing"


LONG_VARIABLES: dict[str, tuple[str, dict[str, Any], str]] = {
    "statuses that are none": (
        "query ($s: [JobStatus!]) { jobs(status: $s) { id } }", {"s": ["R"] * 50_000}, "TOO_MANY_VALUES",
    ),
    "names": (
        "query ($n: [String!]) { jobs(limit: 1) { metrics(limit: 1) { values(names: $n) { name } } } }",
        {"n": ["a"] * 19_000}, '"data"',
    ),
    "points": (
        "mutation ($m: [MetricInput!]!) { logMetrics(id: 1, metrics: $m) { ... on InvalidInput { message } } }",
        {"m": [{"step": 1}] * 60_000},
        "1 to 10000 points",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LONG_VARIABLES)
async def test_whoever_sends_long_variables_holds_up_nobody(server: ServerProcess, case: str) -> None:
    """However long they take, no other client waits for a good part of it."""
    query, variables, reason = LONG_VARIABLES[case]
    clock = asyncio.get_running_loop().time
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
        for _ in range(3):  # a machine that is busy with other tests stalls now and then, whatever the server does
            waits: list[float] = []
            began = clock()
            asking = asyncio.create_task(http.post("/graphql", json={"query": query, "variables": variables}))
            while not asking.done():
                asked = clock()
                assert (await http.post("/graphql", json={"query": "{ __typename }"})).status_code == 200
                waits.append(clock() - asked)
            took = clock() - began
            assert reason in asking.result().text
            if max(waits) < max(took / 3, 0.5):
                return
    pytest.fail(f"somebody waited for {max(waits):.3f} s of {took:.3f} s")


def test_what_is_wrong_with_a_document_is_what_graphql_finds() -> None:
    """It is looked for in our own way, which leaves no rings behind."""
    limits = Limits.of(Settings())
    texts = [text for _, text, _ in documents() if len(text) < 5_000]
    texts += [
        "{ jobs { nobody } }",
        "query A { __typename } query A { __typename }",
        "{ ...F } fragment F on Job { id }",
    ]
    compared = 0
    for text in texts:
        try:
            document = parse(text, max_tokens=limits.max_document_tokens)
        except GraphQLError:
            continue
        if refusal(document, limits) is None:
            expected = [(error.message, error.locations) for error in validate(schema.graphql, document)]
            found = faults_of(schema.graphql, document, suggestions=True)
            assert [(error.message, error.locations) for error in found] == expected, text
            compared += bool(expected)
    assert compared > 20


@pytest.mark.parametrize(
    "text",
    [
        "query ($n: Int) { jobs(limit: $n) { id ...F } } fragment F on Job { name }",
        "{ nothing } query A { jobs(limit: 0.5) { id } }",
        "{ jobs(",
        "{ __typename }",
    ],
)
def test_nothing_is_left_of_a_document_that_python_would_have_to_look_for(text: str) -> None:
    """A few thousand of them would otherwise be a hundred milliseconds in which nobody is served."""
    limits = Limits.of(Settings())
    _find_out(schema.graphql, limits, text)
    gc.collect()
    gc.disable()
    try:
        _find_out(schema.graphql, limits, text)
        assert gc.collect() < 5, "and what prints a literal leaves one"
    finally:
        gc.enable()
