"""The schema, put together."""

import strawberry
from graphql import GraphQLError
from strawberry.types import ExecutionContext

from graph.schema.masking import MaskUnexpectedErrors, log_unexpected
from graph.schema.mutation import Mutation
from graph.schema.query import Query
from graph.schema.subscription import Subscription

__all__ = ["schema"]


class Schema(strawberry.Schema):
    """Strawberry's, but what a client did wrong is its own business and fills no log."""

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:  # noqa: ARG002  # Strawberry's signature
        """Log what nobody expected."""
        log_unexpected(errors)


schema = Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    extensions=[MaskUnexpectedErrors],
)
