"""The schema, put together."""

from collections.abc import Iterable
from typing import Any

import strawberry
from graphql import GraphQLError
from strawberry.schema.schema import StreamResult
from strawberry.types import ExecutionContext
from strawberry.types.graphql import OperationType

from graph.fast.documents import MAX_REMEMBERED
from graph.live.delivery import deliver, plan_of
from graph.schema.masking import MaskUnexpectedErrors, log_unexpected, masked
from graph.schema.mutation import Mutation
from graph.schema.operations import EventExecutor, KnownDocuments, OneOperation
from graph.schema.query import Query
from graph.schema.subscription import Subscription
from graph.schema.watching import KnownToTheCall
from graph.telemetry.call import current_call

__all__ = ["schema"]


class Schema(strawberry.Schema):
    """Strawberry's, with shared delivery, and without log entries for what a client did wrong."""

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:  # noqa: ARG002  # Strawberry's signature
        """Log what nobody expected."""
        log_unexpected(errors)

    async def stream(  # Strawberry's signature
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
        operation_extensions: dict[str, Any] | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
    ) -> StreamResult:
        """The results of an operation: of a subscription shared with all who select the same, where that can be."""
        # A plan is remembered with its document and its name, so long ones go without.
        short = query is not None and len(query) + len(operation_name or "") <= MAX_REMEMBERED
        plan = plan_of(self._schema, query, operation_name) if query and short else None
        if plan is not None:
            if call := current_call():
                call.know(plan.operation, "subscription")
            return deliver(
                self._schema,
                self.execution_context_class,
                plan,
                operation_name,
                variable_values,
                context_value,
                self._told,
            )
        return await super().stream(
            query,
            variable_values,
            context_value,
            root_value,
            operation_name,
            operation_extensions,
            allowed_operation_types,
        )

    def _told(self, errors: list[GraphQLError]) -> list[GraphQLError]:
        self.process_errors(errors)
        return masked(errors)


schema = Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    extensions=[MaskUnexpectedErrors, OneOperation, KnownDocuments, KnownToTheCall],
    execution_context_class=EventExecutor,
)
