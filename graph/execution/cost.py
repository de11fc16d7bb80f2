"""What an operation costs in values: objects, their leaves, long names of these, and what is read for them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    OperationDefinitionNode,
    SchemaMetaFieldDef,
    SelectionSetNode,
    TypeMetaFieldDef,
    ValueNode,
    VariableNode,
    get_named_type,
)

from graph.execution.document_size import fragments_in_order
from graph.execution.results import MOST
from graph.live.stream import BATCH
from models.curves.curve import MAX_CURVES, MAX_POINTS
from models.job_reads import MAX_PAGE
from models.points import MAX_READ
from models.validation import MAX_VALUES
from simulator.preview import MAX_PREVIEW

__all__ = ["CONFIG", "CURVE", "FEW", "LENGTHS", "LIST", "NAMES", "READS", "SEARCH", "Cost", "Given"]

LONG_NAME = 32
"""Characters of a field's name in the answer that cost as much as a value: it stands there for each object."""
META: Mapping[str, GraphQLField] = {"__schema": SchemaMetaFieldDef, "__type": TypeMetaFieldDef}
VALUES = 10
"""Values that a point is taken to have where their names are not given; those of points with more are returned too."""
TYPES = 50
"""About the number of types in the schema."""
MEMBERS = 5
"""Fields of a type, or arguments of a field: about their average."""
SEARCH = 10_000
"""A search compares the names of all jobs: in a store of 40,000 it takes as long as so many values; so does a list by
conditions, and counting it."""
CURVE = 5_000
"""A curve is chosen from far more points than it returns; one of a name that was never logged is looked for in vain."""
LIST = 100
"""A page of the children of one job: a query of its own, and one for their number."""
CONFIG = 200
"""A config is parsed and masked whole. Many long ones are refused when they are read: `models.config.AT_ONCE`."""
NAMES = 20
"""Series that a job is taken to have where their names are not given; those of jobs with more are returned too."""
FEW = 5
"""Attempts of a job, faults of an input, or what else there are few of."""
MANY = 100
"""Projects, or rules of alerts."""


class Given(NamedTuple):
    """A length that an argument limits."""

    argument: str
    most: int
    """More is refused by the field itself, which then costs nothing."""
    default: int = 0
    """Where the argument is null."""

    def of(self, value: object) -> int:
        """The length for a value of the argument: a number, a list of the names to return, or any other for 1."""
        if value is None:
            return self.default
        if isinstance(value, list):
            return min(len(value), self.most)
        if isinstance(value, int | float):
            return int(value) if 1 <= value <= self.most else 0
        return 1


class Product(NamedTuple):
    """A length that two arguments limit."""

    one: Given
    other: Given


Length = int | Given | Product

LENGTHS: Mapping[str, Length] = {
    "Query.jobs": Given("limit", MAX_PAGE),
    "Query.jobList": Given("first", MAX_PAGE),
    "Query.projects": MANY,
    "Query.alerts": Given("first", MAX_PAGE),
    "Query.alertRules": MANY,
    "Query.previewJob": Given("points", MAX_PREVIEW),
    "Job.attempts": FEW,
    "Job.children": Given("first", MAX_PAGE),
    "Job.series": Given("names", MAX_VALUES, NAMES),
    "Job.tags": 0,
    "Job.metrics": Given("limit", MAX_READ),
    "Job.latestMetrics": Given("count", MAX_READ),
    "Job.curve": Given("points", MAX_POINTS),
    "Job.curves": Product(Given("names", MAX_CURVES), Given("points", MAX_POINTS)),
    "JobPreview.curves": 7,
    "Metric.values": Given("names", MAX_VALUES, VALUES),
    "Subscription.metricsAdded": BATCH,
    "InvalidInput.others": FEW,
    "LogMetricsSuccess.skipped": FEW,
    # Counted by the argument `first` of the connection, of which each adds one.
    "JobConnection.edges": 1,
    "JobConnection.nodes": 1,
    "AlertConnection.edges": 1,
    "AlertConnection.nodes": 1,
    # Counted by the argument `points` of the curve, of which each adds one.
    "Curve.x": 0,
    "Curve.seq": 0,
    "Curve.step": 0,
    "Curve.value": 0,
    "__Schema.types": TYPES,
    "__Schema.directives": MEMBERS,
    "__Directive.args": MEMBERS,
    "__Directive.locations": 0,
    "__Field.args": MEMBERS,
    "__Type.enumValues": MEMBERS,
    "__Type.fields": MEMBERS,
    "__Type.inputFields": MEMBERS,
    "__Type.interfaces": MEMBERS,
    "__Type.possibleTypes": MEMBERS,
}
"""Type and field -> the most objects that it returns for each object of its type. Every list is here, and every other
field that holds lists which its own argument limits."""

READS: Mapping[str, tuple[Length, int]] = {
    "Query.jobs": (Given("search", 1), SEARCH),
    "Query.jobList": (1, SEARCH),
    "Query.projects": (1, SEARCH),
    "Query.alerts": (1, SEARCH),
    "Query.previewJob": (1, CURVE),
    "Job.children": (1, LIST),
    "Job.config": (1, CONFIG),
    "Job.source": (1, CONFIG),
    "Job.curve": (1, CURVE),
    "Job.curves": (Given("names", MAX_CURVES), CURVE),
}
"""Type and field -> how often it reads, and what reading costs in values, whatever is returned of it."""


class Cost:
    """The cost of an operation of a valid document."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> None:
        self.schema = schema
        self._operation = operation
        self._fragments = fragments_in_order(document)
        self.defaults = {node.variable.name.value: node.default_value for node in operation.variable_definitions or ()}
        self._fixed: int | None = None

    def of(self, variables: Mapping[str, Any]) -> int:
        """The cost for a request, whose variables may be wrong: those are refused when they are coerced."""
        if self._fixed is not None:
            return self._fixed
        count = _Count(self, variables)
        for node in self._fragments:  # each once, however often it is spread
            of_type = self.schema.get_type(node.type_condition.name.value)
            count.fragments[node.name.value] = count.selected(of_type, node.selection_set)
        total = count.selected(self.schema.get_root_type(self._operation.operation), self._operation.selection_set)
        if not count.varies:
            self._fixed = total
        return total


class _Count:
    """Counts for one request."""

    def __init__(self, cost: "Cost", variables: Mapping[str, Any]) -> None:
        self._schema, self._defaults = cost.schema, cost.defaults
        self._variables = variables
        self.fragments: dict[str, int] = {}
        self.varies = False
        """Whether a variable gives a length."""

    def selected(self, type: GraphQLNamedType | None, selection: SelectionSetNode) -> int:
        """The cost of what is selected of one object."""
        cost = 0
        for node in selection.selections:
            if isinstance(node, FieldNode):
                cost += len((node.alias or node.name).value) // LONG_NAME
                cost += self._read(type, node)
                cost += 1 if node.selection_set is None else self._objects(type, node, node.selection_set)
            elif isinstance(node, FragmentSpreadNode):
                cost += self.fragments[node.name.value]
            else:
                assert isinstance(node, InlineFragmentNode)
                condition = node.type_condition
                of_type = self._schema.get_type(condition.name.value) if condition else type
                cost += self.selected(of_type, node.selection_set)
        return min(cost, MOST)

    def _objects(self, type: GraphQLNamedType | None, node: FieldNode, selection: SelectionSetNode) -> int:
        assert isinstance(type, GraphQLObjectType | GraphQLInterfaceType)
        field = META.get(node.name.value) or type.fields[node.name.value]
        place = f"{type.name}.{node.name.value}"
        held = self.selected(get_named_type(field.type), selection)
        return self._length(LENGTHS.get(place, 1), field, node) * (1 + held)

    def _read(self, type: GraphQLNamedType | None, node: FieldNode) -> int:
        """What the field reads, whatever is returned of it."""
        assert type is not None
        found = READS.get(f"{type.name}.{node.name.value}")
        if found is None:
            return 0
        assert isinstance(type, GraphQLObjectType)
        times, read = found
        return self._length(times, type.fields[node.name.value], node) * read

    def _length(self, length: Length, field: GraphQLField, node: FieldNode) -> int:
        if isinstance(length, int):
            return length
        if isinstance(length, Product):
            return self._length(length.one, field, node) * self._length(length.other, field, node)
        given = next((each.value for each in node.arguments or () if each.name.value == length.argument), None)
        if isinstance(given, VariableNode):
            self.varies = True
            name = given.name.value
            if name in self._variables:
                return length.of(self._variables[name])
            given = self._defaults.get(name)
        return length.of(field.args[length.argument].default_value if given is None else _value(given))


def _value(node: ValueNode) -> object:
    """A literal, as far as the length of a list depends on it."""
    if isinstance(node, IntValueNode):
        return int(node.value) if len(node.value) < 12 else MOST
    if isinstance(node, ListValueNode):
        return [None] * len(node.values)
    return None if isinstance(node, NullValueNode) else ""
