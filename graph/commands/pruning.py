"""`prune`."""

import asyncio
import contextlib
import re
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Annotated

import typer

from graph.commands.line import with_flags
from graph.commands.store import progress_shown
from graph.settings import Settings, read_settings
from graph.stores import database_of, feed_of
from models.errors import JobError
from models.housekeeping import Housekeeping, old_jobs
from models.job import now
from models.job_list import JobFilter
from models.jobs import NOT_RUNNING, Jobs
from models.lifecycle import JobStatus

UNITS = {"h": "hours", "d": "days", "w": "weeks"}


@with_flags("database_url", "feed_url")
def prune(
    older_than: Annotated[
        str, typer.Option(metavar="TIME", help="How long a job has not changed, such as 90d; also in h and w.")
    ],
    status: Annotated[
        list[JobStatus] | None, typer.Option(case_sensitive=False, help="Only jobs in this status; may be repeated.")
    ] = None,
    project: Annotated[list[str] | None, typer.Option(help="Only jobs in this project; may be repeated.")] = None,
    archived: Annotated[bool, typer.Option("--archived", help="Only archived jobs.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the jobs, and delete none.")] = False,
    **flags: str | None,
) -> None:
    """Delete old jobs for ever, with their points.

    A running job is never deleted. Servers may run meanwhile.
    """
    age = _age(older_than)
    if status and JobStatus.RUNNING in status:
        raise typer.BadParameter("--status RUNNING: a running job is not deleted.")
    filter = JobFilter(projects=project, status=status or [*NOT_RUNNING], archived=True if archived else None)
    count = asyncio.run(_prune(read_settings(**flags), age, filter, dry_run=dry_run))
    typer.echo(f"{'would delete' if dry_run else 'deleted'} {count} {'job' if count == 1 else 'jobs'}")


async def _prune(settings: Settings, age: timedelta, filter: JobFilter, *, dry_run: bool) -> int:
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(database_of(settings, create=False))
        feed = feed_of(settings)
        stack.push_async_callback(feed.close)
        await feed.check()
        await stack.enter_async_context(feed.open(database.identity))
        jobs = Jobs(database, feed)
        old = [job async for job in old_jobs(jobs, now() - age, filter)]
        if dry_run:
            for job in old:
                typer.echo(f"{job.id} {job.name}: {job.status.value}, last changed {job.updated_at:%Y-%m-%d %H:%M}")
            return len(old)
        progress = stack.enter_context(progress_shown())
        count = 0
        for job in progress.track(old, description="Jobs"):
            with contextlib.suppress(JobError):  # it went on, or is gone already
                await jobs.delete(job.id)
                count += 1
        progress.add_task("Their points", total=None)
        await Housekeeping(jobs, fail_lost_after=0, keep_days=0).sweep()
        return count


def _age(text: str) -> timedelta:
    """The time that a text such as 90d means. Raises BadParameter."""
    match = re.fullmatch(r"([0-9]{1,5})([hdw])", text.strip())
    if match is None:
        raise typer.BadParameter(f"--older-than: must be a time such as 90d, 12h or 2w, got {text}.")
    return timedelta(**{UNITS[match[2]]: int(match[1])})
