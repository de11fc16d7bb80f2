"""How deep and how wide operations are, their fragments spread. A document that is not valid is measured all the same:
finding out that it is not would take longer.
"""

from typing import NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from graph.execution.fragments import in_order
from graph.execution.limits import MOST, Limits, beyond

__all__ = ["Measures", "measured", "refusal"]

INTROSPECTION = frozenset({"__schema", "__type"})


class Measures(NamedTuple):
    """Of an operation, or a part of it."""

    depth: int = 0
    aliases: int = 0
    directives: int = 0
    introspects: bool = False


def measured(document: DocumentNode) -> list[Measures]:
    """The measures of each operation."""
    fragments: dict[str, Measures] = {}
    for node in in_order(document):
        fragments[node.name.value] = _selection(node.selection_set, fragments, len(node.directives or ()))
    return [
        _selection(node.selection_set, fragments, _directives(node))
        for node in document.definitions
        if isinstance(node, OperationDefinitionNode)
    ]


def refusal(document: DocumentNode, limits: Limits) -> GraphQLError | None:
    """Why the document is not even validated."""
    for depth, aliases, directives, introspects in measured(document):
        if introspects and not limits.introspection:
            return GraphQLError(
                "This server answers no questions about its schema, `__schema` and `__type` (--no-introspection).",
                extensions={"code": "INTROSPECTION_DISABLED"},
            )
        if depth > limits.max_depth:
            return beyond("max_depth", limits.max_depth, "The operation is {} levels deep", depth)
        if aliases > limits.max_aliases:
            return beyond("max_aliases", limits.max_aliases, "The operation has {} aliases", aliases)
        if directives > limits.max_directives:
            return beyond("max_directives", limits.max_directives, "The operation has {} directives", directives)
    return None


def _directives(operation: OperationDefinitionNode) -> int:
    variables = operation.variable_definitions or ()
    return len(operation.directives or ()) + sum(len(each.directives or ()) for each in variables)


def _selection(selection: SelectionSetNode | None, fragments: dict[str, Measures], directives: int) -> Measures:
    """The measures of a selection; `directives`: those on what it belongs to.

    A fragment that is not measured yet is spread within itself: it adds nothing here, and is refused as not valid.
    """
    depth = aliases = 0
    introspects = False
    for node in selection.selections if selection else ():
        own = len(node.directives or ())
        if isinstance(node, FragmentSpreadNode):
            inner = fragments.get(node.name.value, Measures())
            directives += own
        else:
            assert isinstance(node, FieldNode | InlineFragmentNode)
            inner = _selection(node.selection_set, fragments, own)
        is_field = isinstance(node, FieldNode)
        depth = max(depth, inner.depth + is_field)
        aliases += inner.aliases + (isinstance(node, FieldNode) and node.alias is not None)
        directives += inner.directives
        introspects |= inner.introspects or (isinstance(node, FieldNode) and node.name.value in INTROSPECTION)
    return Measures(depth, min(aliases, MOST), min(directives, MOST), introspects)
