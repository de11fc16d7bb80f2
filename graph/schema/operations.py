"""How operations are executed, where GraphQL's libraries leave something to be desired."""

from collections.abc import Iterator
from typing import Any

from graphql import Executor, GraphQLError, OperationDefinitionNode
from strawberry.extensions import SchemaExtension
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types.graphql import OperationType

from graph.access.caller import Caller
from graph.fast.documents import valid_document

__all__ = ["EventExecutor", "KnownDocuments", "Numbers", "OneOperation", "WritersOnly"]


class KnownDocuments(SchemaExtension):
    """Takes documents that were met before as they were parsed and validated then."""

    def on_parse(self) -> Iterator[None]:
        """Before the document is parsed."""
        context = self.execution_context
        if context.query:
            context.graphql_document = valid_document(context.schema._schema, context.query)  # noqa: SLF001  # as Strawberry's own extensions
        yield

    def on_validate(self) -> Iterator[None]:
        """Before the document is validated."""
        context = self.execution_context
        if context.pre_execution_errors is None and context.query:
            known = valid_document(context.schema._schema, context.query)  # noqa: SLF001  # as above
            if known is not None and known is context.graphql_document:
                context.pre_execution_errors = []
        yield


class Numbers(list[Any]):
    """Numbers that are known to be what the schema says of them, so that they are not looked at one by one."""


class OneOperation(SchemaExtension):
    """Refuses a document with several operations where the request names none: Strawberry would run the first."""

    def on_validate(self) -> Iterator[None]:
        """Before the document is validated."""
        context = self.execution_context
        document = context.graphql_document
        operations = (
            [node for node in document.definitions if isinstance(node, OperationDefinitionNode)] if document else ()
        )
        if len(operations) > 1 and context._provided_operation_name is None:  # noqa: SLF001  # else it names the first
            context.pre_execution_errors = [
                GraphQLError("Must provide operation name if query contains multiple operations.")
            ]
        yield


class WritersOnly(SchemaExtension):
    """Refuses a mutation to callers who may only read, whatever way it came."""

    def on_validate(self) -> Iterator[None]:
        """Before the document is validated."""
        context = self.execution_context
        caller: Caller = context.context.caller
        if not caller.may_write and context.operation_type is OperationType.MUTATION:
            refusal = caller.refusal()
            context.pre_execution_errors = [GraphQLError(str(refusal), extensions={"code": refusal.code})]
        yield


class EventExecutor(StrawberryGraphQLCoreExecutionContext):
    """Executes each event of a subscription with a memory of its own.

    graphql-core remembers the sub-fields of each value that it has resolved, by its identity in memory, and shares this
    among the events of a stream: it would grow for as long as the stream is open.
    """

    def build_per_event_executor(self, payload: Any) -> Executor[Any]:
        """The executor of one event."""
        executor = super().build_per_event_executor(payload)
        executor._relevant_sub_fields = {}  # noqa: SLF001  # no public way
        return executor

    def complete_list_value(self, return_type: Any, *args: Any) -> Any:
        """The list of a field as it is answered; `args` end with what the resolver gave, and a place in a stream."""
        result = args[-2]
        return result if isinstance(result, Numbers) else super().complete_list_value(return_type, *args)
