"""A file in SQLite that is deleted, moved or replaced under a running server: no write is acknowledged and lost."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from models.store.errors import Changed
from tests.tools.domain import a_point, opened_domain
from tests.tools.outside import path_of

pytestmark = pytest.mark.sqlite_alone("PostgreSQL looks after its own files")


def replace(path: Path) -> None:
    """As an editor does, or a restore under a running server."""
    shutil.copy(path, path.with_suffix(".copy"))
    path.with_suffix(".copy").replace(path)


@pytest.mark.parametrize(
    "change",
    [Path.unlink, lambda path: path.rename(path.with_suffix(".gone")), replace],
    ids=["delete", "move", "copy"],
)
async def test_writes_are_refused_and_so_is_the_check(database_url: str, change: Callable[[Path], object]) -> None:
    path = Path(path_of(database_url))
    async with opened_domain(database_url) as domain:
        job = await domain.job()
        change(path)
        calls = [domain.jobs.log(job.id, [a_point(step)]) for step in range(3)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [Changed] * 3
        with pytest.raises(Changed):
            await domain.database.check()


async def test_writes_go_on_once_the_file_is_back(database_url: str) -> None:
    path = Path(path_of(database_url))
    async with opened_domain(database_url) as domain:
        job = await domain.job()
        shutil.move(path, path.with_suffix(".moved"))
        with pytest.raises(Changed, match="deleted, moved or replaced"):
            await domain.jobs.log(job.id, [a_point(1)])
        shutil.move(path.with_suffix(".moved"), path)
        assert len((await domain.jobs.log(job.id, [a_point(2)])).metrics) == 1
