"""`prune`: old jobs are deleted, those that are meant and no others."""

import asyncio
from datetime import timedelta

import pytest

from models.job import now
from models.job_reads import jobs_by_id
from models.lifecycle import JobStatus
from tests.tools.domain import opened_domain, points
from tests.tools.outside import Outside
from tests.tools.process import here

QUEUED, RUNNING, COMPLETE, FAILED = JobStatus
OLD = {"complete": COMPLETE, "failed": FAILED, "archived": COMPLETE, "vision": COMPLETE, "running": RUNNING}


async def filled(url: str) -> None:
    """A store of old jobs, and a new one."""
    async with opened_domain(url) as domain:
        for name, status in (*OLD.items(), ("new", COMPLETE)):
            job = await domain.job(RUNNING, name=name, project="vision" if name == "vision" else "default")
            await domain.jobs.log(job.id, points(1, 3))
            if status is not RUNNING:
                await (domain.jobs.complete if status is COMPLETE else domain.jobs.fail)(job.id)
            if name == "archived":
                await domain.jobs.archive(job.id)
        ago = now() - timedelta(days=91)
        with Outside(url) as outside:
            shown = str(ago) if outside.system == "sqlite" else ago
            outside.execute("UPDATE job SET updated_at = ? WHERE name <> 'new'", [shown])


async def left(url: str) -> set[str]:
    async with opened_domain(url) as domain:
        return {job.name for job in (await jobs_by_id(domain.database.reader, range(10))).values()}


@pytest.mark.parametrize(
    ("flags", "gone"),
    [
        ([], {"complete", "failed", "archived", "vision"}),
        (["--status", "failed"], {"failed"}),
        (["--project", "vision"], {"vision"}),
        (["--archived"], {"archived"}),
        (["--status", "COMPLETE", "--status", "failed", "--project", "default"], {"complete", "failed", "archived"}),
        (["--project", "none"], set()),
    ],
)
def test_deletes_the_old_ones_that_are_meant_with_their_points(
    database_url: str, flags: list[str], gone: set[str]
) -> None:
    asyncio.run(filled(database_url))
    everything = {*OLD, "new"}
    tried = here("prune", "--older-than", "90d", *flags, "--dry-run", "--database-url", database_url)
    assert (tried.returncode, tried.stderr) == (0, "")
    assert {line.split()[1].rstrip(":") for line in tried.stdout.splitlines()[:-1]} == gone
    assert asyncio.run(left(database_url)) == everything
    ended = here("prune", "--older-than", "90d", *flags, "--database-url", database_url)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"deleted {len(gone)} {'job' if len(gone) == 1 else 'jobs'}\n"
    assert asyncio.run(left(database_url)) == everything - gone
    with Outside(database_url) as outside:
        assert outside.execute("SELECT count(*) FROM metric") == [(3 * len(everything - gone),)]


@pytest.mark.parametrize(
    "flags", [[], ["--older-than", "90"], ["--older-than", "-1d"], ["--older-than", "1d", "--status", "running"]]
)
def test_refuses_what_it_cannot_mean(sqlite_url: str, flags: list[str]) -> None:
    ended = here("prune", *flags, "--database-url", sqlite_url)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("training-monitor: ")
    assert ended.stderr.count("\n") == 1
