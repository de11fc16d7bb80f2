"""The schema, put together."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any

import strawberry
from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    get_operation_ast,
)
from strawberry.extensions import SchemaExtension
from strawberry.schema.schema import StreamResult
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType as AllowedType

from graph.context import Context
from graph.execution.documents import get_to_know
from graph.execution.errors import MaskUnexpectedErrors, log_unexpected, masked
from graph.execution.executor import EventExecutor
from graph.execution.observer import KnownToTheCall
from graph.execution.results import Encoded
from graph.execution.variables import coerced_if_long, declared
from graph.schema.mutation import Mutation
from graph.schema.query import Query
from graph.schema.subscription import Subscription

__all__ = ["schema"]


class KnownDocuments(SchemaExtension):
    """Hands Strawberry the document that is known: one that is valid, so that it is neither parsed nor validated."""

    async def on_parse(self) -> AsyncGenerator[None, None]:
        """Before it is parsed."""
        context = self.execution_context
        if context.query:
            found = await get_to_know(context.schema.graphql, context.context.limits, context.query)  # type: ignore[attr-defined]  # ours
            context.graphql_document, context.pre_execution_errors = found.document, []
        yield


class Schema(strawberry.Schema):
    """Strawberry's, with compiled plans, with limits, and without log entries for what a client did wrong."""

    @property
    def graphql(self) -> GraphQLSchema:
        """The same as graphql-core has it."""
        return self._schema

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:  # noqa: ARG002  # Strawberry's signature
        """Log what was not expected."""
        log_unexpected(errors)

    async def execute(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
        allowed_operation_types: Iterable[AllowedType] | None = None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> ExecutionResult:
        """The result of a query or a mutation: by its plan, where it has one; within its time, and once there is room.

        Raises as Strawberry's where there is no query, or no such operation, or one of a type that is not allowed.
        """
        context: Context = context_value
        allowed = {*(allowed_operation_types or AllowedType)}
        cost = 0
        if query:
            if context.answers is not None:
                may_write = AllowedType.MUTATION in allowed and context.may_write
                answer = await context.answers.answer(query, variable_values, operation_name, may_write=may_write)
                if answer is not None:
                    return Encoded(data=None, errors=None, json=answer.decode())
            prepared = await self._prepared(query, variable_values, context, operation_name, allowed)
            if isinstance(prepared, PreExecutionError):
                return prepared
            variable_values, cost = prepared
        execution = super().execute(
            query, variable_values, context, root_value, operation_name, allowed, operation_extensions
        )
        return await context.operations.run(execution, cost)

    async def stream(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
        operation_extensions: dict[str, Any] | None = None,
        allowed_operation_types: Iterable[AllowedType] | None = None,
    ) -> StreamResult:
        """The results of an operation: of a subscription shared with all who select the same, where that can be."""
        context: Context = context_value
        allowed = {*(allowed_operation_types or AllowedType)}
        if query and context.answers is not None and AllowedType.SUBSCRIPTION in allowed:
            stream = await context.answers.stream(query, variable_values, operation_name, context)
            if stream is not None:
                return stream
        return self._results(query, variable_values, context, root_value, operation_name, operation_extensions, allowed)

    async def _results(
        self,
        query: str | None,
        variables: dict[str, Any] | None,
        context: Context,
        root_value: Any | None,
        name: str | None,
        extensions: dict[str, Any] | None,
        allowed: set[AllowedType],
    ) -> StreamResult:
        """The only result of a query or a mutation, or those of a subscription without a plan."""
        if query:
            found = await get_to_know(self.graphql, context.limits, query)
            operation = get_operation_ast(found.document, name) if found.document else None
            if operation is not None and operation.operation is not OperationType.SUBSCRIPTION:
                if AllowedType(operation.operation.value) in allowed:
                    yield await self.execute(query, variables, context, root_value, name, allowed, extensions)
                    return
            elif operation is not None:
                variables = declared(operation, variables)
            prepared = await self._prepared(query, variables, context, name, allowed)
            if isinstance(prepared, PreExecutionError):
                yield prepared
                return
            variables, _ = prepared
        results = await super().stream(query, variables, context, root_value, name, extensions, allowed)
        async with aclosing(results):
            async for result in results:
                yield result

    async def _prepared(
        self,
        query: str,
        variables: dict[str, Any] | None,
        context: Context,
        name: str | None,
        allowed: set[AllowedType],
    ) -> tuple[dict[str, Any] | None, int] | PreExecutionError:
        """The variables and the cost of an operation that Strawberry is to execute, or why it is refused."""
        found = await get_to_know(self.graphql, context.limits, query)
        errors = [*found.errors]
        operation = get_operation_ast(found.document, name) if found.document else None
        if operation is not None and found.document is not None:
            if AllowedType(operation.operation.value) not in allowed:
                return variables, 0  # Strawberry raises
            if not errors:
                refusal = _not_allowed(context, operation) or found.too_costly(name, variables)
                errors = [refusal] if refusal else []
            if not errors:
                try:
                    coerced = await coerced_if_long(self.graphql, context.limits, found.document, name, variables or {})
                except GraphQLError as error:
                    errors = [error]
                else:
                    return coerced, found.cost(name, variables)
        elif found.document is not None:
            if name is not None or not _has_operations(found.document):
                return variables, 0  # Strawberry raises
            # Strawberry would run the first.
            errors = [GraphQLError("Must provide operation name if query contains multiple operations.")]
        self.process_errors(errors)
        return PreExecutionError(data=None, errors=masked(errors))


def _not_allowed(context: Context, operation: OperationDefinitionNode) -> GraphQLError | None:
    """Why the operation is refused to a caller who may only read, over whatever transport it came."""
    if operation.operation is not OperationType.MUTATION or context.may_write:
        return None
    assert context.caller is not None
    refusal = context.caller.refusal()
    return GraphQLError(str(refusal), extensions={"code": refusal.code})


def _has_operations(document: DocumentNode) -> bool:
    return any(isinstance(node, OperationDefinitionNode) for node in document.definitions)


schema = Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    extensions=[KnownDocuments, MaskUnexpectedErrors, KnownToTheCall],
    execution_context_class=EventExecutor,
)
