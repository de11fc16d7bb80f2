"""The plan of a subscription: what its subscribers share that select the same, whatever else their documents say."""

from typing import Any, NamedTuple

from graphql import (
    FieldNode,
    GraphQLObjectType,
    GraphQLSchema,
    Node,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    get_named_type,
    get_nullable_type,
    is_list_type,
    print_ast,
    visit,
)

from graph.plans.points import PointEncoder, encoder_of_points
from graph.plans.selection import Fragments

__all__ = ["SubscriptionPlan", "plan_subscription"]


class SubscriptionPlan(NamedTuple):
    """How to share the results of a subscription."""

    response_name: str
    is_list: bool
    """Whether an event is a list of parts, and not a part."""
    selection: str
    """What is selected of each part, as text, with the fragments it uses, and its name in the response."""
    variables: tuple[str, ...]
    """The variables that are used in the selection."""
    encode_points: PointEncoder | None
    """The compiled encoder of a list of points, for a selection that has one."""


def plan_subscription(
    schema: GraphQLSchema, operation: OperationDefinitionNode, fragments: Fragments
) -> SubscriptionPlan | None:
    """The plan for a subscription of a valid document; None where it has none.

    It has one where it is one plain field at the root: directives and fragments there may mean anything.
    """
    root = operation.selection_set.selections[0]
    if operation.directives or len(operation.selection_set.selections) > 1:
        return None
    if not isinstance(root, FieldNode) or root.directives or root.selection_set is None:
        return None
    assert schema.subscription_type is not None
    selected = (root.selection_set, *fragments.values())
    response_name = (root.alias or root.name).value
    type = schema.subscription_type.fields[root.name.value].type
    is_list, of = is_list_type(get_nullable_type(type)), get_named_type(type)
    assert isinstance(of, GraphQLObjectType)
    return SubscriptionPlan(
        response_name=response_name,
        is_list=is_list,
        selection=f"{response_name}{'[]' if is_list else ''} {''.join(map(print_ast, selected))}",
        variables=tuple(sorted({name for node in selected for name in _variables_in(node)})),
        encode_points=encoder_of_points(of, root.selection_set, fragments) if is_list else None,
    )


def _variables_in(node: Node) -> set[str]:
    """The names of the variables that a part of a document uses."""
    names: set[str] = set()

    class Collector(Visitor):
        def enter_variable(self, variable: VariableNode, *_: Any) -> None:
            names.add(variable.name.value)

    visit(node, Collector())
    return names
