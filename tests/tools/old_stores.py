"""Stores as earlier versions left them."""

import pytest
from tortoise.migrations.executor import MigrationExecutor
from tortoise.migrations.migration import Migration

from models.store import database
from models.store.database import Database


async def make_store(url: str, last: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store as the migrations up to `last`, its number, left it."""
    every = database._pending

    async def up_to_last(executor: MigrationExecutor) -> list[Migration]:
        return [each for each in await every(executor) if each.name[:4] <= last]

    with monkeypatch.context() as patch:
        patch.setattr(database, "_pending", up_to_last)
        async with Database(url) as store:
            assert store.applied[-1][:4] == last
