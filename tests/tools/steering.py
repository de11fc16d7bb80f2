"""What schemathesis asks, steered to where there is something to find.

Left to itself it hardly ever meets an id that there is, or a number in its range, and hears nothing but refusals. So
most of the values that it made are replaced with ones that are right, now and then one is left, or all are; and more is
selected than it thought of.
"""

from collections.abc import Mapping
from typing import Any

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    NamedTypeNode,
    NameNode,
    ObjectFieldNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    ValueNode,
    ast_from_value,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
)
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.tools.inputs import inputs
from tests.tools.stock import KINDS, a_job

__all__ = ["steered"]

TYPENAME = FieldNode(name=NameNode(value="__typename"))
VALUE_NAMES = st.sampled_from(["loss", "val_loss", "train/loss", "accuracy", "learningRate", "never logged"])
JOB_NAMES = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=200)


def ids(*fit: str) -> SearchStrategy[str]:
    """The id of a job: of a kind that fits, mostly."""
    return st.sampled_from([*fit * 4, *KINDS]).map(a_job)


RIGHT: Mapping[str, SearchStrategy[Any]] = {
    "Query.jobs(status:)": st.none() | st.lists(st.sampled_from(["QUEUED", "RUNNING", "COMPLETE", "FAILED"])),
    "Query.jobs(search:)": st.sampled_from([None, "a", "ONE", "resnet", "nobody's"]),
    "Query.jobs(after:)": st.none() | ids("full"),
    "Query.jobs(limit:)": st.integers(1, 10),
    "Query.job(id:)": ids("running", "complete", "failed"),
    "Query.previewJob(points:)": st.integers(2, 50),
    "Mutation.startJob(id:)": ids("queued"),
    "Mutation.simulateStep(id:)": ids("running", "full", "crashing"),
    "Mutation.failJob(id:)": ids("queued", "running"),
    "Mutation.completeJob(id:)": ids("running"),
    "Mutation.logMetrics(id:)": ids("running"),
    "Mutation.logMetrics(metrics:)": st.lists(inputs(), min_size=1, max_size=4),
    "CreateJobInput.name": JOB_NAMES,
    "CreateJobInput.modelName": JOB_NAMES,
    "CreateJobInput.epochs": st.integers(1, 1_000),
    "CreateJobInput.stepsPerEpoch": st.integers(1, 1_000),
    "CreateJobInput.learningRate": st.floats(0, 1_000, exclude_min=True),
    "CreateJobInput.seed": st.none() | st.integers(0, 2**31 - 1),
    "CreateJobInput.batchSize": st.integers(0, 20).map(lambda power: 2**power),
    "Job.metrics(limit:)": st.integers(1, 20),
    "Job.metrics(after:)": st.integers(0, 4),
    "Job.latestMetrics(count:)": st.integers(1, 20),
    "Job.curve(points:)": st.integers(2, 50),
    "Job.curve(from:)": st.none() | st.integers(0, 2),
    "Job.curve(to:)": st.none() | st.integers(1, 4),
    "Job.curve(name:)": VALUE_NAMES,
    "Metric.values(names:)": st.none() | st.lists(VALUE_NAMES, max_size=3),
}
"""Coordinate of an argument, or of a field of an input -> values that are right for it. The simplest succeeds."""


@st.composite
def steered(draw: DrawFn, schema: GraphQLSchema, document: DocumentNode) -> DocumentNode:
    """The document with other values and a wider selection. It says of every object what it is."""
    pilot = _Pilot(draw, schema, draw(st.sampled_from(["all", "all", "all", "some", "none"])))
    (operation,) = document.definitions
    assert isinstance(operation, OperationDefinitionNode)
    root = schema.get_root_type(operation.operation)
    assert root is not None
    selections = tuple(
        pilot.field(root, node) for node in operation.selection_set.selections if isinstance(node, FieldNode)
    )
    return DocumentNode(
        definitions=(
            OperationDefinitionNode(
                operation=operation.operation, selection_set=SelectionSetNode(selections=selections)
            ),
        )
    )


class _Pilot:
    """Steers one document: all of its values, some, or none."""

    def __init__(self, draw: DrawFn, schema: GraphQLSchema, values: str) -> None:
        self._draw = draw
        self._schema = schema
        self._values = values

    def field(self, parent: GraphQLNamedType, node: FieldNode) -> FieldNode:
        """A field with its arguments and all that is selected below it."""
        definition = _definition(parent, node.name.value)
        arguments = tuple(
            ArgumentNode(
                name=each.name,
                value=self._value(
                    f"{parent.name}.{node.name.value}({each.name.value}:)",
                    definition.args[each.name.value].type,
                    each.value,
                ),
            )
            for each in node.arguments or ()
        )
        below = node.selection_set and self._selection(get_named_type(definition.type), node.selection_set)
        return FieldNode(alias=node.alias, name=node.name, arguments=arguments, selection_set=below)

    def _value(self, coordinate: str, type: GraphQLInputType, value: ValueNode) -> ValueNode:
        if coordinate in RIGHT:
            return self._right(coordinate, type) if self._steers() else value
        named = get_named_type(type)
        if isinstance(named, GraphQLInputObjectType) and isinstance(value, ObjectValueNode):
            fields = tuple(
                ObjectFieldNode(
                    name=each.name,
                    value=self._value(
                        f"{named.name}.{each.name.value}", named.fields[each.name.value].type, each.value
                    ),
                )
                for each in value.fields
            )
            return ObjectValueNode(fields=fields)
        return value

    def _right(self, coordinate: str, type: GraphQLInputType) -> ValueNode:
        value = ast_from_value(self._draw(RIGHT[coordinate]), type)
        assert value is not None
        return value

    def _steers(self) -> bool:
        return self._draw(st.sampled_from([True, True, False])) if self._values == "some" else self._values == "all"

    def _selection(self, type: GraphQLNamedType, node: SelectionSetNode) -> SelectionSetNode:
        given = [each for each in node.selections if not (isinstance(each, FieldNode) and _name(each) == "__typename")]
        selections: list[SelectionNode] = [TYPENAME]
        for each in given:
            if isinstance(each, FieldNode):
                selections.append(self.field(type, each))
            else:
                assert isinstance(each, InlineFragmentNode)
                inner = self._schema.type_map[_name(each)] if each.type_condition else type
                selections.append(
                    InlineFragmentNode(
                        type_condition=each.type_condition, selection_set=self._selection(inner, each.selection_set)
                    )
                )
        if self._draw(st.sampled_from([True, False, False])):
            selections += self._everything(type, {_name(each) for each in given})
        return SelectionSetNode(selections=tuple(selections))

    def _everything(self, type: GraphQLNamedType, but: set[str]) -> list[SelectionNode]:
        """All that a type has, to the bottom, with right arguments."""
        if is_abstract_type(type):
            return [
                InlineFragmentNode(
                    type_condition=NamedTypeNode(name=NameNode(value=member.name)),
                    selection_set=SelectionSetNode(selections=(TYPENAME, *self._everything(member, set()))),
                )
                for member in self._schema.get_possible_types(type)
                if member.name not in but
            ]
        assert isinstance(type, GraphQLObjectType)
        return [self._whole(type, name, field) for name, field in type.fields.items() if name not in but]

    def _whole(self, parent: GraphQLObjectType, name: str, field: GraphQLField) -> FieldNode:
        arguments = tuple(
            ArgumentNode(name=NameNode(value=argument), value=self._right(coordinate, each.type))
            for argument, each in field.args.items()
            if (coordinate := f"{parent.name}.{name}({argument}:)") in RIGHT
        )
        named = get_named_type(field.type)
        below = (
            None if is_leaf_type(named) else SelectionSetNode(selections=(TYPENAME, *self._everything(named, set())))
        )
        return FieldNode(name=NameNode(value=name), arguments=arguments, selection_set=below)


def _definition(parent: GraphQLNamedType, name: str) -> GraphQLField:
    fields: Mapping[str, GraphQLField] = getattr(parent, "fields", {})
    return fields[name]


def _name(node: SelectionNode) -> str:
    """The field, or the type that a fragment is for."""
    if isinstance(node, FieldNode):
        return node.name.value
    assert isinstance(node, InlineFragmentNode)
    return node.type_condition.name.value if node.type_condition else ""
