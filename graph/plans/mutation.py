"""The two verbs that are called for every point, answered by a plan compiled from the document.

Only what they answer when they succeed has a plan. When they raise, the usual way is gone with what came of them in the
place of the verbs, so that every failure is told as it always is, and nothing is done twice.
"""

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, NamedTuple

from graphql import (
    FieldNode,
    GraphQLObjectType,
    GraphQLSchema,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    StringValueNode,
    ValueNode,
    VariableNode,
    get_variable_values,
    print_ast,
)

from graph.plans.jobs import plan_jobs
from graph.plans.metric_input import points_from_json
from graph.plans.points import make_points_of
from graph.plans.rows import Maker, maker
from graph.plans.selection import Fragments, flat
from models.errors import JobNotFound
from models.jobs import Jobs
from models.metric import Point
from models.validation import job_id_of
from simulator.runner import make_points

__all__ = ["Done", "DoneJobs", "Mutation", "MutationPlan", "plan_mutation"]

RESULTS: Mapping[str, Mapping[str, str]] = {
    "simulateStep": {
        "__typename": "'SimulateStepSuccess'",
        "complete": "result.complete",
        "progress": "result.progress",
    },
    "logMetrics": {"__typename": "'LogMetricsSuccess'", "recorded": "len(result.metrics)"},
}
"""Verb -> field of its success -> its value from what the verb of the domain gives."""


class Done(NamedTuple):
    """What came of a verb: what it gave, or what it raised."""

    result: Any
    error: Exception | None = None


class DoneJobs:
    """The verbs, of which one has been done already: it gives, or raises, what it did."""

    def __init__(self, done: Done) -> None:
        self._done = done

    async def simulate(self, *_: object) -> Any:
        """What came of it."""
        if self._done.error:
            raise self._done.error
        return self._done.result

    log = simulate


class Mutation(NamedTuple):
    """A plan with its arguments."""

    plan: "MutationPlan"
    id: int
    points: list[Point] | None
    """To log; None where a step is to be simulated."""

    async def run(self, jobs: Jobs) -> Done:
        """Do it."""
        try:
            if self.points is None:
                return Done(await jobs.simulate(self.id, make_points))
            return Done(await jobs.log(self.id, self.points))
        except Exception as error:  # noqa: BLE001  # told by the usual way
            return Done(None, error)

    def data(self, done: Done) -> dict[str, Any]:
        """The data of the answer to what was done."""
        return {self.plan.name: self.plan.make([(done.result,)])[0]}


class MutationPlan(NamedTuple):
    """How to do and answer an operation."""

    schema: GraphQLSchema
    operation: OperationDefinitionNode
    name: str
    """What the response calls the field."""
    id: ValueNode
    metrics: str | None
    """The variable with the points."""
    make: Maker

    def bind(self, variables: Mapping[str, Any]) -> Mutation | None:
        """The plan with its arguments; None where they are wrong, or others than it is made for."""
        definitions = [
            each for each in self.operation.variable_definitions or () if each.variable.name.value != self.metrics
        ]
        values = get_variable_values(self.schema, definitions, dict(variables), max_errors=1)
        if isinstance(values, list):
            return None
        id = values.coerced.get(self.id.name.value) if isinstance(self.id, VariableNode) else _literal(self.id)
        points = None if self.metrics is None else points_from_json(variables.get(self.metrics))
        if not isinstance(id, str) or (points is None) != (self.metrics is None):
            return None
        try:
            return Mutation(self, job_id_of(id), points)
        except JobNotFound:
            return None


def plan_mutation(
    schema: GraphQLSchema, operation: OperationDefinitionNode, fragments: Fragments
) -> MutationPlan | None:
    """The plan for a mutation of a valid document; None where it has none."""
    assert schema.mutation_type is not None
    selected = flat(operation.selection_set, fragments, schema.mutation_type.name)
    if selected is None or len(selected) != 1 or operation.directives:
        return None
    ((name, node),) = selected.items()
    if node.name.value not in RESULTS or node.selection_set is None:
        return None
    arguments = {argument.name.value: argument.value for argument in node.arguments or ()}
    metrics = arguments.get("metrics")
    if metrics is not None:
        declared = {each.variable.name.value: each for each in operation.variable_definitions or ()}
        definition = declared[metrics.name.value] if isinstance(metrics, VariableNode) else None
        if definition is None or definition.default_value or print_ast(definition.type) != "[MetricInput!]!":
            return None
    make = _result(schema, node.name.value, node.selection_set, fragments)
    if make is None:
        return None
    variable = metrics.name.value if isinstance(metrics, VariableNode) else None
    return MutationPlan(schema, operation, name, arguments["id"], variable, make)


def _result(schema: GraphQLSchema, verb: str, selection: SelectionSetNode, fragments: Fragments) -> Maker | None:
    plain = RESULTS[verb]
    union = f"{verb[0].upper()}{verb[1:]}Result"
    selected = flat(selection, fragments, plain["__typename"].strip("'"), {union})
    if selected is None:
        return None
    fields: dict[str, str] = {}
    parts: dict[str, Any] = {}
    for name, node in selected.items():
        if node.name.value in plain:
            fields[name] = plain[node.name.value]
            continue
        part = _part(schema, node, fragments)
        if part is None:
            return None
        parts[f"part{len(parts)}"] = part
        fields[name] = f"part{len(parts) - 1}(result)"
    return maker(fields, ["result"], parts)


def _part(schema: GraphQLSchema, node: FieldNode, fragments: Fragments) -> Callable[[Any], Any] | None:
    """The way from what the verb gives to an object within its success; None where it has no plan."""
    assert node.selection_set is not None
    if node.name.value == "metric":
        make = make_points_of(node.selection_set, fragments)
        return None if make is None else lambda result: next(iter(make(result.metrics[:1])), None)
    job_type = schema.get_type("Job")
    assert isinstance(job_type, GraphQLObjectType)
    plan = plan_jobs(job_type, node.selection_set, fragments)
    if plan is None or plan.points:
        return None
    row_of = attrgetter(*plan.columns, "id")  # two at least, so that it gives a tuple
    return lambda result: plan.make([row_of(result.job)[:-1]], ())[0]


def _literal(node: ValueNode) -> str | None:
    return node.value if isinstance(node, StringValueNode | IntValueNode) else None
