"""The two verbs that are called for every point, answered by a plan compiled from the document.

All that may come of a verb is compiled before it is done: its success, and each of its failures.
"""

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import orjson
from graphql import (
    FieldNode,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    OperationDefinitionNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_variable_values,
    located_error,
    print_ast,
)
from strawberry.types import ExecutionResult
from strawberry.utils.str_converters import to_camel_case

from graph.execution.results import json_of, logged_and_masked
from graph.plans.fields import Expression, Fragments, flat, leaf, made_from, shape_of
from graph.plans.jobs import maker_of_points, plan_jobs
from graph.plans.metric_input import NotCoercibleError, points_of
from graph.telemetry.calls import current_call
from models.errors import (
    AlertNotFound,
    AlertRuleNotFound,
    IllegalTransition,
    InvalidInput,
    JobError,
    JobNotFound,
    SimulationFailed,
)
from models.jobs import Jobs, Logged
from models.metric import Point
from models.validation import job_id_of
from simulator.runner import make_points

__all__ = ["MutationPlan", "failure_of", "plan_mutation"]

VERBS = {"simulateStep", "logMetrics"}
FLAGS = ("late", "skipInvalid")

ObjectMaker = Callable[[Any], dict[str, Any] | None]
"""A member of a result union, as the domain has it -> the object that is selected of it."""


class MutationPlan(NamedTuple):
    """How to do and answer a mutation."""

    schema: GraphQLSchema
    operation: OperationDefinitionNode
    name: str
    """The name of the field in the response."""
    node: FieldNode
    id: ValueNode
    metrics: str | None
    """The variable with the points."""
    flags: Mapping[str, ValueNode]
    """`late` and `skipInvalid`, where they are given: a literal or a variable."""
    success: ObjectMaker
    failures: Mapping[str, ObjectMaker]
    """By the names of their types."""

    async def run(self, jobs: Jobs, variables: Mapping[str, Any]) -> bytes | None:
        """Do it, and answer what came of it, whatever that is: it must not be done twice.

        None where nothing was done: arguments are wrong, or others than the plan is made for.
        """
        definitions = [
            each for each in self.operation.variable_definitions or () if each.variable.name.value != self.metrics
        ]
        values = get_variable_values(self.schema, definitions, dict(variables), max_errors=1)
        if isinstance(values, list):
            return None
        id = (
            values.coerced.get(self.id.name.value)
            if isinstance(self.id, VariableNode)
            else getattr(self.id, "value", None)
        )
        if not isinstance(id, str):
            return None
        late, skips = (self._flag(name, values.coerced) for name in FLAGS)
        if late is None or skips is None:
            return None
        skipped: list[tuple[str, str]] = []
        try:
            points = (
                None if self.metrics is None else points_of(variables.get(self.metrics), skipped if skips else None)
            )
        except (NotCoercibleError, InvalidInput):  # of several, GraphQL chooses which it reports
            return None
        try:
            return orjson.dumps({"data": {self.name: await self._done(jobs, id, points, late, skipped)}})
        except Exception as error:  # noqa: BLE001  # logged, and the client gets a code
            errors = [located_error(error, [self.node], [self.name])]
            return json_of(ExecutionResult(None, logged_and_masked(errors))).encode()

    def _flag(self, name: str, variables: Mapping[str, Any]) -> bool | None:
        """The value of an argument that is false where it is not given; None where it is none."""
        given = self.flags.get(name)
        if isinstance(given, VariableNode):
            value = variables.get(given.name.value, False)
        else:
            value = False if given is None else getattr(given, "value", None)
        return value if isinstance(value, bool) else None

    async def _done(
        self, jobs: Jobs, id: str, points: list[Point] | None, late: bool, skipped: Sequence[tuple[str, str]]
    ) -> dict[str, Any] | None:
        done: Logged
        try:
            job_id = job_id_of(id)
            if points is None:
                done = await jobs.simulate(job_id, make_points)
            else:
                skipped = [FaultyField(to_camel_case(field), message) for field, message in skipped]
                done = await jobs.log(job_id, points, late=late, skipped=skipped)
        except JobError as error:
            type, fields = failure_of(error)
            return self.failures[type](SimpleNamespace(**fields))
        return self.success(done)


class FaultyField(NamedTuple):
    """What the fields of an InvalidField are made from."""

    field: str
    message: str


def failure_of(error: JobError) -> tuple[str, dict[str, Any]]:
    """The failure that an error of the domain is: its type in the schema, and its fields; the call takes note of it."""
    call = current_call()
    is_unexpected = isinstance(error, SimulationFailed) and not error.is_expected
    if call:
        call.met_errors(unexpected=is_unexpected)
    fields: dict[str, Any] = {"message": error.message}
    match error:
        case JobNotFound() | AlertRuleNotFound() | AlertNotFound():
            fields["id"] = str(error.id)  # as the request has it; the beginning of a long one
        case InvalidInput():
            fields["field"] = to_camel_case(error.field)
            fields["message"] = f"{fields['field']}: {error.message}"
            fields["others"] = [FaultyField(to_camel_case(path), message) for path, message in error.others]
        case SimulationFailed() | IllegalTransition():
            fields["job"] = error.job
            if is_unexpected and call:
                fields["message"] += f" The request id is {call.id}."
        case _:
            raise error
    return error.__class__.__name__, fields


def plan_mutation(
    schema: GraphQLSchema, operation: OperationDefinitionNode, fragments: Fragments
) -> MutationPlan | None:
    """The plan for a mutation of a valid document; None where it has none."""
    assert schema.mutation_type is not None
    selected = flat(operation.selection_set, fragments, schema.mutation_type.name)
    if selected is None or len(selected) != 1 or operation.directives:
        return None
    ((name, node),) = selected.items()
    if node.name.value not in VERBS:
        return None
    arguments = {argument.name.value: argument.value for argument in node.arguments or ()}
    if arguments.keys() - {"id", "metrics", *FLAGS}:
        return None
    metrics = arguments.get("metrics")
    if metrics is not None:
        declared = {each.variable.name.value: each for each in operation.variable_definitions or ()}
        definition = declared[metrics.name.value] if isinstance(metrics, VariableNode) else None
        if definition is None or definition.default_value or print_ast(definition.type) != "[MetricInput!]!":
            return None
    result = get_named_type(schema.mutation_type.fields[node.name.value].type)
    assert isinstance(result, GraphQLUnionType)
    members: dict[str, ObjectMaker] = {}
    for member in result.types:
        make = _member(member, node, fragments, also={result.name, *(each.name for each in member.interfaces)})
        if make is None:
            return None
        members[member.name] = make
    success = members.pop(result.types[0].name)
    variable = metrics.name.value if isinstance(metrics, VariableNode) else None
    flags = {name: arguments[name] for name in FLAGS if name in arguments}
    return MutationPlan(schema, operation, name, node, arguments["id"], variable, flags, success, members)


def _member(type: GraphQLObjectType, node: FieldNode, fragments: Fragments, also: set[str]) -> ObjectMaker | None:
    """The maker of an object from what has its fields as attributes."""
    assert node.selection_set is not None
    selected = flat(node.selection_set, fragments, type.name, also)
    if selected is None:
        return None
    shape = shape_of(selected, lambda name, each: leaf(type, each.name.value) or _object(type, each, name, fragments))
    if shape is None:
        return None
    columns = sorted(shape.columns)
    make = shape.maker(columns)
    return lambda given: make([[getattr(given, column) for column in columns]])[0]


def _object(type: GraphQLObjectType, node: FieldNode, name: str, fragments: Fragments) -> Expression | None:
    """What makes a job or a point within a member of a result union; `name`: the field's in the response."""
    given, of = made_from(type, node.name.value), get_named_type(type.fields[node.name.value].type)
    assert given is not None
    assert isinstance(of, GraphQLObjectType)
    assert node.selection_set is not None
    make: Callable[[Any], Any]
    if of.name == "InvalidField":
        selected = flat(node.selection_set, fragments, of.name)
        shape = None if selected is None else shape_of(selected, lambda _, each: leaf(of, each.name.value))
        if shape is None:
            return None
        make = shape.maker(FaultyField._fields)
    elif of.name == "Metric":
        make_points = maker_of_points(of, node.selection_set, fragments)
        if make_points is None:
            return None
        make = lambda point: None if point is None else make_points([point])[0]  # noqa: E731  # one of two
    else:
        plan = plan_jobs(of, node.selection_set, fragments)
        if plan is None or plan.pages:
            return None
        make = lambda job: plan.make([[getattr(job, column) for column in plan.columns]], ())[0]  # noqa: E731  # as above
    return Expression(f"make_{name}({given.code})", {**given.functions, f"make_{name}": make})
