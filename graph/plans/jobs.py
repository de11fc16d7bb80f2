"""Jobs from rows of the database, with their points, by a plan compiled from the selection."""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import orjson
from graphql import FieldNode, GraphQLObjectType, SelectionSetNode, VariableValues, get_argument_values

from graph.plans.points import PointPlan, moment, plan_points
from graph.plans.rows import Maker, maker, names_in
from graph.plans.selection import Fragments, flat
from models.job import Job
from models.lifecycle import JobStatus, progress_of
from models.points import MAX_READ, after_query, latest_query
from models.store.reader import Reader, Row
from simulator.scenarios import Scenario
from simulator.schedules import Schedule

__all__ = ["SLICE", "JobPlan", "JobReading", "plan_jobs"]

MAX_ROWS = 20_000
"""Points that one answer has at most. More goes the usual way."""
SLICE = 500
"""Points that are made into JSON at once: then others have a turn, for each may have a thousand values."""
MAX_PAGES = 8
"""Selections of points within one of jobs: a short document could ask for thousands, and each is compiled."""

JOB = {
    "__typename": "'Job'",
    "id": "str(id)",
    "name": "name",
    "modelName": "model_name",
    "status": "STATUS[status]",
    "epochs": "epochs",
    "stepsPerEpoch": "steps_per_epoch",
    "totalSteps": "epochs * steps_per_epoch",
    "learningRate": "learning_rate",
    "batchSize": "batch_size",
    "scenario": "SCENARIO[scenario]",
    "schedule": "SCHEDULE[schedule]",
    "seed": "seed",
    "metricCount": "metric_count",
    "progress": "progress_of(status, furthest_step, epochs * steps_per_epoch)",
    "createdAt": "moment(created_at)",
    "updatedAt": "moment(updated_at)",
    "startedAt": "moment(started_at)",
    "finishedAt": "moment(finished_at)",
    "failureReason": "failure_reason",
}
"""Field of a job -> its value from the columns, as the schema's resolver gives it and its scalar serialises it."""
FUNCTIONS: Mapping[str, Any] = {
    "STATUS": {member.value: member.name for member in JobStatus},
    "SCENARIO": {member.value: member.name for member in Scenario},
    "SCHEDULE": {member.value: member.name for member in Schedule},
    "moment": moment,
    "progress_of": progress_of,
}
COLUMNS = tuple(Job._meta.fields_db_projection)  # noqa: SLF001  # no public way
"""Of the table, in the order in which they are read."""


class Points(NamedTuple):
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
    points: tuple[Points, ...]

    def bind(self, variables: VariableValues) -> "JobReading | None":
        """The plan with its arguments; None where they break a rule."""
        pages: list[PageReading] = []
        for node, plan in self.points:
            arguments = get_argument_values(self.type.fields[node.name.value], node, variables)
            page = PageReading(plan, arguments.get("count"), arguments.get("limit", 0), arguments.get("after", 0))
            if not 1 <= page.most <= MAX_READ or page.after < 0:
                return None
            pages.append(page)
        return JobReading(self, pages)


class PageReading(NamedTuple):
    """The points of each job that are asked for: the `last` ones, or the first `limit` beyond `after`."""

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


class JobReading(NamedTuple):
    """A plan with its arguments."""

    plan: JobPlan
    pages: Sequence[PageReading]

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
    fields: dict[str, str] = {}
    points: list[Points] = []
    for name, node in selected.items():
        if node.name.value in JOB:
            fields[name] = JOB[node.name.value]
            continue
        if (
            node.name.value not in {"metrics", "latestMetrics"}
            or node.selection_set is None
            or len(points) >= MAX_PAGES
        ):
            return None
        plan = plan_points(node.selection_set, fragments)
        if plan is None:
            return None
        fields[name] = f"points[{len(points)}][id]"
        points.append(Points(node, plan))
    needed = {
        "id",
        *(("metric_count",) if points else ()),
        *(each for code in fields.values() for each in names_in(code)),
    }
    columns = tuple(column for column in COLUMNS if column in needed)
    return JobPlan(type, columns, maker(fields, columns, FUNCTIONS, also=["points"]), tuple(points))


async def _encoded(make: Maker, rows: Sequence[Row]) -> orjson.Fragment:
    """The JSON list of what is made of the rows."""
    pieces = []
    for begin in range(0, len(rows), SLICE):
        if begin:
            await asyncio.sleep(0)
        pieces.append(orjson.dumps(make(rows[begin : begin + SLICE]))[1:-1])
    return orjson.Fragment(b"[%b]" % b",".join(pieces))
