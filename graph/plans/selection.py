"""What a valid document selects of one type, as plans are compiled from it: flat, and without surprises."""

from collections.abc import Collection, Mapping

from graphql import FieldNode, FragmentDefinitionNode, FragmentSpreadNode, InlineFragmentNode, SelectionSetNode

__all__ = ["Fragments", "Selection", "flat"]

Fragments = Mapping[str, FragmentDefinitionNode]
Selection = dict[str, FieldNode]
"""Response name -> the field, in the order in which an answer has them."""


def flat(
    selection: SelectionSetNode, fragments: Fragments, type_name: str, also: Collection[str] = ()
) -> Selection | None:
    """What is selected of an object of the type, which is one of `also` too: its unions and interfaces.

    None where something has no plan: a directive, or two selections that are to become one.
    """
    found: Selection = {}
    return found if _collect(selection, fragments, {type_name, *also}, found, set()) else None


def _collect(
    selection: SelectionSetNode, fragments: Fragments, names: Collection[str], found: Selection, spread: set[str]
) -> bool:
    for node in selection.selections:
        if node.directives:
            return False
        if isinstance(node, FieldNode):
            response_name = (node.alias or node.name).value
            if node.selection_set is not None and response_name in found:
                return False
            found.setdefault(response_name, node)
            continue
        if isinstance(node, FragmentSpreadNode):
            if node.name.value in spread:
                continue  # GraphQL's own rule, without which a short document could double itself many times
            spread.add(node.name.value)
            fragment: FragmentDefinitionNode | InlineFragmentNode = fragments[node.name.value]
        else:
            assert isinstance(node, InlineFragmentNode)
            fragment = node
        if fragment.directives:
            return False
        condition = fragment.type_condition
        if condition is not None and condition.name.value not in names:
            continue  # another member of the union
        if not _collect(fragment.selection_set, fragments, names, found, spread):
            return False
    return True
