"""How deep and how wide operations are, with their fragments spread.

Computed before a document is validated, which takes longer; so every mistake but one of grammar may be in it.
"""

from collections.abc import Iterator, Mapping
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

Part = OperationDefinitionNode | FragmentDefinitionNode | FieldNode | InlineFragmentNode | FragmentSpreadNode
INTROSPECTION = frozenset({"__schema", "__type"})


class Size(NamedTuple):
    """Of an operation, or a part of it."""

    depth: int = 0
    aliases: int = 0
    directives: int = 0
    introspects: bool = False


def sizes_of(document: DocumentNode) -> list[Size]:
    """The size of each operation. Raises graphlib.CycleError as `fragments_in_order`."""
    fragments: dict[str, Size] = {}
    for node in fragments_in_order(document):
        fragments[node.name.value] = _size_of(node, fragments)
    return [_size_of(node, fragments) for node in document.definitions if isinstance(node, OperationDefinitionNode)]


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


def _size_of(node: Part, fragments: Mapping[str, Size]) -> Size:
    """The size of a definition or of a part of one, its own directives included. An unknown fragment adds nothing."""
    if isinstance(node, FragmentSpreadNode):
        size = fragments.get(node.name.value, Size())
        return size._replace(directives=min(size.directives + len(node.directives or ()), MOST))
    is_field = isinstance(node, FieldNode)
    depth = int(is_field)
    aliases = int(isinstance(node, FieldNode) and node.alias is not None)
    introspects = isinstance(node, FieldNode) and node.name.value in INTROSPECTION
    variables = (node.variable_definitions or ()) if isinstance(node, OperationDefinitionNode) else ()
    directives = sum(len(each.directives or ()) for each in (node, *variables))
    for each in node.selection_set.selections if node.selection_set else ():
        assert isinstance(each, Part)
        part = _size_of(each, fragments)
        depth = max(depth, part.depth + is_field)
        aliases += part.aliases
        directives += part.directives
        introspects |= part.introspects
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
