"""Jobs of every kind in a server's store, made by its API, for tests that invent what to do with them."""

import re
from collections.abc import Mapping
from typing import Any

from tests.tools.api import Api

__all__ = ["KINDS", "Stock", "a_job"]

KINDS = ("queued", "running", "complete", "failed", "crashing", "full")
"""One in each status; and two more that run: one whose next step crashes, and one that has taken its last."""

POINTS = [
    {"step": 1, "loss": 0.5, "accuracy": 0.1, "learningRate": 0.1, "values": [{"name": "val_loss", "value": 0.6}]},
    {"step": 2, "loss": 0.25, "values": [{"name": "val_loss", "nonFinite": "NAN"}]},
    {"step": 3, "loss": 0.125, "values": [{"name": "train/loss", "value": 5e-324}]},
]
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "crashing": {"scenario": "CRASH", "stepsPerEpoch": 1},
    "full": {"stepsPerEpoch": 2},
}


def a_job(kind: str) -> str:
    """What stands for the id of a job of a kind until the moment when it is needed: ids differ from run to run."""
    return f"<{kind} job>"


class Stock:
    """The jobs of one store that are as their kind says."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._ids: dict[str, str] = {}

    async def fill(self) -> None:
        """See to it that there is a job of each kind."""
        for kind in KINDS:
            if kind not in self._ids:
                self._ids[kind] = await self._made(kind)

    async def named_in(self, text: str) -> str:
        """The text with the ids of jobs where `a_job` stands for them. They are not given out again."""
        for kind in dict.fromkeys(re.findall(f"<({'|'.join(KINDS)}) job>", text)):
            id = self._ids.pop(kind, None) or await self._made(kind)
            text = text.replace(a_job(kind), id)
        return text

    async def _made(self, kind: str) -> str:
        id = await self._api.created(name=f"a {kind} one", **SETTINGS.get(kind, {"epochs": 10}))
        if kind == "queued":
            return id
        await self._api.start(id)
        if kind == "full":
            for _ in range(2):
                await self._api.step(id)
        if kind in {"full", "crashing"}:
            return id
        assert (await self._api.log(id, POINTS))["recorded"] == len(POINTS)
        if kind == "complete":
            await self._api.complete(id)
        if kind == "failed":
            await self._api.fail(id, "enough")
        return id
