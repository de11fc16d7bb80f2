"""Jobs and their points to JSON by a plan compiled from the selection, from rows of the database or from memory.

GraphQL's executor resolves each field of each point; for a replay of 100,000 points that is most of the work. Only
plain fields have a plan: no directives, arguments or fragments that meet.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    located_error,
)

from graph.plans.fields import Expression, Fragments, Maker, Shape, flat, inner, leaf, shape_of
from graph.plans.series import SeriesPage, plan_series
from models.metric import Recorded, decode_values
from models.points import MAX_READ, after_query, latest_query
from models.store.errors import StoreFailure
from models.store.statements import Reader, Row

__all__ = ["JobPlan", "maker_of_points", "plan_jobs"]

MAX_ROWS = 20_000
"""The most points in one answer of a plan; Strawberry answers longer ones."""
SLICE = 500
"""Points that are made into JSON in one turn of the loop: each may have a thousand values."""
MAX_PAGES = 8
"""Selections of points and series within one of jobs: a short document could have thousands, each to be compiled."""

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
    """Rows of these columns, and for each page job id -> its list; gives the objects."""
    pages: tuple[Page | SeriesPage, ...]

    async def objects(
        self, reader: Reader, rows: Sequence[Row], variables: VariableValues, path: Sequence[str | int]
    ) -> list[dict[str, Any]] | None:
        """What is selected of the jobs that the rows are; None where arguments break a rule, or request too much.

        Raises GraphQLError where an argument has no value, and with a path, below `path`, where points cannot be read.
        """
        if not self.pages or not rows:
            return self.make(rows, ())
        pages = [
            (page, get_argument_values(self.type.fields[page.node.name.value], page.node, variables))
            for page in self.pages
        ]
        of_points = [given for page, given in pages if isinstance(page, Page)]
        lengths = [given["count"] if "count" in given else given["limit"] for given in of_points]
        if not all(1 <= length <= MAX_READ for length in lengths) or sum(lengths) * len(rows) > MAX_ROWS:
            return None
        if any(given.get("after", 0) < 0 for given in of_points):
            return None
        id, count = self.columns.index("id"), self.columns.index("metric_count")
        counts = {row[id]: row[count] for row in rows}
        lists = []
        for page, given in pages:
            try:
                read = await page.read(reader, counts, given)
            except StoreFailure as error:
                response_name = (page.node.alias or page.node.name).value
                raise located_error(error, [page.node], [*path, response_name]) from error
            if read is None:
                return None
            lists.append(read)
        return self.make(rows, lists)


def plan_jobs(type: GraphQLObjectType, selection: SelectionSetNode, fragments: Fragments) -> JobPlan | None:
    """The plan for a valid selection of jobs; None where it has none."""
    selected = flat(selection, fragments, type.name)
    if selected is None:
        return None
    shape, pages = Shape(), list[Page | SeriesPage]()
    for name, node in selected.items():
        expression = leaf(type, node.name.value) or inner(type, node, fragments)
        if expression is None:
            page = _page(type, node, fragments)
            if page is None or len(pages) == MAX_PAGES:
                return None
            expression = Expression(f"lists[{len(pages)}][id]", {"lists": None})  # an argument of the maker
            pages.append(page)
        shape.add(name, expression)
    columns = tuple(sorted(shape.columns | {"id"} | ({"metric_count"} if pages else set())))
    return JobPlan(type, columns, shape.maker(columns, also=["lists"]), tuple(pages))


def _page(type: GraphQLObjectType, node: FieldNode, fragments: Fragments) -> Page | SeriesPage | None:
    of = get_named_type(type.fields[node.name.value].type)
    if node.name.value not in {"metrics", "latestMetrics", "series"}:
        return None
    assert isinstance(of, GraphQLObjectType)
    assert node.selection_set is not None
    if node.name.value == "series":
        return plan_series(of, node, fragments)
    plan = plan_points(of, node.selection_set, fragments)
    return None if plan is None else Page(node, plan)


async def _encoded(make: Maker, rows: Sequence[Row]) -> orjson.Fragment:
    """The JSON list of what is made of the rows."""
    pieces = []
    for begin in range(0, len(rows), SLICE):
        if begin:
            await asyncio.sleep(0)
        pieces.append(orjson.dumps(make(rows[begin : begin + SLICE]))[1:-1])
    return orjson.Fragment(b"[%b]" % b",".join(pieces))


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
