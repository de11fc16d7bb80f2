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

from graph.plans.fields import Expression, leaf
from graph.plans.points import PointPlan, plan_points
from graph.plans.rows import Maker, Shape
from graph.plans.selection import Fragments, flat
from models.points import MAX_READ, after_query, latest_query
from models.store.reader import Reader, Row

__all__ = ["SLICE", "BoundJob", "JobPlan", "plan_jobs"]

MAX_ROWS = 20_000
"""The most points in one answer of a plan; Strawberry answers longer ones."""
SLICE = 500
"""Points that are made into JSON in one turn of the loop: each may have a thousand values."""
MAX_PAGES = 8
"""Selections of points within one of jobs: a short document could have thousands, and each is compiled."""


class PageOfPoints(NamedTuple):
    """A selection of points within one of jobs."""

    node: FieldNode
    plan: PointPlan


class JobPlan(NamedTuple):
    """How to answer a selection of jobs from rows of the database."""

    type: GraphQLObjectType
    columns: tuple[str, ...]
    """What to read of each job."""
    make: Maker
    """Rows of these columns, and for each selection of points job id -> points; gives the objects."""
    pages: tuple[PageOfPoints, ...]

    def bind(self, variables: VariableValues) -> "BoundJob | None":
        """The plan with its arguments; None where they break a rule."""
        pages: list[BoundPage] = []
        for node, plan in self.pages:
            arguments = get_argument_values(self.type.fields[node.name.value], node, variables)
            page = BoundPage(plan, arguments.get("count"), arguments.get("limit", 0), arguments.get("after", 0))
            if not 1 <= page.most <= MAX_READ or page.after < 0:
                return None
            pages.append(page)
        return BoundJob(self, pages)


class BoundPage(NamedTuple):
    """The points to read of each job: the `last` ones, or the first `limit` beyond `after`."""

    plan: PointPlan
    last: int | None
    limit: int
    after: int

    @property
    def most(self) -> int:
        """The most points of one job."""
        return self.limit if self.last is None else self.last

    async def read(self, reader: Reader, counts: Mapping[int, int]) -> dict[int, orjson.Fragment]:
        """Job id -> the JSON list of its points; `counts`: job id -> its metric_count."""
        alone = len(counts) == 1
        columns = self.plan.columns if alone else ("job_id", *self.plan.columns)
        if self.last is None:
            query = after_query(columns, counts, self.after, self.limit)
        else:
            query = latest_query(columns, counts.items(), self.last)
        rows = await reader.rows(query)
        if alone:
            return dict.fromkeys(counts, await _encoded(self.plan.make, rows))
        found = dict.fromkeys(counts, orjson.Fragment(b"[]"))
        for id, those in groupby(rows, itemgetter(0)):
            found[id] = await _encoded(self.plan.make_of_many, list(those))
        return found


class BoundJob(NamedTuple):
    """A plan with its arguments."""

    plan: JobPlan
    pages: Sequence[BoundPage]

    @property
    def columns(self) -> tuple[str, ...]:
        """What to read of each job."""
        return self.plan.columns

    @property
    def most(self) -> int:
        """The most points of one job."""
        return sum(page.most for page in self.pages)

    async def objects(self, reader: Reader, rows: Sequence[Row]) -> list[dict[str, Any]] | None:
        """What is selected of the jobs that the rows are; None where that is too much at once."""
        if not self.pages or not rows:
            return self.plan.make(rows, ())
        if self.most * len(rows) > MAX_ROWS:
            return None
        id, count = self.columns.index("id"), self.columns.index("metric_count")
        counts = {row[id]: row[count] for row in rows}
        return self.plan.make(rows, [await page.read(reader, counts) for page in self.pages])


def plan_jobs(type: GraphQLObjectType, selection: SelectionSetNode, fragments: Fragments) -> JobPlan | None:
    """The plan for a valid selection of jobs; None where it has none."""
    selected = flat(selection, fragments, type.name)
    if selected is None:
        return None
    shape, pages = Shape(), list[PageOfPoints]()
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


def _page(type: GraphQLObjectType, node: FieldNode, fragments: Fragments) -> PageOfPoints | None:
    of_points = get_named_type(type.fields[node.name.value].type)
    if node.name.value not in {"metrics", "latestMetrics"}:
        return None
    assert isinstance(of_points, GraphQLObjectType)
    assert node.selection_set is not None
    plan = plan_points(of_points, node.selection_set, fragments)
    return None if plan is None else PageOfPoints(node, plan)


async def _encoded(make: Maker, rows: Sequence[Row]) -> orjson.Fragment:
    """The JSON list of what is made of the rows."""
    pieces = []
    for begin in range(0, len(rows), SLICE):
        if begin:
            await asyncio.sleep(0)
        pieces.append(orjson.dumps(make(rows[begin : begin + SLICE]))[1:-1])
    return orjson.Fragment(b"[%b]" % b",".join(pieces))
