"""What an operation costs, in values: objects, their fields that hold no objects, long names of these, and what is read
beside what is returned.

Compiled once a document, for it depends on the variables of each request.
"""

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
from graph.execution.limits import MOST
from graph.execution.list_lengths import LENGTHS, READS, Given, Length

__all__ = ["Cost", "cost_of"]

LONG_NAME = 32
"""Characters of a field's name in the answer that cost as much as a value: it stands there for each object."""

META: Mapping[str, GraphQLField] = {"__schema": SchemaMetaFieldDef, "__type": TypeMetaFieldDef}


class Step(int):
    """The place of a sum that depends on variables, among those of its operation."""


class Variable(NamedTuple):
    """A length that a variable gives."""

    name: str
    given: Given
    default: Any
    """Where the request leaves it out."""

    def length(self, variables: Mapping[str, Any]) -> int:
        """The length for a request."""
        return self.given.of(variables.get(self.name, self.default))


class Sum(NamedTuple):
    """`constant`, and the sums at `added`, and for each of `lists` its length times one more than what it holds."""

    constant: int
    added: tuple[Step, ...]
    lists: tuple[tuple[int | Variable, int], ...]
    """Length, and the cost of each object: a Step or, where nothing in it depends on variables, a number."""


class Cost(NamedTuple):
    """The cost of an operation."""

    sums: tuple[Sum, ...]
    """In an order in which each needs only those before it; a fragment's stands once, however often it is spread."""
    total: int
    """A Step, or, where nothing depends on variables, the number itself."""

    def of(self, variables: Mapping[str, Any]) -> int:
        """The cost for a request, whose variables may be wrong: those are refused when they are coerced."""
        if type(self.total) is int:
            return self.total
        found: list[int] = []
        for constant, added, lists in self.sums:
            cost = constant + sum(found[step] for step in added)
            for length, held in lists:
                times = length if isinstance(length, int) else length.length(variables)
                cost += times * (1 + (found[held] if isinstance(held, Step) else held))
            found.append(min(cost, MOST))
        return found[self.total]


def cost_of(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> Cost:
    """The cost of an operation of a valid document."""
    return _Compiler(schema, operation).cost(document)


class _Compiler:
    """Compiles the cost of one operation: its variables are its own, also within fragments."""

    def __init__(self, schema: GraphQLSchema, operation: OperationDefinitionNode) -> None:
        self._schema = schema
        self._operation = operation
        self._defaults = {node.variable.name.value: node.default_value for node in operation.variable_definitions or ()}
        self._sums: list[Sum] = []
        self._fragments: dict[str, int] = {}

    def cost(self, document: DocumentNode) -> Cost:
        for node in fragments_in_order(document):
            self._fragments[node.name.value] = self._selection(
                self._schema.get_type(node.type_condition.name.value), node.selection_set
            )
        root = self._schema.get_root_type(self._operation.operation)
        total = self._selection(root, self._operation.selection_set)
        return Cost(tuple(self._sums), total)

    def _selection(self, type: GraphQLNamedType | None, selection: SelectionSetNode) -> int:
        """What is selected of one object: a number, or a Step."""
        constant = 0
        added: list[Step] = []
        lists: list[tuple[int | Variable, int]] = []
        for node in selection.selections:
            if isinstance(node, FieldNode):
                constant += len((node.alias or node.name).value) // LONG_NAME
                if node.selection_set is None:
                    constant += 1
                    continue
                assert isinstance(type, GraphQLObjectType | GraphQLInterfaceType)
                field = META.get(node.name.value) or type.fields[node.name.value]
                place = f"{type.name}.{node.name.value}"
                held = self._selection(get_named_type(field.type), node.selection_set)
                counted = [(LENGTHS.get(place, 1), held)]
                if place in READS:
                    times, cost = READS[place]
                    counted.append((times, cost - 1))
                for given, inner in counted:
                    length = self._length(given, field, node)
                    if isinstance(length, Variable) or isinstance(inner, Step):
                        lists.append((length, inner))
                    else:
                        constant += length * (1 + inner)
                continue
            if isinstance(node, FragmentSpreadNode):
                part = self._fragments[node.name.value]
            else:
                assert isinstance(node, InlineFragmentNode)
                condition = node.type_condition
                part = self._selection(
                    self._schema.get_type(condition.name.value) if condition else type, node.selection_set
                )
            if isinstance(part, Step):
                added.append(part)
            else:
                constant += part
        constant = min(constant, MOST)
        if not added and not lists:
            return constant
        self._sums.append(Sum(constant, tuple(added), tuple(lists)))
        return Step(len(self._sums) - 1)

    def _length(self, length: Length, field: GraphQLField, node: FieldNode) -> int | Variable:
        if isinstance(length, int):
            return length
        default = field.args[length.argument].default_value
        given = next((each.value for each in node.arguments or () if each.name.value == length.argument), None)
        if given is None:
            return length.of(default)
        if not isinstance(given, VariableNode):
            return length.of(_value(given))
        declared = self._defaults.get(given.name.value)
        return Variable(given.name.value, length, default if declared is None else _value(declared))


def _value(node: ValueNode) -> object:
    """A literal, as far as the length of a list depends on it."""
    if isinstance(node, IntValueNode):
        return int(node.value) if len(node.value) < 12 else MOST
    if isinstance(node, ListValueNode):
        return [None] * len(node.values)
    return None if isinstance(node, NullValueNode) else ""
