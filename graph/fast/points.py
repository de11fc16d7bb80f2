"""Points to JSON by a plan compiled from the selection, without an execution for each point and field.

GraphQL's executor resolves each field of each point; for a replay of 100,000 points that is most of the work. A
selection of plain fields is known beforehand: the plan is the response names, and how to take their values from the
stored point. Anything else (`values`, directives, other types' fragments) has no plan.
"""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import orjson
from graphql import FieldNode, FragmentDefinitionNode, FragmentSpreadNode, InlineFragmentNode, SelectionSetNode

from models.metric import Recorded

__all__ = ["PointEncoder", "compile_points"]

PointEncoder = Callable[[Sequence[Recorded]], str]
"""Stored points -> the JSON list of what is selected of them."""

_TYPE = "Metric"
_GETTERS: dict[str, Callable[[Recorded], Any]] = {
    "__typename": lambda _: _TYPE,
    "seq": attrgetter("seq"),
    "step": attrgetter("step"),
    "epoch": attrgetter("epoch"),
    "loss": attrgetter("loss"),
    "accuracy": attrgetter("accuracy"),
    "learningRate": attrgetter("learning_rate"),
    "recordedAt": lambda point: point.recorded_at.isoformat(),
}
"""Field -> its value, as the schema's resolver gives it and its scalar serialises it."""


def compile_points(selection: SelectionSetNode, fragments: dict[str, FragmentDefinitionNode]) -> PointEncoder | None:
    """The plan for a valid selection of the fields of a point; None where it has none."""
    fields: dict[str, str] = {}
    if not _collect(selection, fragments, fields):
        return None
    names = tuple(fields)
    getters = tuple(_GETTERS[field] for field in fields.values())

    def encode(points: Sequence[Recorded]) -> str:
        columns = [map(getter, points) for getter in getters]
        return orjson.dumps([dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]).decode()

    return encode


def _collect(selection: SelectionSetNode, fragments: dict[str, FragmentDefinitionNode], fields: dict[str, str]) -> bool:
    """Add response name -> field for all that is selected, in order; False where something has no plan."""
    for node in selection.selections:
        if node.directives:
            return False
        if isinstance(node, FieldNode):
            if node.name.value not in _GETTERS:
                return False
            fields.setdefault((node.alias or node.name).value, node.name.value)
            continue
        if isinstance(node, FragmentSpreadNode):
            fragment: FragmentDefinitionNode | InlineFragmentNode = fragments[node.name.value]
        else:
            assert isinstance(node, InlineFragmentNode)
            fragment = node
        condition = fragment.type_condition
        if fragment.directives or (condition is not None and condition.name.value != _TYPE):
            return False
        if not _collect(fragment.selection_set, fragments, fields):
            return False
    return True
