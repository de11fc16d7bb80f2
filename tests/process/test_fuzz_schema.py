"""schemathesis asks the live schema of a real server for whatever it allows.

Left to itself it hardly meets an id that exists or a number in its range: its scalars are mostly ones that are right.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import schemathesis
from graphql import FieldNode, NameNode, SelectionSetNode, ValueNode, Visitor, parse, parse_value, print_ast, visit
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.graphql import nodes

from tests.tools.api import Api
from tests.tools.fuzzing import CODES, codes_of, fuzzed
from tests.tools.process import ServerProcess
from tests.tools.waiting import PATIENCE

EXAMPLES = 10
"""Of each operation in a round."""
ROUNDS = 50
"""The most of an operation: one is enough where it succeeded, and what is tried depends on what ran before."""
KINDS = ("queued", "running", "complete", "failed", "simulated", "crashing", "rule", "alert")
"""Of jobs: one in each status, logged ones where they have points, a simulated one, and one whose next step crashes;
a rule, and an alert."""
SUITS = {
    "Mutation.startJob": "queued",
    "Mutation.simulateStep": "simulated",
    "Mutation.resumeJob": "failed",
    "Mutation.archiveJob": "complete",
    "Mutation.unarchiveJob": "complete",
    "Mutation.deleteJob": "complete",
    "Mutation.updateAlertRule": "rule",
    "Mutation.deleteAlertRule": "rule",
    "Mutation.acknowledgeAlert": "alert",
}
"""What an operation can succeed with, where that is no running job with points."""
RIGHT = st.sampled_from([2, 4, 8, 16, 32])
WORDS = ["loss", "accuracy", "val_loss"]
"""Names of values, and names, projects and keys of jobs."""
NAMES = st.sampled_from(WORDS)
ERRORS = {
    "AlertNotFound", "AlertRuleNotFound", "IllegalTransition", "InvalidInput", "JobNotFound", "SimulationFailed",
}  # fmt: skip


def literal(value: object) -> ValueNode:
    """A JSON value as GraphQL writes it, whose names are all names of GraphQL too."""
    if isinstance(value, dict):
        return parse_value(f"{{ {' '.join(f'{name}: {print_ast(literal(each))}' for name, each in value.items())} }}")
    return parse_value(json.dumps(value))


LEAVES = st.none() | st.booleans() | RIGHT | st.floats(allow_nan=False, allow_infinity=False) | NAMES
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "ID": (st.just("<suits>") | st.sampled_from([f"<{kind}>" for kind in KINDS])).map(nodes.String),
    "DateTime": st.datetimes().map(lambda at: nodes.String(f"{at.isoformat()}Z")),
    "JSON": (st.dictionaries(NAMES, LEAVES, max_size=3) | LEAVES).map(literal),
    "Long": (RIGHT | RIGHT | st.integers(-(2**53), 2**53)).map(nodes.Int),
    "Int": (RIGHT | RIGHT | st.integers(-(2**31), 2**31 - 1)).map(nodes.Int),
    "Float": (st.sampled_from([0.5, 1.0]) | st.floats(allow_nan=False, allow_infinity=False)).map(nodes.Float),
    "String": (NAMES | NAMES | st.text(st.characters(codec="utf-8"), max_size=200)).map(nodes.String),
}


RULE = " fragment R on AlertRuleSuccess { rule { id } }"
ALERT = " fragment A on AlertSuccess { alert { id } }"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(f"sqlite://{tmp_path_factory.mktemp('fuzz') / 'fuzz.sqlite3'}") as server:
        yield server


def test_whatever_the_schema_allows_is_answered_and_each_operation_succeeds_at_least_once(
    server: ServerProcess,
) -> None:
    succeeded = set()
    operations = operations_of(server)
    with client_of(server) as (runner, api):
        for word in WORDS:
            runner.run(api.created(name=word, project=word, key=word))
        for kind in KINDS:
            runner.run(made(api, kind))  # what lists have from the beginning

        def look(case: Any) -> None:
            text = print_ast(visit(parse(case.body), Typenames()))
            text = text.replace("<suits>", f"<{SUITS.get(case.operation.label, 'running')}>")
            case.body = runner.run(with_jobs(api, text))
            response = case.call()
            case.validate_response(response, checks=[not_a_server_error])
            answer = response.json()
            assert codes_of(answer.get("errors", [])) <= CODES, answer
            if "errors" not in answer and any(map(is_success, answer["data"].values())):
                succeeded.add(case.operation.label)

        for operation in operations:
            for number in range(ROUNDS):
                fuzzed(EXAMPLES, operation.as_strategy(), number)(look)()
                if operation.label in succeeded:
                    break
            assert runner.run(api.data("{ __typename }")) == {"__typename": "Query"}
    assert {operation.label for operation in operations} - succeeded == set()
    assert server.process.poll() is None
    assert "Traceback" not in server.log


def test_the_seed_that_is_printed_makes_the_same_requests_again(server: ServerProcess) -> None:
    def bodies() -> list[object]:
        found: list[object] = []
        for operation in operations_of(server):
            fuzzed(2, operation.as_strategy())(lambda case: found.append(case.body))()
        return found

    assert bodies() == bodies()


class Typenames(Visitor):
    """Selects `__typename` of every object."""

    def leave_selection_set(self, node: SelectionSetNode, *_: object) -> SelectionSetNode:
        typename = FieldNode(name=NameNode(value="__typename"))
        return SelectionSetNode(selections=(typename, *node.selections))


def operations_of(server: ServerProcess) -> list[Any]:
    """One for each field of Query and Mutation; streams are for the fuzz test of sockets."""
    for name, strategy in SCALARS.items():
        schemathesis.graphql.scalar(name, strategy)
    found: Any = schemathesis.graphql.from_url(f"{server.url}/graphql")
    return [each.ok() for each in found.get_all_operations()]


def is_success(value: object) -> bool:
    """Whether a root field found something, or did it."""
    if isinstance(value, dict):
        return value["__typename"] not in ERRORS
    return isinstance(value, list) and bool(value)


async def with_jobs(api: Api, text: str) -> str:
    """The text with the id of a new job of its kind wherever it names a kind."""
    for kind in KINDS:
        if f"<{kind}>" in text:
            text = text.replace(f"<{kind}>", await made(api, kind))
    return text


async def made(api: Api, kind: str) -> str:
    if kind == "queued":
        return await api.created()
    if kind == "rule":
        made = await api.data('mutation { createAlertRule(input: { name: "a", condition: FAILED }) { ...R } }' + RULE)
        return str(made["createAlertRule"]["rule"]["id"])
    id = await api.created(scenario="CRASH" if kind == "crashing" else "HEALTHY", stepsPerEpoch=1, start=True)
    if kind == "alert":
        made = await api.data(f'mutation {{ raiseAlert(id: "{id}", title: "a") {{ ...A }} }}' + ALERT)
        return str(made["raiseAlert"]["alert"]["id"])
    if kind not in {"simulated", "crashing"}:
        assert (await api.log(id, [{"step": 0, "loss": 0.5}, {"step": 2, "accuracy": 0.1}]))["recorded"] == 2
    if kind == "complete":
        await api.complete(id)
    if kind == "failed":
        await api.fail(id, "enough")
    return id


@contextmanager
def client_of(server: ServerProcess) -> Iterator[tuple[asyncio.Runner, Api]]:
    """A client, and what its coroutines run in where the test is none."""
    with asyncio.Runner() as runner:
        http = httpx.AsyncClient(base_url=server.url, timeout=PATIENCE)
        try:
            yield runner, Api(http)
        finally:
            runner.run(http.aclose())
