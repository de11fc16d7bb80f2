"""The playground's examples: one of everything that can be asked, each right."""

from pathlib import Path

import pytest
from graphql import FieldNode, GraphQLObjectType, OperationDefinitionNode, parse, validate

from graph.schema import schema

EXAMPLES = sorted((Path(__file__).parents[2] / "web" / "src" / "playground" / "examples").glob("*.graphql"))

ROOTS = [schema.graphql.query_type, schema.graphql.mutation_type, schema.graphql.subscription_type]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_valid(path: Path) -> None:
    assert validate(schema.graphql, parse(path.read_text())) == []


def test_every_field_of_the_three_roots_has_an_example() -> None:
    assert {(root.name, field) for root in ROOTS if root for field in root.fields} == {
        asked for path in EXAMPLES for asked in asked_in(path)
    }


def asked_in(path: Path) -> set[tuple[str, str]]:
    """The fields of Query, Mutation and Subscription that an example asks for."""
    operations = [each for each in parse(path.read_text()).definitions if isinstance(each, OperationDefinitionNode)]
    asked = set()
    for operation in operations:
        root = schema.graphql.get_root_type(operation.operation)
        assert isinstance(root, GraphQLObjectType)
        fields = [each for each in operation.selection_set.selections if isinstance(each, FieldNode)]
        asked |= {(root.name, each.name.value) for each in fields}
    return asked
