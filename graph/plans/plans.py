"""The plans of documents, compiled at their first use and remembered."""

from typing import NamedTuple

from cachetools import LRUCache
from graphql import (
    FragmentDefinitionNode,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    get_operation_ast,
)

from graph.execution.documents import MAX_REMEMBERED, REMEMBERED, Known, get_to_know
from graph.execution.limits import Limits
from graph.plans.mutation import MutationPlan, plan_mutation
from graph.plans.query import QueryPlan, plan_query
from graph.plans.subscription import SubscriptionPlan, plan_subscription

__all__ = ["Planned", "Plans"]

COMPILERS = {
    OperationType.QUERY: plan_query,
    OperationType.MUTATION: plan_mutation,
    OperationType.SUBSCRIPTION: plan_subscription,
}


class Planned(NamedTuple):
    """An operation that has a plan."""

    document: Known
    operation: OperationDefinitionNode
    plan: QueryPlan | MutationPlan | SubscriptionPlan

    @property
    def name(self) -> str:
        """Of the operation; empty where it has none."""
        return self.operation.name.value if self.operation.name else ""


class Plans:
    """Those of one app."""

    def __init__(self, schema: GraphQLSchema, limits: Limits) -> None:
        self.schema = schema
        self._limits = limits
        self._found: LRUCache[tuple[str, str | None], Planned | None] = LRUCache(REMEMBERED)

    @property
    def remembered(self) -> int:
        """Operations whose plan, or lack of one, is remembered."""
        return len(self._found)

    async def find(self, query: str, name: str | None) -> Planned | None:
        """The operation of that name, or the only one; None where it has no plan."""
        key = query, name
        try:
            return self._found[key]
        except KeyError:
            pass
        if len(query) + len(name or "") > MAX_REMEMBERED:
            return None
        found = await get_to_know(self.schema, self._limits, query)
        planned = self._found[key] = self._compiled(found, name)
        return planned

    def _compiled(self, found: Known, name: str | None) -> Planned | None:
        document = found.valid
        operation = get_operation_ast(document, name) if document else None
        if document is None or operation is None:
            return None
        fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
        plan = COMPILERS[operation.operation](self.schema, operation, fragments)
        return None if plan is None else Planned(found, operation, plan)
