"""How deep and how wide operations are, with their fragments spread.

Computed before a document is validated, which takes longer; so every mistake but one of grammar may be in it.
"""

from collections.abc import Iterator
from graphlib import TopologicalSorter
from typing import NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from graph.execution.results import MOST, limit_error
from graph.settings import Settings

__all__ = ["Size", "fragments_in_order", "size_error", "sizes_of"]

INTROSPECTION = frozenset({"__schema", "__type"})


class Size(NamedTuple):
    """Of an operation, or a part of it."""

    depth: int = 0
    aliases: int = 0
    directives: int = 0
    introspects: bool = False


def sizes_of(document: DocumentNode) -> list[Size]:
    """The size of each operation."""
    fragments: dict[str, Size] = {}
    for node in fragments_in_order(document):
        fragments[node.name.value] = _selection(node.selection_set, fragments, len(node.directives or ()))
    return [
        _selection(node.selection_set, fragments, _directives(node))
        for node in document.definitions
        if isinstance(node, OperationDefinitionNode)
    ]


def size_error(document: DocumentNode, settings: Settings) -> GraphQLError | None:
    """The error for a document that is not even validated. Raises graphlib.CycleError as `fragments_in_order`."""
    for depth, aliases, directives, introspects in sizes_of(document):
        if introspects and not settings.introspection:
            return GraphQLError(
                "This server answers no questions about its schema, `__schema` and `__type` (--no-introspection).",
                extensions={"code": "INTROSPECTION_DISABLED"},
            )
        if depth > settings.max_depth:
            return limit_error(settings, "max_depth", "The operation is {} levels deep", depth)
        if aliases > settings.max_aliases:
            return limit_error(settings, "max_aliases", "The operation has {} aliases", aliases)
        if directives > settings.max_directives:
            return limit_error(settings, "max_directives", "The operation has {} directives", directives)
    return None


def _directives(operation: OperationDefinitionNode) -> int:
    variables = operation.variable_definitions or ()
    return len(operation.directives or ()) + sum(len(each.directives or ()) for each in variables)


def _selection(selection: SelectionSetNode | None, fragments: dict[str, Size], directives: int) -> Size:
    """The size of a selection; `directives`: those on what it belongs to. An unknown fragment adds nothing."""
    depth = aliases = 0
    introspects = False
    for node in selection.selections if selection else ():
        own = len(node.directives or ())
        if isinstance(node, FragmentSpreadNode):
            inner = fragments.get(node.name.value, Size())
            directives += own
        else:
            assert isinstance(node, FieldNode | InlineFragmentNode)
            inner = _selection(node.selection_set, fragments, own)
        is_field = isinstance(node, FieldNode)
        depth = max(depth, inner.depth + is_field)
        aliases += inner.aliases + (isinstance(node, FieldNode) and node.alias is not None)
        directives += inner.directives
        introspects |= inner.introspects or (isinstance(node, FieldNode) and node.name.value in INTROSPECTION)
    return Size(depth, min(aliases, MOST), min(directives, MOST), introspects)


def fragments_in_order(document: DocumentNode) -> list[FragmentDefinitionNode]:
    """The fragments, each after those that it spreads. Raises graphlib.CycleError where one spreads itself.

    Not by recursion: a chain of fragments may be longer than Python's stack, where what a definition nests may not.
    """
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    spread = {name: fragments.keys() & {*_spreads(node.selection_set)} for name, node in fragments.items()}
    return [fragments[name] for name in TopologicalSorter(spread).static_order()]


def _spreads(selection: SelectionSetNode) -> Iterator[str]:
    for node in selection.selections:
        if isinstance(node, FragmentSpreadNode):
            yield node.name.value
        elif node.selection_set is not None:  # type: ignore[attr-defined]  # a field or an inline fragment: both have it
            yield from _spreads(node.selection_set)  # type: ignore[attr-defined]  # as above
