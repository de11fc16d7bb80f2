"""How operations are executed, where GraphQL's libraries leave something to be desired."""

from typing import Any

from graphql import Executor, GraphQLError
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

__all__ = ["EventExecutor", "Numbers"]


class Numbers(list[Any]):
    """Numbers that are known to be what the schema says of them, so that they are not looked at one by one."""


class EventExecutor(StrawberryGraphQLCoreExecutionContext):
    """Executes each event of a subscription with a memory of its own, and suggests names only where that is wanted.

    graphql-core remembers the sub-fields of each value that it has resolved, by its identity in memory, and shares this
    among the events of a stream: it would grow for as long as the stream is open.
    """

    @classmethod
    def build(cls, *args: Any, **options: Any) -> "list[GraphQLError] | Executor[Any]":
        """The executor of an operation, or why its variables are refused."""
        context = args[3] if len(args) > 3 else options["context_value"]  # graphql-core's signature
        options["hide_suggestions"] = not context.limits.suggestions
        return super().build(*args, **options)

    def build_per_event_executor(self, payload: Any) -> Executor[Any]:
        """The executor of one event."""
        executor = super().build_per_event_executor(payload)
        executor._relevant_sub_fields = {}  # noqa: SLF001  # no public way
        return executor

    def complete_list_value(self, return_type: Any, *args: Any) -> Any:
        """The list of a field as it is answered; `args` end with what the resolver gave, and a place in a stream."""
        result = args[-2]
        return result if isinstance(result, Numbers) else super().complete_list_value(return_type, *args)
