"""A file in SQLite that is deleted, moved or replaced under a running server: no write is acknowledged and lost."""

import asyncio
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from models.job import Job
from models.store.errors import Changed
from models.store.statements import Query
from models.validation import NewJob
from tests.tools.api import Api
from tests.tools.domain import a_point, opened_domain
from tests.tools.outside import path_of
from tests.tools.process import ServerProcess

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


async def test_a_server_refuses_writes_and_is_not_ready_and_what_it_acknowledged_is_there_once_the_file_is_back(
    server: ServerProcess, remote: Api, database_url: str
) -> None:
    path = Path(path_of(database_url))
    id = await remote.started()
    await remote.log(id, [{"step": 1, "loss": 1.0}])
    kept = shutil.move(path, path.with_suffix(".kept"))
    log = f'mutation {{ logMetrics(id: "{id}", metrics: [{{step: 2, loss: 1}}]) {{ __typename }} }}'
    for _ in range(3):
        (error,) = (await remote.post(log))["errors"]
        assert error["extensions"]["code"] == "SERVICE_UNAVAILABLE"
        assert error["message"] == "The store is not what it was when the server started."
    ready = await remote.http.get("/readyz")
    assert (ready.status_code, ready.json()["store"]) == (503, "unavailable")
    assert "was deleted, moved or replaced" in server.log
    assert "Traceback" not in server.log
    shutil.move(kept, path)
    assert (await remote.http.get("/readyz")).status_code == 200
    await remote.log(id, [{"step": 3, "loss": 1.0}])
    await asyncio.to_thread(server.kill)
    async with opened_domain(database_url) as domain:
        rows = await domain.database.reader.rows(Query("SELECT step FROM metric ORDER BY seq"))
    assert rows == [(1,), (3,)]


async def test_a_verb_whose_file_goes_as_it_is_committed_and_comes_back_is_done_once(database_url: str) -> None:
    """Each job has a name of its own; pairs share a commit."""
    path = Path(path_of(database_url))
    ended = threading.Event()

    def flicker() -> None:
        while not ended.is_set():
            path.rename(path.with_suffix(".moved"))
            path.with_suffix(".moved").rename(path)

    async with opened_domain(database_url) as domain:
        thread = threading.Thread(target=flicker)
        thread.start()
        names = [f"run {number}" for number in range(300)]
        outcomes: list[object] = []
        for pair in zip(names[::2], names[1::2], strict=True):
            outcomes += await asyncio.gather(
                *(domain.jobs.create(NewJob(name, "m", epochs=1, learning_rate=0.1)) for name in pair),
                return_exceptions=True,
            )
        ended.set()
        thread.join()
        rows = await domain.database.reader.rows(Query("SELECT name FROM job"))
    stored = [name for (name,) in rows]
    assert len(stored) == len(set(stored))
    assert {job.name for job in outcomes if isinstance(job, Job)} <= set(stored)
