"""The fragments of a document that may be wrong in every way but its grammar."""

from collections.abc import Iterator

from graphql import DocumentNode, FragmentDefinitionNode, FragmentSpreadNode, SelectionSetNode

__all__ = ["in_order"]


def in_order(document: DocumentNode) -> list[FragmentDefinitionNode]:
    """The fragments, each after those that it spreads; of a cycle, one is before what it spreads.

    Not by recursion: a chain of fragments may be longer than Python's stack, where what a definition nests may not.
    """
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    ordered: dict[str, FragmentDefinitionNode] = {}
    met: set[str] = set()
    for first in fragments:
        path = [(first, _spreads(fragments[first].selection_set))] if first not in met else []
        met.add(first)
        while path:
            name, spreads = path[-1]
            following = next((spread for spread in spreads if spread in fragments and spread not in met), None)
            if following is None:
                path.pop()
                ordered[name] = fragments[name]
            else:
                met.add(following)
                path.append((following, _spreads(fragments[following].selection_set)))
    return list(ordered.values())


def _spreads(selection: SelectionSetNode) -> Iterator[str]:
    for node in selection.selections:
        if isinstance(node, FragmentSpreadNode):
            yield node.name.value
        elif node.selection_set is not None:  # type: ignore[attr-defined]  # a field or an inline fragment: both have it
            yield from _spreads(node.selection_set)  # type: ignore[attr-defined]  # as above
