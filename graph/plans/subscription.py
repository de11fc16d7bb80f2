"""The plan of a subscription: what its subscribers share that select the same, whatever else their documents say."""

import re
from typing import NamedTuple

from graphql import (
    FieldNode,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    get_named_type,
    get_nullable_type,
    is_list_type,
    print_ast,
)

from graph.plans.fields import Fragments, Maker
from graph.plans.points import maker_of_points

__all__ = ["SubscriptionPlan", "plan_subscription"]

VARIABLE = re.compile(r"\$(\w+)")


class SubscriptionPlan(NamedTuple):
    """How to share the results of a subscription."""

    response_name: str
    is_list: bool
    """Whether an event is a list of parts, and not a part."""
    selection: str
    """What is selected of each part, as text, with the fragments it uses, and its name in the response."""
    variables: tuple[str, ...]
    """The variables that are used in the selection, and those of the operation that a text in it seems to name."""
    make: Maker | None
    """Makes the objects of a list of points, where their selection has a plan."""


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
    text = "".join(map(print_ast, (root.selection_set, *fragments.values())))
    response_name = (root.alias or root.name).value
    type = schema.subscription_type.fields[root.name.value].type
    is_list, of = is_list_type(get_nullable_type(type)), get_named_type(type)
    assert isinstance(of, GraphQLObjectType)
    return SubscriptionPlan(
        response_name=response_name,
        is_list=is_list,
        selection=f"{response_name}{'[]' if is_list else ''} {text}",
        variables=tuple(sorted({*VARIABLE.findall(text)})),
        make=maker_of_points(of, root.selection_set, fragments) if is_list else None,
    )
