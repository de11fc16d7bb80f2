"""The schema, put together."""

from collections.abc import AsyncGenerator, Iterable
from typing import Any

import strawberry
from graphql import GraphQLError
from strawberry.schema.schema import StreamResult
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.graphql import OperationType

from graph.live.delivery import Plan, deliver, plan_of
from graph.schema.masking import MaskUnexpectedErrors, log_unexpected, masked
from graph.schema.mutation import Mutation
from graph.schema.query import Query
from graph.schema.subscription import Subscription

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
        context_value: Any | None = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
        operation_extensions: dict[str, Any] | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
    ) -> StreamResult:
        """The results of an operation: of a subscription shared with all who select the same, where that can be."""
        plan = plan_of(self._schema, query, operation_name) if query else None
        if plan is not None:
            return self._delivered(plan, operation_name, variable_values, context_value)
        return await super().stream(
            query,
            variable_values,
            context_value,
            root_value,
            operation_name,
            operation_extensions,
            allowed_operation_types,
        )

    async def _delivered(
        self, plan: Plan, operation_name: str | None, variables: dict[str, Any] | None, context: Any
    ) -> AsyncGenerator[ExecutionResult, None]:
        try:
            async for result in deliver(self._schema, plan, operation_name, variables, context, context.parts):
                if result.errors:
                    self.process_errors(result.errors)
                    result.errors = masked(result.errors)
                yield result
        except Exception as error:  # noqa: BLE001  # masked and logged, as Strawberry has it
            errors = [GraphQLError(str(error), original_error=error)]
            self.process_errors(errors)
            yield ExecutionResult(data=None, errors=masked(errors))


schema = Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    extensions=[MaskUnexpectedErrors],
)
