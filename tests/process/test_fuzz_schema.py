"""schemathesis, which nobody here wrote, asks the live schema of a real server whatever it likes.

Requests are steered: most ask for jobs that exist, with numbers that are in range; see `tests.tools.steering`.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import schemathesis
from graphql import (
    DocumentNode,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_union_type,
    parse,
)
from schemathesis.checks import not_a_server_error

from tests.tools.answered import CODES, answered, codes_of
from tests.tools.api import Api
from tests.tools.fuzzing import fuzzed
from tests.tools.process import ServerProcess
from tests.tools.steering import steered
from tests.tools.stock import Stock
from tests.tools.waiting import PATIENCE

EXAMPLES = 10
"""Of each operation. The first is the simplest there is, and succeeds in all that can be selected of it."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(f"sqlite://{tmp_path_factory.mktemp('fuzz') / 'fuzz.sqlite3'}") as server:
        yield server


def test_whatever_the_schema_allows_is_answered_as_graphql_has_it(server: ServerProcess) -> None:
    """And each thing that can be asked or done is really answered, and really done, at least once."""
    schema, operations = what_is_asked(server)
    with client_of(server) as (runner, api):
        asking = Asking(schema, runner, api)
        for operation in operations:
            fuzzed(EXAMPLES, operation.as_strategy())(asking.look)()
    assert {field for field in fields_of(schema) if not asking.succeeded[field]} == set()
    assert server.process.poll() is None
    assert "Traceback" not in server.log


def test_the_seed_that_is_printed_makes_the_same_requests_again(server: ServerProcess) -> None:
    _, operations = what_is_asked(server)

    def bodies() -> list[object]:
        found: list[object] = []

        for operation in operations:
            fuzzed(2, operation.as_strategy())(lambda case: found.append(case.body))()
        return found

    assert bodies() == bodies()


@contextmanager
def client_of(server: ServerProcess) -> Iterator[tuple[asyncio.Runner, Api]]:
    """A client, and what its coroutines run in where the test is none."""
    with asyncio.Runner() as runner:
        http = httpx.AsyncClient(base_url=server.url, timeout=PATIENCE)
        try:
            yield runner, Api(http)
        finally:
            runner.run(http.aclose())


class Asking:
    """Asks one thing after the other, looks at what comes, and counts which fields were answered well."""

    def __init__(self, schema: GraphQLSchema, runner: asyncio.Runner, api: Api) -> None:
        self.succeeded: Counter[str] = Counter()
        self._schema = schema
        self._runner = runner
        self._api = api
        self._stock = Stock(api)
        runner.run(self._stock.fill())

    def look(self, case: Any) -> None:
        """One request, and the one after it, which is everybody's."""
        case.body = self._runner.run(self._stock.named_in(case.body))
        response = case.call()
        case.validate_response(response, checks=[not_a_server_error])
        case.operation.validate_response(response)
        answer = response.json()
        assert codes_of(answer.get("errors", [])) <= CODES, answer
        if "errors" not in answer:
            self._count(parse(case.body), answer["data"])
        assert self._runner.run(self._api.data("{ __typename }")) == {"__typename": "Query"}

    def _count(self, document: DocumentNode, data: Any) -> None:
        for field, value in answered(self._schema, document, data):
            type, _, name = field.partition(".")
            definition = self._schema.get_type(type)
            assert isinstance(definition, GraphQLObjectType)
            if name == "__typename" or (definition in roots(self._schema) and not value):
                continue
            if not is_union_type(get_named_type(definition.fields[name].type)) or is_success(self._schema, value):
                self.succeeded[field] += 1


def what_is_asked(server: ServerProcess) -> tuple[GraphQLSchema, list[Any]]:
    """The schema as the server tells it, and an operation for each field of its Query and its Mutation."""
    found: Any = schemathesis.graphql.from_url(f"{server.url}/graphql")
    schema: GraphQLSchema = found.client_schema
    found.hook("flatmap_body")(lambda context, body: steered(schema, body))
    return schema, [each.ok() for each in found.get_all_operations()]


def roots(schema: GraphQLSchema) -> list[GraphQLObjectType]:
    """What requests are answered from; streams are for the fuzz test of sockets."""
    return [root for root in (schema.query_type, schema.mutation_type) if root]


def is_success(schema: GraphQLSchema, result: dict[str, Any]) -> bool:
    """Whether a member of a union does not say why nothing was done."""
    return not is_error(schema, schema.type_map[result["__typename"]])


def is_error(schema: GraphQLSchema, type: object) -> bool:
    error = schema.type_map["Error"]
    assert isinstance(error, GraphQLInterfaceType)
    return type in schema.get_possible_types(error)


def fields_of(schema: GraphQLSchema) -> Iterator[str]:
    """Every field of the schema that an answer can hold, but those that say why nothing was done."""
    for type in schema.type_map.values():
        if not isinstance(type, GraphQLObjectType) or type is schema.subscription_type:
            continue
        if not type.name.startswith("__") and not is_error(schema, type):
            yield from (f"{type.name}.{name}" for name in type.fields)
