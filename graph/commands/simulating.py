"""`simulate`."""

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import Annotated

import typer

from graph.commands.line import with_flags
from graph.commands.store import named_job, progress_shown
from graph.settings import Settings, read_settings
from graph.stores import database_of, feed_of
from models.errors import IllegalTransition, SimulationFailed
from models.jobs import Jobs
from models.lifecycle import ENDED, JobStatus
from models.store.errors import StoreError, StoreFailure


@with_flags("database_url", "feed_url")
def simulate(
    job: Annotated[str, typer.Argument(metavar="JOB", help="The job's id. A QUEUED job is started first.")],
    steps: Annotated[int | None, typer.Option(min=1, help="How many steps to add.", show_default="1")] = None,
    to_end: Annotated[bool, typer.Option("--to-end", help="Step on until the job completes.")] = False,
    per_second: Annotated[
        float | None, typer.Option(min=0.001, max=10_000, help="Steps a second.", show_default="as fast as it goes")
    ] = None,
    **flags: str | None,
) -> None:
    """Add simulated points to a job."""
    if steps is not None and to_end:
        raise typer.BadParameter("Give either --steps or --to-end, not both.")
    asyncio.run(_simulate(read_settings(**flags), job, None if to_end else steps or 1, per_second))


async def _simulate(settings: Settings, id: str, steps: int | None, per_second: float | None) -> None:
    from simulator import runner  # see `graph.commands`

    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(database_of(settings, create=False))
        feed = feed_of(settings)
        stack.push_async_callback(feed.close)
        await feed.check()
        await stack.enter_async_context(feed.open(database.identity))
        jobs = Jobs(database, feed)
        job = await named_job(database, settings, id)
        if job.status in ENDED:
            raise IllegalTransition(job, "simulate")
        if job.status is JobStatus.QUEUED:
            job = await jobs.start(job.id)
        progress = stack.enter_context(progress_shown())
        task = progress.add_task(job.name, total=job.total_steps, completed=job.metric_count)
        logging.getLogger("models.jobs").setLevel(logging.ERROR)  # a warning there is raised here as well
        try:
            async for step in runner.run(jobs, job.id, steps=steps, per_second=per_second):
                progress.update(task, completed=step.job.metric_count)
                job = step.job
        except SimulationFailed as failed:
            if isinstance(failed.__cause__, StoreFailure):
                raise StoreError(f"Job {job.id} failed: its points cannot be stored ({failed.__cause__}).") from failed
            raise
    typer.echo(f"{job.name}: {job.status.value}, {job.metric_count} of {job.total_steps} steps")
