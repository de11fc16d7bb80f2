"""Queries of jobs and their points, answered by a plan compiled from the document: columns in, JSON out."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from graphql import (
    FieldNode,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    VariableValues,
    get_argument_values,
    get_variable_values,
)

from graph.plans.jobs import SLICE, BoundJob, JobPlan, plan_jobs
from graph.plans.selection import Fragments, flat
from models.errors import JobNotFound
from models.job_reads import one_query
from models.listing import MAX_PAGE, newest_query
from models.store.reader import Query, Reader
from models.validation import job_id_of

__all__ = ["BoundQuery", "QueryPlan", "plan_query"]

MAX_ROOTS = 8
"""Fields at the root of a plan: each is compiled, and a short document could have hundreds."""


class BoundRoot(NamedTuple):
    """`job`, or the first page of `jobs`, with its arguments."""

    job: BoundJob
    query: Query
    """For the rows of the jobs."""
    is_list: bool
    most: int
    """The most points that it reads."""

    async def read(self, reader: Reader) -> list[Any] | None:
        """Its value, in a list; None where it has no plan after all."""
        objects: list[Any] | None = await self.job.objects(reader, await reader.rows(self.query))
        if objects is None:
            return None
        return [objects] if self.is_list else objects or [None]


class BoundQuery(NamedTuple):
    """A plan with its arguments."""

    roots: Sequence[tuple[str, BoundRoot | str]]
    """By their names in the response; `__typename` is a text."""

    @property
    def is_long(self) -> bool:
        """Whether it is answered in several turns of the loop."""
        return any(isinstance(root, BoundRoot) and root.most > SLICE for _, root in self.roots)

    async def read(self, reader: Reader) -> dict[str, Any] | None:
        """The data of the answer; None where it has no plan after all."""
        data: dict[str, Any] = {}
        for name, root in self.roots:
            read = [root] if isinstance(root, str) else await root.read(reader)
            if read is None:
                return None
            (data[name],) = read
        return data


class Root(NamedTuple):
    """One field at the root."""

    name: str
    """Its name in the response."""
    node: FieldNode
    job: JobPlan | None


class QueryPlan(NamedTuple):
    """How to answer a query."""

    schema: GraphQLSchema
    type: GraphQLObjectType
    operation: OperationDefinitionNode
    roots: Sequence[Root]

    def bind(self, variables: Mapping[str, Any]) -> BoundQuery | None:
        """The plan with its arguments; None where they are wrong, or others than it is made for."""
        definitions = self.operation.variable_definitions or ()
        values = get_variable_values(self.schema, definitions, dict(variables), max_errors=1)
        if isinstance(values, list):
            return None
        roots: list[tuple[str, BoundRoot | str]] = []
        for root in self.roots:
            bound = self._bound(root, values)
            if bound is None:
                return None
            roots.append((root.name, bound))
        return BoundQuery(roots)

    def _bound(self, root: Root, variables: VariableValues) -> BoundRoot | str | None:
        if root.job is None:
            return self.type.name
        job = root.job.bind(variables)
        if job is None:
            return None
        arguments = get_argument_values(self.type.fields[root.node.name.value], root.node, variables)
        if root.node.name.value == "job":
            try:
                return BoundRoot(job, one_query(job.columns, job_id_of(arguments["id"])), is_list=False, most=job.most)
            except JobNotFound:
                return None
        statuses, limit = arguments.get("status"), arguments["limit"]
        others = arguments.get("search"), arguments.get("after")
        if others != (None, None) or not 1 <= limit <= MAX_PAGE or (statuses is not None and len(statuses) != 1):
            return None
        query = newest_query(job.columns, statuses[0] if statuses else None, limit)
        return BoundRoot(job, query, is_list=True, most=limit * job.most)


def plan_query(schema: GraphQLSchema, operation: OperationDefinitionNode, fragments: Fragments) -> QueryPlan | None:
    """The plan for a query of a valid document; None where it has none."""
    type, job_type = schema.query_type, schema.get_type("Job")
    assert type is not None
    assert isinstance(job_type, GraphQLObjectType)
    selected = flat(operation.selection_set, fragments, type.name)
    if selected is None or operation.directives or len(selected) > MAX_ROOTS:
        return None
    roots: list[Root] = []
    for name, node in selected.items():
        plan = None
        if node.name.value != "__typename":
            if node.name.value not in {"job", "jobs"} or node.selection_set is None:
                return None
            plan = plan_jobs(job_type, node.selection_set, fragments)
            if plan is None:
                return None
        roots.append(Root(name, node, plan))
    return QueryPlan(schema, type, operation, roots)
