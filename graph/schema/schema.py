"""The schema, put together."""

from collections.abc import Iterable
from typing import Any

import strawberry
from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLField,
    GraphQLResolveInfo,
    OperationDefinitionNode,
    get_operation_ast,
)
from graphql import OperationType as GraphQLOperationType
from strawberry.exceptions import MissingQueryError
from strawberry.extensions.runner import SchemaExtensionsRunner
from strawberry.schema.schema import StreamResult
from strawberry.types import ExecutionContext
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from graph.admission.caller import Caller
from graph.context import Context
from graph.execution.documents import MAX_REMEMBERED, get_to_know
from graph.execution.errors import MaskUnexpectedErrors, log_unexpected, masked
from graph.execution.executor import EventExecutor
from graph.execution.limits import Limits
from graph.execution.observer import KnownToTheCall
from graph.execution.variables import coerced_if_long
from graph.execution.worker_thread import is_long
from graph.plans.subscription import deliver, plan_of
from graph.schema.errors import as_data
from graph.schema.mutation import Mutation
from graph.schema.query import Query
from graph.schema.subscription import Subscription
from graph.telemetry.call import current_call
from models.errors import InvalidInput
from models.validation import check_batch

__all__ = ["schema"]


class Schema(strawberry.Schema):
    """Strawberry's, with shared delivery, with limits, and without log entries for what a client did wrong."""

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
        # A plan is remembered with its document and its name, so long ones go without; and so do long variables, which
        # are coerced aside.
        short = query is not None and len(query) + len(operation_name or "") <= MAX_REMEMBERED
        short = short and not is_long(variable_values)
        limits: Limits = context_value.limits
        if query:
            found = await get_to_know(self._schema, limits, query)
            if variable_values:
                variable_values = _declared(found.document, operation_name, variable_values)
        plan = plan_of(self._schema, limits, query, operation_name) if query and short else None
        # What costs too much is refused as always.
        if plan is not None and not plan.known.too_costly(operation_name, variable_values):
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

    async def _prepare_operation_async(
        self, context: ExecutionContext, extensions_runner: SchemaExtensionsRunner
    ) -> PreExecutionError | None:
        """Take what is known of the document, or why it is refused; Strawberry then neither parses nor validates."""
        if not context.query:
            raise MissingQueryError
        found = await get_to_know(self._schema, context.context.limits, context.query)
        context.graphql_document = found.document
        context.pre_execution_errors = [*found.errors]
        if found.document is None:
            return PreExecutionError(data=None, errors=context.pre_execution_errors)
        name = context._provided_operation_name  # noqa: SLF001  # the public one is the first operation's, if it is None
        if name is None and _operations_in(found.document) > 1:  # Strawberry would run the first
            context.pre_execution_errors = [
                GraphQLError("Must provide operation name if query contains multiple operations.")
            ]
        elif not found.errors:
            refusal = self._not_allowed(context, found.document, name) or found.too_costly(name, context.variables)
            context.pre_execution_errors = [refusal] if refusal else []
            context.cost = found.cost(name, context.variables)  # type: ignore[attr-defined]  # an object for this operation
            if refusal is None and context.variables:
                await self._coerce_variables(context, found.document, name)
        return await super()._prepare_operation_async(context, extensions_runner)

    async def _coerce_variables(self, context: ExecutionContext, document: DocumentNode, name: str | None) -> None:
        limits: Limits = context.context.limits
        try:
            context.variables = await coerced_if_long(self._schema, limits, document, name, context.variables or {})
        except GraphQLError as error:
            context.pre_execution_errors = [error]

    def _not_allowed(self, context: ExecutionContext, document: DocumentNode, name: str | None) -> GraphQLError | None:
        """Why the operation is refused to a caller who may only read, whatever way it came."""
        caller: Caller = context.context.caller
        operation = None if caller.may_write else get_operation_ast(document, name)
        if operation is None or operation.operation is not GraphQLOperationType.MUTATION:
            return None
        refusal = caller.refusal()
        return GraphQLError(str(refusal), extensions={"code": refusal.code})

    async def _execute_operation(self, execution_context: ExecutionContext, *args: Any, **options: Any) -> Any:
        """The result of a query or a mutation, within the time it may take, and when there is room for it."""
        context: Context = execution_context.context
        operation = super()._execute_operation(execution_context, *args, **options)
        return await context.operations.run(operation, execution_context.cost)  # type: ignore[attr-defined]  # set above

    def _told(self, errors: list[GraphQLError]) -> list[GraphQLError]:
        self.process_errors(errors)
        return masked(errors)


def _refused_if_too_long(field: GraphQLField) -> None:
    """Have a batch that is too long refused before Strawberry goes through it, which takes a second for a long body."""
    resolve = field.resolve
    assert resolve is not None

    async def resolve_short(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
        try:
            check_batch(len(arguments["metrics"]))
        except InvalidInput as error:
            return as_data(error)
        return await resolve(source, info, **arguments)

    field.resolve = resolve_short


def _declared(document: DocumentNode | None, name: str | None, variables: dict[str, Any]) -> dict[str, Any]:
    """Those variables that the operation declares: a stream would keep the others too for as long as it is open."""
    operation = get_operation_ast(document, name) if document else None
    definitions = operation.variable_definitions if operation else None
    names = {definition.variable.name.value for definition in definitions or ()}
    return {name: value for name, value in variables.items() if name in names}


def _operations_in(document: DocumentNode) -> int:
    return sum(isinstance(node, OperationDefinitionNode) for node in document.definitions)


schema = Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    extensions=[MaskUnexpectedErrors, KnownToTheCall],
    execution_context_class=EventExecutor,
)
assert schema._schema.mutation_type is not None  # noqa: SLF001  # as elsewhere: Strawberry has no public way to it
_refused_if_too_long(schema._schema.mutation_type.fields["logMetrics"])  # noqa: SLF001  # as above
