"""Points to JSON by a plan compiled from the selection, without an execution for each point and field.

GraphQL's executor resolves each field of each point; for a replay of 100,000 points that is most of the work. A
selection of plain fields is known beforehand: the plan is the response names, and how to take their values from the
stored point. Anything else (directives, arguments, other types' fragments) has no plan.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, islice, repeat
from math import isfinite
from operator import attrgetter, itemgetter
from typing import Any

import orjson
from graphql import FieldNode, FragmentDefinitionNode, FragmentSpreadNode, InlineFragmentNode, SelectionSetNode

from models.metric import NonFinite, Recorded

__all__ = ["PointEncoder", "compile_points"]

PointEncoder = Callable[[Sequence[Recorded]], str]
"""Stored points -> the JSON list of what is selected of them."""

Column = Callable[[Sequence[Any]], Iterable[Any]]
"""Sources -> the value of one field of each of them."""

Fragments = dict[str, FragmentDefinitionNode]


def _each(getter: Callable[[Any], Any]) -> Column:
    return lambda sources: map(getter, sources)


def _values_of(named: Sequence[tuple[str, float]]) -> Iterable[float | None]:
    return [value if isfinite(value) else None for _, value in named]


def _non_finite_of(named: Sequence[tuple[str, float]]) -> Iterable[str | None]:
    return [None if isfinite(value) else NonFinite.of(value).name for _, value in named]


_POINT: Mapping[str, Column] = {
    "__typename": lambda points: repeat("Metric", len(points)),
    "seq": _each(attrgetter("seq")),
    "step": _each(attrgetter("step")),
    "epoch": _each(attrgetter("epoch")),
    "loss": _each(attrgetter("loss")),
    "accuracy": _each(attrgetter("accuracy")),
    "learningRate": _each(attrgetter("learning_rate")),
    "recordedAt": lambda points: [point.recorded_at.isoformat() for point in points],
}
"""Field of a point -> its values, as the schema's resolver gives them and its scalar serialises them."""

_VALUE: Mapping[str, Column] = {
    "__typename": lambda named: repeat("MetricValue", len(named)),
    "name": _each(itemgetter(0)),
    "value": _values_of,
    "nonFinite": _non_finite_of,
}
"""The same of a point's values, each of which is (name, number)."""


def compile_points(selection: SelectionSetNode, fragments: Fragments) -> PointEncoder | None:
    """The plan for a valid selection of the fields of a point; None where it has none."""
    fields: dict[str, Column] = {}
    if not _collect(selection, fragments, "Metric", _POINT, fields):
        return None

    def encode(points: Sequence[Recorded]) -> str:
        return orjson.dumps(_objects(fields, points)).decode()

    return encode


def _objects(fields: Mapping[str, Column], sources: Sequence[Any]) -> list[dict[str, Any]]:
    """What is selected of each source."""
    columns = [column(sources) for column in fields.values()]
    return [dict(zip(fields, row, strict=True)) for row in zip(*columns, strict=True)]


def _collect(
    selection: SelectionSetNode,
    fragments: Fragments,
    type_name: str,
    columns: Mapping[str, Column],
    fields: dict[str, Column],
) -> bool:
    """Add response name -> column for all that is selected, in order; False where something has no plan."""
    for node in selection.selections:
        if node.directives:
            return False
        if isinstance(node, FieldNode):
            response_name = (node.alias or node.name).value
            if node.name.value == "values" and columns is _POINT:
                # Selected twice, the two selections would be one.
                if node.arguments or response_name in fields or (values := _values(node, fragments)) is None:
                    return False
                fields[response_name] = values
            elif node.name.value in columns:
                fields.setdefault(response_name, columns[node.name.value])
            else:
                return False
            continue
        if isinstance(node, FragmentSpreadNode):
            fragment: FragmentDefinitionNode | InlineFragmentNode = fragments[node.name.value]
        else:
            assert isinstance(node, InlineFragmentNode)
            fragment = node
        condition = fragment.type_condition
        if fragment.directives or (condition is not None and condition.name.value != type_name):
            return False
        if not _collect(fragment.selection_set, fragments, type_name, columns, fields):
            return False
    return True


def _values(node: FieldNode, fragments: Fragments) -> Column | None:
    """What `node` selects of the points' values; None where that has no plan."""
    fields: dict[str, Column] = {}
    assert node.selection_set is not None
    if not _collect(node.selection_set, fragments, "MetricValue", _VALUE, fields):
        return None

    def column(points: Sequence[Recorded]) -> Iterable[list[dict[str, Any]]]:
        # The values of all points at once, then dealt out to each: a point has few, and beginning costs more than they.
        named = [tuple(point.values.items()) for point in points]
        objects = iter(_objects(fields, list(chain.from_iterable(named))))
        return [list(islice(objects, len(each))) for each in named]

    return column
