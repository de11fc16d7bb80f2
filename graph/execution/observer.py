"""Tells the call what operation it is that is executed for it, and how long that takes."""

from collections.abc import Iterator
from time import perf_counter

from graphql import get_operation_ast
from strawberry.extensions import SchemaExtension

from graph.telemetry.call import current_call

__all__ = ["KnownToTheCall"]


class KnownToTheCall(SchemaExtension):
    """Tells of what has no plan, and goes Strawberry's way. Its document is valid when it comes to be executed."""

    def on_execute(self) -> Iterator[None]:
        """Before and after it is executed; of a subscription, before and after it begins."""
        context, call = self.execution_context, current_call()
        began = perf_counter()
        if call and context.graphql_document:
            operation = get_operation_ast(context.graphql_document, context.operation_name)
            if operation:
                call.know(operation.name.value if operation.name else None, operation.operation.value)
        try:
            yield
        finally:
            if call and call.kind != "subscription":
                call.resolved = perf_counter() - began
