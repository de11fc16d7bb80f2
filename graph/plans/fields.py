"""What a plan makes a field from: the column or attribute that the field is named after, or an expression over several.

The types of the schema say it, beside the field's description, so each field is written down once. Rows become objects
by code that is generated from a selection: one comprehension, a fifth of the time that resolving field by field takes.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import strawberry
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLObjectType,
    InlineFragmentNode,
    SelectionSetNode,
    get_named_type,
    is_leaf_type,
    is_non_null_type,
)
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField

__all__ = [
    "Expression",
    "Fragments",
    "Maker",
    "Shape",
    "computed",
    "flat",
    "inner",
    "leaf",
    "made_from",
    "part",
    "shape_of",
]

Maker = Callable[..., list[dict[str, Any]]]
"""Rows, and whatever else the expressions use -> an object for each row."""
Fragments = Mapping[str, FragmentDefinitionNode]
Selection = dict[str, FieldNode]
"""Response name -> the field, in the order in which an answer has them."""

COMPUTED = "computed"
"""Key of the expression in the metadata of a field."""
PART = "part"
"""Key of the expression for whether there is the object, in the metadata of a field."""


class Expression(NamedTuple):
    """Code over columns, which are the names that are no functions."""

    code: str
    functions: Mapping[str, Any] = {}

    @property
    def columns(self) -> set[str]:
        """The columns that it uses."""
        return {*compile(self.code, "", "eval").co_names} - self.functions.keys()


def computed(code: str, *, description: str, **functions: Any) -> Any:
    """A field of a type of the schema that a plan makes by an expression; Strawberry resolves it like any other."""
    return strawberry.field(description=description, metadata={COMPUTED: Expression(code, functions)})


def part(code: str, *, description: str) -> Any:
    """A field with an object that a plan makes of columns of the same row: whether there is one is an expression."""
    return strawberry.field(description=description, metadata={PART: Expression(code)})


def inner(type: GraphQLObjectType, node: FieldNode, fragments: "Fragments") -> Expression | None:
    """What makes the object of a field that is a part of the same row; None for other fields, and without a plan."""
    field = type.fields[node.name.value]
    definition: StrawberryField = field.extensions[GraphQLCoreConverter.DEFINITION_BACKREF]
    there: Expression | None = definition.metadata.get(PART)
    if there is None:
        return None
    of = get_named_type(field.type)
    assert isinstance(of, GraphQLObjectType)
    assert node.selection_set is not None
    selected = flat(node.selection_set, fragments, of.name)
    shape = None if selected is None else shape_of(selected, lambda _, each: leaf(of, each.name.value))
    if shape is None:
        return None
    made = shape.expression()
    return Expression(f"{made.code} if {there.code} else None", made.functions)


def made_from(type: GraphQLObjectType, name: str) -> Expression | None:
    """What a field is made from; None where a resolver makes it."""
    definition: StrawberryField = type.fields[name].extensions[GraphQLCoreConverter.DEFINITION_BACKREF]
    if definition.base_resolver:
        return None
    return definition.metadata.get(COMPUTED) or Expression(definition.python_name)


def leaf(type: GraphQLObjectType, name: str) -> Expression | None:
    """What the value of a field without sub-fields is made from, as the schema serialises it; None for other fields."""
    if name == "__typename":
        return Expression(repr(type.name))
    field = type.fields[name]
    made = made_from(type, name) if is_leaf_type(get_named_type(field.type)) else None
    return None if made is None else _serialised(field, made)


def moment(at: datetime | str | None) -> datetime | None:
    """A moment of the database, as text or as its driver makes it, for orjson: ten times as quick as `isoformat`."""
    return datetime.fromisoformat(at) if isinstance(at, str) else at


def _serialised(field: GraphQLField, made: Expression) -> Expression:
    type = get_named_type(field.type)
    if isinstance(type, GraphQLEnumType):
        names = {value.value: name for name, value in type.values.items()}
        if not is_non_null_type(field.type):
            names[None] = None
        return Expression(f"{type.name}[{made.code}]", {**made.functions, type.name: names})
    if type.name == "DateTime":
        return Expression(f"moment({made.code})", {**made.functions, "moment": moment})
    if type.name == "ID":
        return Expression(f"str({made.code})", {**made.functions, "str": str})
    return made


class Shape:
    """An object of an answer: for each response name, in their order, the expression of its value."""

    def __init__(self) -> None:
        self.columns: set[str] = set()
        """Those that the expressions use."""
        self._codes: dict[str, str] = {}
        self._functions: dict[str, Any] = {}

    def add(self, name: str, expression: Expression) -> None:
        """Add a field. `name` is GraphQL's: letters, digits and _."""
        self._codes[name] = expression.code
        self._functions |= expression.functions
        self.columns |= expression.columns

    def expression(self) -> Expression:
        """The code of the object."""
        fields = ", ".join(f"{name!r}: {code}" for name, code in self._codes.items())
        return Expression(f"{{{fields}}}", self._functions)

    def maker(self, columns: Sequence[str], also: Iterable[str] = ()) -> Maker:
        """Compile the maker of objects from rows of these columns; `also` names its further arguments."""
        row = "".join(f"{name}, " for name in columns)
        arguments = "".join(f", {name}" for name in also)
        source = f"lambda rows{arguments}: [{self.expression().code} for ({row}) in rows]"
        made: Maker = eval(source, dict(self._functions))  # noqa: S307  # the client's are only response names, which GraphQL's grammar has checked
        return made


def shape_of(selected: Selection, expression_of: Callable[[str, FieldNode], Expression | None]) -> Shape | None:
    """The shape of what is selected; `expression_of`: response name, field -> its expression, or None."""
    shape = Shape()
    for name, node in selected.items():
        expression = expression_of(name, node)
        if expression is None:
            return None
        shape.add(name, expression)
    return shape


def flat(
    selection: SelectionSetNode, fragments: Fragments, type_name: str, also: Collection[str] = ()
) -> Selection | None:
    """What is selected of an object of the type, which is one of `also` too: its unions and interfaces.

    None where there are directives, or selections of one name that are to become one.
    """
    found: Selection = {}
    return found if _collect(selection, fragments, {type_name, *also}, found, set()) else None


def _collect(
    selection: SelectionSetNode, fragments: Fragments, names: Collection[str], found: Selection, spread: set[str]
) -> bool:
    for node in selection.selections:
        if node.directives:
            return False
        if isinstance(node, FieldNode):
            response_name = (node.alias or node.name).value
            if node.selection_set is not None and response_name in found:
                return False
            found.setdefault(response_name, node)
            continue
        if isinstance(node, FragmentSpreadNode):
            if node.name.value in spread:
                continue  # GraphQL's own rule, without which a short document could double itself many times
            spread.add(node.name.value)
            fragment: FragmentDefinitionNode | InlineFragmentNode = fragments[node.name.value]
        else:
            assert isinstance(node, InlineFragmentNode)
            fragment = node
        if fragment.directives:
            return False
        condition = fragment.type_condition
        if condition is not None and condition.name.value not in names:
            continue  # another member of the union
        if not _collect(fragment.selection_set, fragments, names, found, spread):
            return False
    return True
