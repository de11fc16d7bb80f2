"""Points to JSON by a plan compiled from the selection, without an execution for each point and field.

GraphQL's executor resolves each field of each point; for a replay of 100,000 points that is most of the work. A
selection of plain fields is known beforehand: which columns it needs, and what an object is made of. Anything else
(directives, arguments, fragments that meet) has no plan.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from graphql import FieldNode, GraphQLObjectType, SelectionSetNode, get_named_type

from graph.plans.fields import Expression, Fragments, Maker, Shape, flat, leaf, shape_of
from models.metric import Recorded, decode_values

__all__ = ["PointPlan", "maker_of_points", "plan_points"]

Named = Callable[[Any], Iterable[tuple[str, float]]]
"""What a row has for the values of a point -> their names and numbers."""


class PointPlan(NamedTuple):
    """How to answer a selection of points from rows of the database."""

    columns: tuple[str, ...]
    """What to read of each point; at least one."""
    make: Maker
    """Rows of these columns -> the objects that are selected."""
    make_of_many: Maker
    """The same, of rows that begin with the job's id."""


def maker_of_points(type: GraphQLObjectType, selection: SelectionSetNode, fragments: Fragments) -> Maker | None:
    """The maker of what is selected of points in memory; None where it has no plan."""
    shape = _shape(type, selection, fragments, lambda values: values.items())
    return None if shape is None else shape.maker(Recorded._fields)


def plan_points(type: GraphQLObjectType, selection: SelectionSetNode, fragments: Fragments) -> PointPlan | None:
    """The plan for points in the database, for a valid selection; None where it has none."""
    shape = _shape(type, selection, fragments, lambda text: decode_values(text).items())
    if shape is None:
        return None
    columns = tuple(sorted(shape.columns)) or ("seq",)
    return PointPlan(columns, shape.maker(columns), shape.maker(("job_id", *columns)))


def _shape(type: GraphQLObjectType, selection: SelectionSetNode, fragments: Fragments, named: Named) -> Shape | None:
    selected = flat(selection, fragments, type.name)
    if selected is None:
        return None
    return shape_of(selected, lambda _, node: leaf(type, node.name.value) or _values(type, node, fragments, named))


def _values(type: GraphQLObjectType, node: FieldNode, fragments: Fragments, named: Named) -> Expression | None:
    of_value = get_named_type(type.fields[node.name.value].type)
    assert isinstance(of_value, GraphQLObjectType)
    assert node.selection_set is not None
    selected = None if node.arguments else flat(node.selection_set, fragments, of_value.name)
    if selected is None:
        return None
    shape = shape_of(selected, lambda _, field: leaf(of_value, field.name.value))
    assert shape is not None
    value = shape.expression()
    return Expression(f"[{value.code} for name, value in named(values)]", {**value.functions, "named": named})
