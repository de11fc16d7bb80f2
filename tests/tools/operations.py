"""An operation for each root field of the schema, with arguments made from their types: no new one is missed."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLType,
    OperationType,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
)

from graph.schema import schema

__all__ = ["Operation", "operations"]

VALUES = {"Int": "1", "Float": "0.5", "String": '"text"', "Boolean": "true"}


class Operation(NamedTuple):
    """An operation with one root field."""

    kind: OperationType
    field: str
    text: str


def operations(*, ended: str, running: str) -> list[Operation]:
    """One for each root field. What takes the id of a job is given one, also where it need not be: reads and streams
    that of one that has ended, so that they end too, and mutations that of a running one, which they all change.
    """
    return [*_operations({OperationType.MUTATION: running}, ended)]


def _operations(ids: Mapping[OperationType, str], other: str) -> Iterator[Operation]:
    for kind in OperationType:
        id = ids.get(kind, other)
        root = schema.graphql.get_root_type(kind)
        assert root is not None
        for name, field in root.fields.items():
            given = {
                argument: _value(each.type, id)
                for argument, each in field.args.items()
                if _is_given(each) or get_named_type(each.type).name == "ID"
            }
            arguments = ", ".join(f"{argument}: {value}" for argument, value in given.items())
            selection = "" if is_leaf_type(get_named_type(field.type)) else " { __typename }"
            yield Operation(kind, name, f"{kind.value} {{ {name}{f'({arguments})' if arguments else ''}{selection} }}")


def _is_given(each: GraphQLArgument | GraphQLInputField) -> bool:
    return is_required_argument(each) if isinstance(each, GraphQLArgument) else is_required_input_field(each)


def _value(type: GraphQLType, id: str) -> str:
    """A literal of a type."""
    if isinstance(type, GraphQLNonNull):
        return _value(get_nullable_type(type), id)
    if isinstance(type, GraphQLList):
        return f"[{_value(type.of_type, id)}]"
    if isinstance(type, GraphQLEnumType):
        return str(next(iter(type.values)))
    if isinstance(type, GraphQLInputObjectType):
        members = (f"{name}: {_value(each.type, id)}" for name, each in type.fields.items() if _is_given(each))
        return f"{{ {', '.join(members)} }}"
    name = get_named_type(type).name
    return f'"{id}"' if name == "ID" else VALUES[name]
