"""What the README shows: blocks of code, and the answers to its operations."""

import json
import re
from pathlib import Path
from typing import Any

from tests.tools.api import Api
from tests.tools.sockets import Socket

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """The fenced blocks of the README in a language, without their indentation."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```", README, flags=re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


async def check_examples(api: Api, socket: Socket) -> None:
    """Run the README's operations on a new store. Raises AssertionError where an answer is not the one shown."""
    for operation, shown in zip(blocks("graphql"), blocks("json"), strict=True):
        if operation.startswith("subscription"):
            answer: Any = {"data": await socket.next(await socket.subscribe(operation))}
        else:
            answer = await api.post(operation)
        assert answer == json.loads(shown), operation
