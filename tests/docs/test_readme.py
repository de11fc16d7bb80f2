"""The README says what is so: its examples are run, its chart and its table are made from the code."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from graphql import parse, validate

from graph.commands import cli
from graph.schema import schema
from models.lifecycle import TRANSITIONS
from tests.tools.api import Api
from tests.tools.sockets import Socket

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_every_operation_of_the_readme_is_valid() -> None:
    for text in blocks("graphql"):
        assert validate(schema._schema, parse(text)) == []


async def test_the_examples_answer_what_the_readme_shows(api: Api, socket: Socket) -> None:
    for operation, shown in zip(blocks("graphql"), blocks("json"), strict=True):
        if operation.startswith("subscription"):
            answer: Any = {"data": await socket.next(await socket.subscribe(operation))}
        else:
            answer = await api.post(operation)
        assert answer == json.loads(shown), operation


def test_the_chart_is_the_table_of_transitions() -> None:
    begin = ["[*] --> QUEUED"]
    moves = [f"{source} --> {target}" for source, targets in TRANSITIONS.items() for target in sorted(targets)]
    end = [f"{status} --> [*]" for status, targets in TRANSITIONS.items() if not targets]
    (chart,) = blocks("mermaid")
    assert [line.strip() for line in chart.splitlines()] == ["stateDiagram-v2", *begin, *moves, *end]


@pytest.mark.parametrize(
    "command", [each.callback.__name__.replace("_", "-") for each in cli.registered_commands if each.callback]
)
def test_every_command_is_in_the_readme(command: str) -> None:
    assert f"`training-monitor {command}" in README


def test_every_make_target_that_the_readme_names_is_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = set(re.findall(r"make ([a-z]+)", README)) - {"demo"}
    assert named <= targets
    assert {"demo", "test"} <= targets


def blocks(language: str) -> list[str]:
    """The fenced blocks of the README in a language, without their indentation."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```", README, flags=re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]
