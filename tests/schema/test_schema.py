"""The schema as clients see it: written down, described, and never less than what was agreed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    FieldDefinitionNode,
    GraphQLNamedType,
    GraphQLScalarType,
    GraphQLSchema,
    InputObjectTypeDefinitionNode,
    InputValueDefinitionNode,
    InterfaceTypeDefinitionNode,
    NullValueNode,
    ObjectTypeDefinitionNode,
    build_client_schema,
    build_schema,
    find_breaking_changes,
    get_introspection_query,
    is_introspection_type,
    is_specified_directive,
    is_specified_scalar_type,
    lexicographic_sort_schema,
    parse,
    print_ast,
    print_schema,
)

from graph.schema import schema
from tests.tools.api import Api

ROOT = Path(__file__).parents[2]
PRINTED = ROOT / "schema.graphql"
AGREED = Path(__file__).with_name("agreed.graphql")
"""What was agreed before there was a schema that had it. It is not ours to change."""

promises = pytest.mark.parametrize("promise", [PRINTED, AGREED], ids=lambda path: path.name)


def test_schema_graphql_at_the_root_is_the_schema_that_is_served() -> None:
    """`make schema` writes it anew."""
    assert PRINTED.read_text() == schema.as_str() + "\n"


@promises
def test_the_schema_keeps_all_of_what_was_promised(promise: Path) -> None:
    assert find_breaking_changes(build_schema(promise.read_text()), built()) == []


@promises
def test_every_type_and_default_is_the_one_that_was_promised(promise: Path) -> None:
    """Another default changes what an old client asks for, though it breaks no document."""
    ours = signatures_of(schema.as_str())
    promised = signatures_of(promise.read_text())
    assert {path: ours.get(path) for path in promised} == promised
    assert ours["Query.jobs(limit)"] == "Int! = 100"


@pytest.mark.sqlite_alone("nothing is read")
async def test_introspection_answers_with_the_schema_that_is_printed(api: Api) -> None:
    answered = build_client_schema(await api.data(get_introspection_query(specified_by_url=True)))
    assert print_schema(lexicographic_sort_schema(answered)) == print_schema(lexicographic_sort_schema(built()))


def test_everything_is_described_in_a_sentence_or_more() -> None:
    """A description that repeats the name says nothing."""
    assert [path for path, text in descriptions_of(built()) if " " not in (text or "").strip()] == []


def test_each_scalar_names_its_specification() -> None:
    scalars = [type_ for type_ in own_types(built()) if isinstance(type_, GraphQLScalarType)]
    assert {type_.name for type_ in scalars if type_.specified_by_url} == {"DateTime", "JSON", "Long"}
    assert len(scalars) == 3


def built() -> GraphQLSchema:
    """The schema as a client builds it from its text."""
    return build_schema(schema.as_str())


def own_types(of: GraphQLSchema) -> list[GraphQLNamedType]:
    """The types that are not GraphQL's own."""
    return [
        type_
        for type_ in of.type_map.values()
        if not is_introspection_type(type_) and not is_specified_scalar_type(type_)
    ]


def descriptions_of(of: GraphQLSchema) -> Iterator[tuple[str, str | None]]:
    """The path of everything that can be described, and its description."""
    for type_ in own_types(of):
        yield type_.name, type_.description
        members: dict[str, Any] = {**getattr(type_, "fields", {}), **getattr(type_, "values", {})}
        for name, member in members.items():
            yield f"{type_.name}.{name}", member.description
            for argument, definition in getattr(member, "args", {}).items():
                yield f"{type_.name}.{name}({argument})", definition.description
    for directive in of.directives:
        if not is_specified_directive(directive):
            yield f"@{directive.name}", directive.description


def signatures_of(text: str) -> dict[str, str]:
    """The path of each field, argument and input field of a schema's text, with its type and its default."""
    found: dict[str, str] = {}
    for definition in parse(text).definitions:
        if isinstance(
            definition, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode | InputObjectTypeDefinitionNode
        ):
            for field in definition.fields or ():
                path = f"{definition.name.value}.{field.name.value}"
                found[path] = signature(field)
                if isinstance(field, FieldDefinitionNode):
                    found |= {f"{path}({given.name.value})": signature(given) for given in field.arguments or ()}
    return found


def signature(node: FieldDefinitionNode | InputValueDefinitionNode) -> str:
    """Such as Int! = 100. A default of null is the same as none."""
    default = node.default_value if isinstance(node, InputValueDefinitionNode) else None
    if default is None or isinstance(default, NullValueNode):
        return print_ast(node.type)
    return f"{print_ast(node.type)} = {print_ast(default)}"
