"""The compiled encoder of points gives the bytes that plain Strawberry gives, or says that it cannot."""

from datetime import UTC, datetime, timedelta
from math import inf, nan

import orjson
import pytest
import strawberry
from graphql import FragmentDefinitionNode, GraphQLObjectType, OperationDefinitionNode, parse
from hypothesis import given
from hypothesis import strategies as st

from graph.plans.points import PointEncoder, encoder_of_points
from graph.schema import schema
from graph.schema.metric import Metric, as_metrics
from models.metric import Recorded

BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
POINTS = [
    Recorded(1, 1, 1, 1, 2.5, 0.1, 1e-300, {"loss": 2.5}, BEGAN),
    Recorded(1, 2, 2**31 - 1, 0, None, None, None, {"loss": nan, "val": inf}, BEGAN + timedelta(microseconds=1)),
    Recorded(1, 3, 0, 7, -0.0, 1.0, 1e300, {}, BEGAN + timedelta(days=9)),
]
FIELDS = ("seq", "step", "epoch", "loss", "accuracy", "learningRate", "recordedAt", "__typename")


@strawberry.type
class Query:
    @strawberry.field
    def points(self) -> list[Metric]:
        return as_metrics(POINTS)


plain = strawberry.Schema(Query)
METRIC = schema.graphql.get_type("Metric")


def compiled(query: str) -> PointEncoder | None:
    document = parse(query)
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    (operation,) = (node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    root = operation.selection_set.selections[0]
    assert root.selection_set is not None  # type: ignore[attr-defined]  # the root field of these queries
    assert isinstance(METRIC, GraphQLObjectType)
    return encoder_of_points(METRIC, root.selection_set, fragments)  # type: ignore[attr-defined]  # as above


value_fields = st.lists(
    st.sampled_from(
        ["name", "value", "nonFinite", "__typename", "was: value", "... on MetricValue { name }", "...Value"]
    ),
    min_size=1,
    max_size=5,
).map(" ".join)

# An alias belongs to one field, so that no two selections of one response name differ, which is no valid document.
fields = st.builds(
    lambda field, aliased: f"as_{field.strip('_')}: {field}" if aliased else field,
    st.sampled_from(FIELDS),
    st.booleans(),
)
selections = st.recursive(
    st.lists(fields, min_size=1, max_size=6).map(" ".join),
    lambda inner: st.builds(
        lambda before, condition, within: f"{before} ... {condition}{{ {within} }}",
        fields,
        st.sampled_from(["", "on Metric "]),
        inner,
    ),
    max_leaves=6,
)


@given(selection=selections, in_fragment=selections, of_values=value_fields, of_others=value_fields)
def test_any_selection_without_arguments_is_encoded_as_strawberry_answers_it(
    selection: str, in_fragment: str, of_values: str, of_others: str
) -> None:
    query = (
        f"{{ points {{ {selection} values {{ {of_values} }} ...Rest }} }} "
        f"fragment Rest on Metric {{ {in_fragment} others: values {{ {of_others} ...Value }} }} "
        "fragment Value on MetricValue { nonFinite name }"
    )
    answer = plain.execute_sync(query)
    assert answer.errors is None
    assert answer.data is not None
    encode = compiled(query)
    assert encode is not None
    assert encode(POINTS) == orjson.dumps(answer.data["points"]).decode()


@pytest.mark.parametrize(
    "selection",
    [
        'seq values(names: ["loss"]) { name }',
        "seq values { name } values { value }",
        "values { name @skip(if: false) }",
        "values { ... @include(if: true) { name } }",
        "seq @include(if: true)",
        "... @skip(if: false) { seq }",
        "seq ... on Metric @include(if: true) { step }",
        "values { name } ... on Metric { values { value } }",
    ],
)
def test_what_it_does_not_know_has_no_plan(selection: str) -> None:
    assert compiled(f"{{ points {{ {selection} }} }}") is None


def test_no_points_are_an_empty_list() -> None:
    encode = compiled("{ points { seq } }")
    assert encode is not None
    assert encode([]) == "[]"
