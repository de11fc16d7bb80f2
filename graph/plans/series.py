"""The series of jobs to JSON by a plan compiled from the selection, from what is known of each name."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from operator import attrgetter
from typing import Any, NamedTuple, cast

import orjson
from graphql import FieldNode, GraphQLObjectType, get_named_type

from graph.plans.fields import Expression, Fragments, Maker, flat, leaf, made_from, shape_of
from models.series import MOST_SERIES, Place, Series, count_series, read_series
from models.store.statements import Reader, Row
from models.validation import series_names

__all__ = ["SeriesPage", "plan_series"]

SLICE = 50
"""Jobs whose series are made into JSON in one turn of the loop."""


class SeriesPage(NamedTuple):
    """A selection of series within one of jobs."""

    node: FieldNode
    row: Callable[[Series], Row]
    make: Maker
    """Such rows -> the objects that are selected."""

    async def read(
        self, reader: Reader, job_ids: Collection[int], arguments: Mapping[str, Any]
    ) -> dict[int, orjson.Fragment] | None:
        """Job id -> the JSON list of its series; None where there are too many to be read at once."""
        names = arguments.get("names")
        if names is None and len(job_ids) > 1 and await count_series(reader, [*job_ids]) > MOST_SERIES:
            return None
        found = await read_series(reader, [*job_ids], None if names is None else series_names(names))
        made = {}
        for number, (id, series) in enumerate(found.items(), 1):
            made[id] = orjson.Fragment(orjson.dumps(self.make(map(self.row, series))))
            if number % SLICE == 0:
                await asyncio.sleep(0)
        return made


def plan_series(type: GraphQLObjectType, node: FieldNode, fragments: Fragments) -> SeriesPage | None:
    """The plan for a selection of series, which are of this type; None where it has none."""
    assert node.selection_set is not None
    selected = flat(node.selection_set, fragments, type.name)
    if selected is None:
        return None
    shape = shape_of(selected, lambda _, each: leaf(type, each.name.value) or _place(type, each, fragments))
    if shape is None:
        return None
    columns = tuple(sorted(shape.columns | {"job_id", "name"}))  # of two or more, attrgetter makes a tuple
    return SeriesPage(node, cast("Callable[[Series], Row]", attrgetter(*columns)), shape.maker(columns))


def _place(type: GraphQLObjectType, node: FieldNode, fragments: Fragments) -> Expression | None:
    """What makes the object of a field that is one point of the series."""
    of = get_named_type(type.fields[node.name.value].type)
    place = made_from(type, node.name.value)
    assert isinstance(of, GraphQLObjectType)
    assert node.selection_set is not None
    assert place is not None
    selected = flat(node.selection_set, fragments, of.name)
    shape = None if selected is None else shape_of(selected, lambda _, each: leaf(of, each.name.value))
    if shape is None:
        return None
    made = shape.expression()
    unpacked = ", ".join(Place._fields)
    return Expression(f"[{made.code} for ({unpacked}) in ({place.code},)][0] if {place.code} else None", made.functions)
