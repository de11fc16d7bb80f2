"""What an operation costs: what it may return, and what it reads for it."""

import re
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    OperationDefinitionNode,
    get_nullable_type,
    get_operation_ast,
    is_interface_type,
    is_list_type,
    is_object_type,
    parse,
)

from graph.execution.cost import CONFIG, CURVE, FEW, LENGTHS, LIST, NAMES, READS, SEARCH, Cost, Given
from graph.execution.document_size import sizes_of
from graph.execution.running import SMALL
from graph.schema import schema
from graph.settings import Settings


def cost_of(query: str, variables: dict[str, Any], name: str | None = None) -> int:
    document = parse(query)
    operation = get_operation_ast(document, name)
    assert operation is not None
    return Cost(schema.graphql, document, operation).of(variables)


def test_every_list_of_the_schema_has_a_length() -> None:
    lists = {
        f"{type.name}.{name}"
        for type in schema.graphql.type_map.values()
        if is_object_type(type) or is_interface_type(type)
        for name, field in type.fields.items()
        if is_list_type(get_nullable_type(field.type))
    }
    assert lists <= LENGTHS.keys()
    holders = {"Query.previewJob", "Query.jobList", "Query.alerts", "Job.children", "Job.curve"}
    assert LENGTHS.keys() - lists == holders, "what holds lists that its argument limits"


def test_a_length_is_given_by_an_argument_of_its_field() -> None:
    for place, length in [*LENGTHS.items(), *((place, times) for place, (times, _) in READS.items())]:
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
        ("{ previewJob(input: {}, points: 10) { ... on JobPreview { curves { step } } } }", {}, CURVE + 150),
        ("{ job(id: 1) { curve(points: 10) { step value } } }", {}, 1 + CURVE + 30),
        ("{ jobs(limit: 3) { curve(points: 10) { step } } }", {}, 3 * (1 + CURVE + 20)),
        ('{ jobs(search: "a", limit: 1) { id } }', {}, SEARCH + 2),
        ("{ jobs(search: null, limit: 1) { id } }", {}, 2),
        ("query ($s: String) { jobs(search: $s, limit: 1) { id } }", {"s": "a"}, SEARCH + 2),
        ("query ($s: String) { jobs(search: $s, limit: 1) { id } }", {}, 2),
        ('query ($s: String = "a") { jobs(search: $s, limit: 1) { id } }', {}, SEARCH + 2),
        ('query ($s: String = "a") { jobs(search: $s, limit: 1) { id } }', {"s": None}, 2),
        ("{ jobList(first: 3) { nodes { id } edges { cursor node { id } } totalCount } }", {}, SEARCH + 3 * 8),
        ("{ job(id: 1) { children(first: 2) { nodes { id } } tags } }", {}, 1 + LIST + 2 * 3 + 1),
        ("{ jobs(limit: 3) { config(path: $p) source } }", {}, 3 * (3 + 2 * CONFIG)),
        ("{ jobs(limit: 3) { series { last { step } } attempts { number } } }", {}, 3 * (1 + NAMES * 3 + FEW * 2)),
        ('{ job(id: 1) { series(names: ["a", "b"]) { name } } }', {}, 1 + 2 * 2),
        ("subscription { metricsAdded(jobId: 1) { values { name } } }", {}, 21_000),
    ],
)
def test_the_cost_is_what_may_be_returned_and_what_is_read(query: str, variables: dict[str, Any], cost: int) -> None:
    assert cost_of(query, variables) == cost


@pytest.mark.parametrize(
    "query",
    [
        "{ " + " ".join(f'a{n}: jobs(search: "a", limit: 1) {{ id }}' for n in range(190)) + " }",
        "{ " + " ".join(f"a{n}: jobList(first: 1) {{ totalCount }}" for n in range(100)) + " }",
        "{ jobs(limit: 500) { " + " ".join(f'a{n}: config(path: "n{n}")' for n in range(10)) + " } }",
        "{ jobs(limit: 500) { curve(points: 2) { step } } }",
        "{ job(id: 1) { " + " ".join(f'a{n}: curve(name: "n{n}") {{ name }}' for n in range(199)) + " } }",
    ],
    ids=["searches", "lists", "configs of many jobs", "curves of many jobs", "curves of many names"],
)
def test_few_long_reads_cost_as_much_as_very_many_values(query: str) -> None:
    assert cost_of(query, {}) > Settings().max_cost * 0.99


def test_a_search_of_the_page_waits_for_no_other_operation() -> None:
    page = (Path(__file__).parents[2] / "web" / "src" / "jobs" / "jobs.graphql").read_text()
    assert cost_of(page, {"search": "a", "limit": 500}, "Jobs") <= SMALL


def test_what_the_page_and_the_readme_ask_for_is_far_below_every_limit() -> None:
    root = Path(__file__).parents[2]
    limits = Settings()
    files = [*(root / "web" / "src").rglob("*.graphql")]
    assert files
    shared = "\n".join(path.read_text() for path in files if "examples" not in path.parts)
    examples = [path.read_text() for path in files if "examples" in path.parts]
    examples += re.findall(r"```graphql\n(.*?)```", (root / "README.md").read_text(), re.DOTALL)
    for text in (shared, *examples):
        document = parse(text)
        assert max(each.depth for each in sizes_of(document)) <= limits.max_depth / 2
        for operation in document.definitions:
            if isinstance(operation, OperationDefinitionNode):
                most = {"n": 500, "limit": 500, "points": 1_000, "count": 10_000}
                assert Cost(schema.graphql, document, operation).of(most) <= limits.max_cost / 2
