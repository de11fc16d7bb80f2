"""Queries of jobs and their points, answered by a plan compiled from the document: columns in, JSON out."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    VariableValues,
    get_argument_values,
    get_variable_values,
    located_error,
)
from strawberry.types import ExecutionResult

from graph.execution.results import logged_and_masked
from graph.plans.fields import Fragments, flat
from graph.plans.jobs import JobPlan, plan_jobs
from models.errors import JobNotFound
from models.job_reads import MAX_PAGE, newest_query, one_query
from models.store.errors import StoreFailure
from models.store.statements import Query, Reader
from models.validation import job_id_of

__all__ = ["QueryPlan", "plan_query"]

MAX_ROOTS = 8
"""Fields at the root of a plan: each is compiled, and a short document could have hundreds."""


class Root(NamedTuple):
    """One field at the root."""

    name: str
    """Its name in the response."""
    node: FieldNode
    job: JobPlan | None
    """None for `__typename`."""


class QueryPlan(NamedTuple):
    """How to answer a query."""

    schema: GraphQLSchema
    type: GraphQLObjectType
    operation: OperationDefinitionNode
    roots: Sequence[Root]

    @property
    def is_constant(self) -> bool:
        """Whether it reads nothing of the store."""
        return all(root.job is None for root in self.roots)

    async def read(self, reader: Reader, variables: Mapping[str, Any]) -> ExecutionResult | None:
        """The answer, errors masked; None where arguments are wrong, or others than the plan is made for."""
        definitions = self.operation.variable_definitions or ()
        values = get_variable_values(self.schema, definitions, dict(variables), max_errors=1)
        if isinstance(values, list):
            return None
        data: dict[str, Any] = {}
        errors: list[GraphQLError] = []
        is_null = False
        for name, node, job in self.roots:
            if job is None:
                data[name] = self.type.name
                continue
            is_list = node.name.value == "jobs"
            try:
                query = self._rows(node, job, values)
                path: list[str | int] = [name, 0] if is_list else [name]
                objects = await job.objects(reader, await reader.rows(query), values, path) if query else None
                if objects is None:
                    return None
                data[name] = objects if is_list else next(iter(objects), None)
            except JobNotFound:  # an argument that only its value shows to be wrong
                return None
            except (StoreFailure, GraphQLError) as error:
                located = located_error(error, [node], [name])
                if not isinstance(located.original_error, StoreFailure):  # but an argument
                    return None
                errors.append(located)
                data[name], is_null = None, is_null or is_list
        return ExecutionResult(None if is_null else data, logged_and_masked(errors) if errors else None)

    def _rows(self, node: FieldNode, job: JobPlan, variables: VariableValues) -> Query | None:
        """The query for the rows of `job`, or of the first page of `jobs`; None for other pages."""
        arguments = get_argument_values(self.type.fields[node.name.value], node, variables)
        if node.name.value == "job":
            return one_query(job.columns, job_id_of(arguments["id"]))
        statuses, limit = arguments.get("status"), arguments["limit"]
        others = arguments.get("search"), arguments.get("after"), arguments.get("project")
        if others != (None, None, None) or not 1 <= limit <= MAX_PAGE or (statuses is not None and len(statuses) != 1):
            return None
        return newest_query(job.columns, statuses[0] if statuses else None, limit)


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
