"""What an answer tells, field by field, held against what was asked."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    is_abstract_type,
)

__all__ = ["CODES", "answered", "codes_of"]

CODES = {
    None,
    "BAD_USER_INPUT",
    "DOCUMENT_TOO_LONG",
    "NOT_FOUND",
    "TOO_COSTLY",
    "TOO_DEEP",
    "TOO_MANY_ALIASES",
    "TOO_MANY_TOKENS",
}
"""What errors may say of a request that asks for what cannot be; all else is the server's own fault."""


def codes_of(errors: Iterable[Mapping[str, Any]]) -> set[str | None]:
    """The codes of errors, each of which must say something."""
    assert all(error["message"] for error in errors), errors
    return {error.get("extensions", {}).get("code") for error in errors}


def answered(schema: GraphQLSchema, document: DocumentNode, data: Any) -> Iterator[tuple[str, Any]]:
    """Each field that was answered, as Type.field, and its value; those that are in them come after them.

    The document must select `__typename` of every object. Raises AssertionError where an object has another field than
    those that were selected of it, has not all of them, or has them in another order.
    """
    for operation in document.definitions:
        assert isinstance(operation, OperationDefinitionNode)
        root = schema.get_root_type(operation.operation)
        assert root is not None
        yield from _object(schema, root, [operation.selection_set], data)


def _object(
    schema: GraphQLSchema, type: GraphQLObjectType, sets: Iterable[SelectionSetNode], value: dict[str, Any]
) -> Iterator[tuple[str, Any]]:
    selected: dict[str, list[FieldNode]] = {}
    for each in sets:
        for node in _fields(schema, type, each):
            selected.setdefault((node.alias or node.name).value, []).append(node)
    assert list(value) == list(selected), (type.name, value)
    for key, nodes in selected.items():
        yield f"{type.name}.{nodes[0].name.value}", value[key]
        below = [node.selection_set for node in nodes if node.selection_set]
        for inner in (value[key] if isinstance(value[key], list) else [value[key]]) if below else []:
            if inner is not None:
                actual = schema.type_map[inner["__typename"]]
                assert isinstance(actual, GraphQLObjectType), actual
                yield from _object(schema, actual, below, inner)


def _fields(schema: GraphQLSchema, type: GraphQLObjectType, selection: SelectionSetNode) -> Iterator[FieldNode]:
    """The fields of an object that are selected, in fragments too."""
    for node in selection.selections:
        if isinstance(node, FieldNode):
            yield node
        else:
            assert isinstance(node, InlineFragmentNode)
            condition = schema.type_map[node.type_condition.name.value] if node.type_condition else type
            if condition is type or (is_abstract_type(condition) and schema.is_sub_type(condition, type)):
                yield from _fields(schema, type, node.selection_set)
