"""The schema, put together, and how its operations are executed."""

from collections.abc import AsyncGenerator, Iterable
from typing import Any, NamedTuple, cast

import strawberry
from graphql import ExecutionResult as GraphQLResult
from graphql import GraphQLError, GraphQLSchema, OperationDefinitionNode
from graphql import OperationType as GraphQLOperationType
from strawberry.exceptions import MissingQueryError
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.schema.schema import StreamResult
from strawberry.types.execution import ExecutionResult, PreExecutionError
from strawberry.types.graphql import OperationType

from graph.context import Context
from graph.execution.documents import Document
from graph.execution.results import Encoded, TimedOut, logged_and_masked
from graph.execution.running import declared
from graph.plans.delivery import deliver
from graph.schema.mutation import Mutation
from graph.schema.query import Query
from graph.schema.scalars import SCALARS
from graph.schema.subscription import Subscription
from graph.telemetry.calls import current_call

__all__ = ["schema"]


class Schema(strawberry.Schema):
    """Strawberry's types. Operations are executed by their plans, or else by graphql-core, within the app's limits."""

    @property
    def graphql(self) -> GraphQLSchema:
        """The same as graphql-core has it."""
        return self._schema

    async def execute(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any = None,
        root_value: Any | None = None,  # noqa: ARG002  # Strawberry's signature
        operation_name: str | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
        operation_extensions: dict[str, Any] | None = None,  # noqa: ARG002  # Strawberry's signature
    ) -> ExecutionResult:
        """The result of a query or a mutation; a PreExecutionError where it is refused. Raises as `_found`."""
        context: Context = context_value
        allowed = {*(allowed_operation_types or OperationType)}
        if query and context.answers is not None:
            may_write = OperationType.MUTATION in allowed and context.may_write
            answer = await context.answers.answer(query, variable_values, operation_name, may_write=may_write)
            if answer is not None:
                return Encoded(data=None, errors=None, json=answer.decode())
        try:
            found = await _found(query, variable_values, context, operation_name, allowed)
            if isinstance(found, list):
                return _refusal(found)
            return await context.operations.run(_executed(found, variable_values or {}, context), found.cost)
        except TimedOut as error:
            return ExecutionResult(data=None, errors=[error])
        except GraphQLError as error:
            return _refusal([error])

    async def stream(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any = None,
        root_value: Any | None = None,  # noqa: ARG002  # Strawberry's signature
        operation_name: str | None = None,
        operation_extensions: dict[str, Any] | None = None,  # noqa: ARG002  # Strawberry's signature
        allowed_operation_types: Iterable[OperationType] | None = None,
    ) -> StreamResult:
        """The results of an operation; those of a subscription are shared where it has a plan."""
        context: Context = context_value
        allowed = {*(allowed_operation_types or OperationType)}
        try:
            found = await _found(query, variable_values, context, operation_name, allowed)
            if isinstance(found, list):
                return _only(_refusal(found))
            document, operation, _ = found
            if operation.operation is not GraphQLOperationType.SUBSCRIPTION:
                return self._one(query, variable_values, context, operation_name)
            executor = await context.operations.executor(
                document, operation, declared(operation, variable_values), context
            )
        except GraphQLError as error:
            return _only(_refusal([error]))
        except (MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError) as error:
            return _only(_refusal([GraphQLError(_reason(error), original_error=error)]))
        _record(operation)
        if isinstance(executor, list):
            return _only(_refusal(executor))
        planned = context.answers.stream(document, operation_name, executor) if context.answers else None
        return planned or deliver(executor)

    async def _one(
        self, query: str | None, variables: dict[str, Any] | None, context: Context, name: str | None
    ) -> AsyncGenerator[ExecutionResult, None]:
        yield await self.execute(query, variables, context, operation_name=name)


class _Found(NamedTuple):
    document: Document
    operation: OperationDefinitionNode
    cost: int


async def _found(
    query: str | None,
    variables: dict[str, Any] | None,
    context: Context,
    name: str | None,
    allowed: set[OperationType],
) -> _Found | list[GraphQLError]:
    """The operation, where it may be executed, or why it is refused.

    Raises GraphQLError, MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError.
    """
    if not query:
        raise MissingQueryError
    document = await context.operations.documents.get(query)
    if document.node is None:
        return [*document.errors]
    operation = document.operation(name)
    if operation is None:
        if name is not None or not any(isinstance(node, OperationDefinitionNode) for node in document.node.definitions):
            raise CannotGetOperationTypeError(name)
        return [GraphQLError("Must provide operation name if query contains multiple operations.")]
    kind = OperationType(operation.operation.value)
    if kind not in allowed:
        raise InvalidOperationTypeError(kind)
    if document.errors:
        return [*document.errors]
    if kind is OperationType.MUTATION and not context.may_write:
        assert context.caller is not None
        refusal = context.caller.refusal()
        return [GraphQLError(str(refusal), extensions={"code": refusal.code})]
    return _Found(document, operation, document.cost(name, variables))


def _reason(error: MissingQueryError | CannotGetOperationTypeError | InvalidOperationTypeError) -> str:
    if isinstance(error, InvalidOperationTypeError):
        return error.as_http_error_reason("this kind of stream")
    return str(error) if isinstance(error, MissingQueryError) else error.as_http_error_reason()


async def _executed(found: _Found, variables: dict[str, Any], context: Context) -> ExecutionResult:
    executor = await context.operations.executor(found.document, found.operation, variables, context)
    _record(found.operation)
    if isinstance(executor, list):
        return ExecutionResult(data=None, errors=logged_and_masked(executor))
    try:
        result = executor.execute_operation()
        if executor.is_awaitable(result):
            result = await result
    except Exception as error:  # noqa: BLE001  # logged
        return _refusal([GraphQLError(str(error), original_error=error)])
    done = cast("GraphQLResult", result)
    return ExecutionResult(data=done.data, errors=logged_and_masked(done.errors) if done.errors else None)


def _record(operation: OperationDefinitionNode) -> None:
    if call := current_call():
        call.know(operation.name.value if operation.name else None, operation.operation.value)


def _refusal(errors: list[GraphQLError]) -> PreExecutionError:
    return PreExecutionError(data=None, errors=logged_and_masked(errors))


async def _only(result: ExecutionResult) -> AsyncGenerator[ExecutionResult, None]:
    yield result


schema = Schema(
    query=Query, mutation=Mutation, subscription=Subscription, config=StrawberryConfig(scalar_map={**SCALARS})
)
