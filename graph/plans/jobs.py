"""Jobs from rows of the database, with their points, by a plan compiled from the selection."""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import orjson
from graphql import (
    FieldNode,
    GraphQLObjectType,
    SelectionSetNode,
    VariableValues,
    get_argument_values,
    get_named_type,
)

from graph.plans.fields import Expression, Fragments, Maker, Shape, flat, leaf
from graph.plans.points import PointPlan, plan_points
from models.points import MAX_READ, after_query, latest_query
from models.store.statements import Reader, Row

__all__ = ["JobPlan", "plan_jobs"]

MAX_ROWS = 20_000
"""The most points in one answer of a plan; Strawberry answers longer ones."""
SLICE = 500
"""Points that are made into JSON in one turn of the loop: each may have a thousand values."""
MAX_PAGES = 8
"""Selections of points within one of jobs: a short document could have thousands, and each is compiled."""


class Page(NamedTuple):
    """A selection of points within one of jobs."""

    node: FieldNode
    plan: PointPlan

    async def read(
        self, reader: Reader, counts: Mapping[int, int], arguments: Mapping[str, int]
    ) -> dict[int, orjson.Fragment]:
        """Job id -> the JSON list of its points; `counts`: job id -> its metric_count."""
        alone = len(counts) == 1
        columns = self.plan.columns if alone else ("job_id", *self.plan.columns)
        if "count" in arguments:
            first, most = 0, arguments["count"]
            query = latest_query(columns, counts.items(), most)
        else:
            first, most = arguments["after"], arguments["limit"]
            query = after_query(columns, counts, first, most)
        is_long = sum(min(most, count - first) for count in counts.values() if count > first) > SLICE
        rows = await reader.rows(query, in_thread=is_long)
        if alone:
            return dict.fromkeys(counts, await _encoded(self.plan.make, rows))
        found = dict.fromkeys(counts, orjson.Fragment(b"[]"))
        for id, those in groupby(rows, itemgetter(0)):
            found[id] = await _encoded(self.plan.make_of_many, list(those))
        return found


class JobPlan(NamedTuple):
    """How to answer a selection of jobs from rows of the database."""

    type: GraphQLObjectType
    columns: tuple[str, ...]
    """What to read of each job."""
    make: Maker
    """Rows of these columns, and for each selection of points job id -> points; gives the objects."""
    pages: tuple[Page, ...]

    async def objects(
        self, reader: Reader, rows: Sequence[Row], variables: VariableValues
    ) -> list[dict[str, Any]] | None:
        """What is selected of the jobs that the rows are; None where arguments break a rule, or request too much.

        Raises GraphQLError where an argument has no value.
        """
        if not self.pages or not rows:
            return self.make(rows, ())
        pages = [
            (page, get_argument_values(self.type.fields[page.node.name.value], page.node, variables))
            for page in self.pages
        ]
        lengths = [given["count"] if "count" in given else given["limit"] for _, given in pages]
        if not all(1 <= length <= MAX_READ for length in lengths) or sum(lengths) * len(rows) > MAX_ROWS:
            return None
        if any(given.get("after", 0) < 0 for _, given in pages):
            return None
        id, count = self.columns.index("id"), self.columns.index("metric_count")
        counts = {row[id]: row[count] for row in rows}
        return self.make(rows, [await page.read(reader, counts, given) for page, given in pages])


def plan_jobs(type: GraphQLObjectType, selection: SelectionSetNode, fragments: Fragments) -> JobPlan | None:
    """The plan for a valid selection of jobs; None where it has none."""
    selected = flat(selection, fragments, type.name)
    if selected is None:
        return None
    shape, pages = Shape(), list[Page]()
    for name, node in selected.items():
        expression = leaf(type, node.name.value)
        if expression is None:
            page = _page(type, node, fragments)
            if page is None or len(pages) == MAX_PAGES:
                return None
            expression = Expression(f"points[{len(pages)}][id]", {"points": None})  # an argument of the maker
            pages.append(page)
        shape.add(name, expression)
    columns = tuple(sorted(shape.columns | {"id"} | ({"metric_count"} if pages else set())))
    return JobPlan(type, columns, shape.maker(columns, also=["points"]), tuple(pages))


def _page(type: GraphQLObjectType, node: FieldNode, fragments: Fragments) -> Page | None:
    of_points = get_named_type(type.fields[node.name.value].type)
    if node.name.value not in {"metrics", "latestMetrics"}:
        return None
    assert isinstance(of_points, GraphQLObjectType)
    assert node.selection_set is not None
    plan = plan_points(of_points, node.selection_set, fragments)
    return None if plan is None else Page(node, plan)


async def _encoded(make: Maker, rows: Sequence[Row]) -> orjson.Fragment:
    """The JSON list of what is made of the rows."""
    pieces = []
    for begin in range(0, len(rows), SLICE):
        if begin:
            await asyncio.sleep(0)
        pieces.append(orjson.dumps(make(rows[begin : begin + SLICE]))[1:-1])
    return orjson.Fragment(b"[%b]" % b",".join(pieces))
