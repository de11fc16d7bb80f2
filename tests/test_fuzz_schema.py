"""schemathesis, which nobody here wrote, asks the live schema of a real server whatever it likes."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error

from tests.fuzzing import fuzzed
from tests.process import ServerProcess

CODES = {"BAD_USER_INPUT", "NOT_FOUND", "TOO_COSTLY", "TOO_MANY_ALIASES", "TOO_DEEP", "TOO_MANY_TOKENS"}
"""What an answer may say of a request that is valid, and asks for what cannot be."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(f"sqlite://{tmp_path_factory.mktemp('fuzz') / 'fuzz.sqlite3'}") as server:
        yield server


def test_whatever_the_schema_allows_is_answered_as_graphql_has_it(server: ServerProcess) -> None:
    schema: Any = schemathesis.graphql.from_url(f"{server.url}/graphql")
    operations = [found.ok() for found in schema.get_all_operations()]
    assert {operation.definition.field_name for operation in operations} >= {"jobs", "createJob", "logMetrics"}
    cases = st.one_of([operation.as_strategy() for operation in operations])
    answered = 0

    with httpx.Client(base_url=server.url, timeout=30) as http:

        @fuzzed(120, cases)
        def look(case: Any) -> None:
            nonlocal answered
            response = case.call()
            case.validate_response(response, checks=[not_a_server_error])
            case.operation.validate_response(response)
            answer = response.json()
            codes = {error.get("extensions", {}).get("code") for error in answer.get("errors", [])}
            assert codes <= CODES | {None}, answer
            answered += "errors" not in answer
            assert http.post("/graphql", json={"query": "{ __typename }"}).json() == {"data": {"__typename": "Query"}}

        look()
    assert answered > 0, "nothing but errors says little"
    assert server.process.poll() is None
    assert "Traceback" not in server.log


def test_the_seed_that_is_told_makes_the_same_requests_again(server: ServerProcess) -> None:
    schema: Any = schemathesis.graphql.from_url(f"{server.url}/graphql")
    operation = next(found.ok() for found in schema.get_all_operations())

    def bodies() -> list[object]:
        found: list[object] = []

        @fuzzed(5, operation.as_strategy())
        def look(case: Any) -> None:
            found.append(case.body)

        look()
        return found

    assert bodies() == bodies()
