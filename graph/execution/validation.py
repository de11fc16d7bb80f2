"""What is not valid in a document: what graphql-core's own `validate` finds, but nothing is left to be looked for.

Its rules and visitors are rings, of five hundred objects and more a document; here they are taken apart.
"""

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    ParallelVisitor,
    TypeInfo,
    TypeInfoVisitor,
    ValidationContext,
    Visitor,
    specified_rules,
    visit,
)
from graphql.validation.rules import overlapping_fields_can_be_merged
from graphql.validation.validate import (
    FragmentNestingVisitor,
    ValidationAbortedError,
    query_document_keys_to_validate,
)
from graphql.validation.validation_context import VariableUsage, VariableUsageVisitor

from graph.garbage import forget_frames

__all__ = ["ABORTED", "faults_of"]

# Comparisons of fields that may overlap, which grow with the square of a document: a tenth of a second's.
overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = 100_000
MOST = 100
"""That are told of one document, as graphql-core has it."""
TOO_MANY = "Too many validation errors, error limit reached. Validation aborted."
ABORTED = "Validation aborted."
"""What graphql-core says of a document with more comparisons."""


def faults_of(schema: GraphQLSchema, document: DocumentNode, *, suggestions: bool) -> list[GraphQLError]:
    """The errors, in the order in which rules meet them; `suggestions`: with names that were meant perhaps."""
    errors: list[GraphQLError] = []

    def on_error(error: GraphQLError) -> None:
        if len(errors) >= MOST:
            raise ValidationAbortedError(TOO_MANY)
        forget_frames(error)
        errors.append(error)

    info = TypeInfo(schema)
    context = _Context(schema, document, info, on_error, not suggestions)
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    visitors: list[Visitor] = [FragmentNestingVisitor(fragments)] if fragments else []
    visitors += [rule(context) for rule in specified_rules]
    together = ParallelVisitor(visitors)
    typed = TypeInfoVisitor(info, together)
    try:
        visit(document, typed, query_document_keys_to_validate)
    except ValidationAbortedError as aborted:
        forget_frames(aborted)
        errors.append(aborted)
    except RecursionError:
        errors.append(ValidationAbortedError(ABORTED))
    finally:
        _take_apart(*visitors, together, typed, info, context)
    return errors


class _Context(ValidationContext):
    """graphql-core's, with visitors of its own that are taken apart as well."""

    def get_variable_usages(self, node: OperationDefinitionNode | FragmentDefinitionNode) -> list[VariableUsage]:
        """The variables that are used directly within a definition."""
        usages = self._variable_usages.get(node)
        if usages is None:
            fragment = node if isinstance(node, FragmentDefinitionNode) else None
            visitor = VariableUsageVisitor(self._type_info, fragment)
            typed = TypeInfoVisitor(self._type_info, visitor)
            visit(node, typed)
            usages = self._variable_usages[node] = visitor.usages
            _take_apart(visitor, typed)
        return usages


def _take_apart(*rings: object) -> None:
    for ring in rings:
        vars(ring).clear()
