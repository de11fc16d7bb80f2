"""What a server does by itself: find jobs that are lost, sweep away what deleted ones left, delete what is too old.

Every process of a deployment does it; each step is a guarded write, so of several processes one wins.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta

from models.deletions import forgotten, is_anything_left, sweep
from models.errors import JobError
from models.job import Job, now
from models.job_list import JobFilter, JobOrder, JobOrderField, list_jobs
from models.job_reads import promised_jobs
from models.jobs import NOT_RUNNING, Jobs
from models.store.errors import StoreFailure

SILENCES = 3
"""Promised signs that a loop misses before its job is lost."""
LOOK_SECONDS = 1.0
"""Between two looks for lost jobs."""
REST_SECONDS = 0.02
"""Between two pieces that are swept away: whoever else writes has its turn."""
SWEEP_SECONDS = 5.0
"""Between two looks for deleted jobs."""
KEEP_SECONDS = 3600.0
"""Between two looks for jobs that are too old."""
KNOWN = timedelta(days=30)
"""How long a deletion is known to those who follow the list."""

log = logging.getLogger(__name__)


class Housekeeping:
    """The tasks of one process."""

    def __init__(self, jobs: Jobs, *, fail_lost_after: float, keep_days: float) -> None:
        """`fail_lost_after`: seconds after which a lost job fails; `keep_days`: of jobs after their last change.

        0 for never, and for ever.
        """
        self._jobs = jobs
        self._database = jobs.database
        self._fail_lost_after = fail_lost_after
        self._keep_days = keep_days
        self._looked: datetime | None = None
        """Since when signs are seen to without a break: those that came while no server was there are not missed."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Inside, the tasks run."""
        doing = [self._repeat(self.find_lost, LOOK_SECONDS), self._repeat(self.sweep, SWEEP_SECONDS)]
        if self._keep_days:
            doing.append(self._repeat(self.delete_old, KEEP_SECONDS))
        tasks = [asyncio.create_task(each) for each in doing]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def find_lost(self) -> None:
        """Mark the jobs whose loops missed the signs that they promised. Raises StoreFailure."""
        try:
            jobs = await promised_jobs(self._database.reader)
        except StoreFailure:
            self._looked = None
            raise
        moment = now()
        looked = self._looked = self._looked or moment
        for job in jobs:
            seen_at, promised = job.last_seen_at, job.beat_seconds
            assert seen_at is not None
            assert promised is not None
            from_here = max(seen_at, looked)
            if job.lost_since is None and moment - from_here > timedelta(seconds=SILENCES * promised):
                await self._jobs.lose(job.id, seen_at, from_here + timedelta(seconds=promised))
            elif job.lost_since is not None and self._is_given_up(job, moment):
                await self._jobs.fail_lost(job.id, seen_at)

    def _is_given_up(self, job: Job, moment: datetime) -> bool:
        if not self._fail_lost_after or job.lost_since is None:
            return False
        return moment - job.lost_since > timedelta(seconds=self._fail_lost_after)

    async def sweep(self) -> None:
        """Delete what deleted jobs have left, in pieces, and forget deletions of long ago. Raises StoreFailure."""
        before = now() - KNOWN
        while await is_anything_left(self._database.reader, before):
            if not await self._database.write(sweep, lambda _: None):
                await self._database.write(lambda: forgotten(before), lambda _: None)
            await asyncio.sleep(REST_SECONDS)

    async def delete_old(self) -> None:
        """Delete the jobs that have not changed for too long, but running ones. Raises StoreFailure."""
        before = now() - timedelta(days=self._keep_days)
        async for job in old_jobs(self._jobs, before, JobFilter(archived=None)):
            with contextlib.suppress(JobError):  # it went on, or another process was first
                await self._jobs.delete(job.id)
                log.info("deleted job %s (%s), last changed %s", job.id, job.name, job.updated_at)

    async def _repeat(self, do: Callable[[], Awaitable[None]], seconds: float) -> None:
        while True:
            try:
                await do()
            except StoreFailure as outage:
                log.warning("housekeeping waits for the store: %s", outage)
            except Exception:
                log.exception("housekeeping failed, and goes on")
            await asyncio.sleep(seconds)


async def old_jobs(jobs: Jobs, before: datetime, filter: JobFilter) -> AsyncIterator[Job]:
    """The jobs of a filter that are not RUNNING and have not changed since `before`, the oldest first."""
    filter = filter._replace(status=[status for status in filter.status or NOT_RUNNING if status in NOT_RUNNING])
    order = JobOrder(JobOrderField.UPDATED_AT, descending=False)
    after: str | None = None
    while True:
        page = await list_jobs(jobs.database.reader, filter, order, 100, after)
        for job in page.jobs:
            if job.updated_at >= before:
                return
            yield job
        if not page.has_next:
            return
        after = page.cursors[-1]
