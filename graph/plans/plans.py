"""The plans of documents, compiled at their first use."""

from typing import NamedTuple

from graphql import (
    FragmentDefinitionNode,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
)

from graph.execution.documents import Document, Documents
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

    document: Document
    operation: OperationDefinitionNode
    plan: QueryPlan | MutationPlan | SubscriptionPlan

    @property
    def name(self) -> str:
        """Of the operation; empty where it has none."""
        return self.operation.name.value if self.operation.name else ""


class Plans:
    """Those of one app, each kept with its document."""

    def __init__(self, schema: GraphQLSchema, documents: Documents) -> None:
        self._schema = schema
        self._documents = documents

    async def find(self, query: str, name: str | None) -> Planned | None:
        """The operation of that name, or the only one; None where it has no plan."""
        return self.of(await self._documents.get(query), name)

    def of(self, document: Document, name: str | None) -> Planned | None:
        """The same for a document that is there."""
        if name in document.compiled:
            found: Planned | None = document.compiled[name]
            return found
        node, operation = document.valid, document.operation(name)
        if node is None or operation is None:
            return None
        fragments = {each.name.value: each for each in node.definitions if isinstance(each, FragmentDefinitionNode)}
        plan = COMPILERS[operation.operation](self._schema, operation, fragments)
        planned = document.compiled[name] = None if plan is None else Planned(document, operation, plan)
        return planned
