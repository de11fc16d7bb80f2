"""The command line: `training-monitor serve`, `demo`, `simulate`, `schema`, `migrate`, `rebuild-curves`."""

import asyncio
import gc
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack
from inspect import Parameter, Signature, signature
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer
from strawberry import ID

from graph import server, workers
from graph.app import Companion, create_app, database_of, feed_of
from graph.demo import demo_jobs
from graph.schema import schema as graphql_schema
from graph.schema.job import job_id_of
from graph.settings import Settings, SettingsError, environment_name, flag_name, read_settings
from models.address import without_password
from models.chunks import Chunks
from models.database import OUTAGES, StoreError
from models.errors import IllegalTransition, JobError, JobNotFound
from models.feed import FeedError
from models.job import Job
from models.jobs import Jobs
from models.lifecycle import ENDED, JobStatus
from simulator import runner

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["main"]

MISTAKE = 2
"""The exit status where something asked for cannot be done as asked."""

cli = typer.Typer(
    name="training-monitor",
    help="A training-job monitor you host yourself: a GraphQL API with subscriptions.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: boxes cut long words short
)


def _option(setting: str) -> Any:
    """The flag of a setting, described by the table of settings."""
    field = Settings.model_fields[setting]
    described = f"{field.description}. Default {field.default or 'none'}; also {environment_name(setting)}."
    return typer.Option(flag_name(setting), help=described, show_default=False, metavar="VALUE")


def _with_flags(*settings: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command a flag for each of the settings, which it takes as keywords."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        # As text: the settings check them, and say what is wrong with one in one line, wherever it came from.
        own = [one for one in signature(command).parameters.values() if one.kind is not Parameter.VAR_KEYWORD]
        flags = [
            Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[str | None, _option(name)])
            for name in settings
        ]
        command.__signature__ = Signature([*own, *flags])  # type: ignore[attr-defined]  # what typer reads
        return command

    return decorate


@cli.command()
@_with_flags(*Settings.model_fields)
def serve(**flags: str | None) -> None:
    """Serve the API, and the playground to browsers, at /graphql."""
    _serve(read_settings(**flags))


@cli.command()
@_with_flags(*Settings.model_fields)
def demo(**flags: str | None) -> None:
    """Serve with simulated jobs of every scenario, some of them training as you watch.

    Without a database of your own they live in a temporary one that goes with the server.
    """
    settings = read_settings(**flags)
    if settings.workers > 1:
        raise SettingsError("--workers: the demo trains its jobs in one process; leave it out.")
    with TemporaryDirectory(prefix="training-monitor-demo-") as folder:
        if "database_url" not in settings.model_fields_set:
            settings = read_settings(**{**flags, "database_url": f"sqlite://{Path(folder) / 'demo.sqlite3'}"})
        _serve(settings, demo_jobs)


@cli.command()
@_with_flags("database_url", "feed_url")
def simulate(
    job: Annotated[str, typer.Argument(metavar="JOB", help="The job's id. A QUEUED job is started first.")],
    steps: Annotated[int | None, typer.Option(min=1, help="How many steps to add.", show_default="1")] = None,
    to_end: Annotated[bool, typer.Option("--to-end", help="Step on until the job completes.")] = False,
    per_second: Annotated[
        float | None, typer.Option(min=0.001, max=10_000, help="Steps a second.", show_default="as fast as it goes")
    ] = None,
    **flags: str | None,
) -> None:
    """Add simulated points to a job of the database, with a progress bar."""
    if steps is not None and to_end:
        raise typer.BadParameter("Give either --steps or --to-end, not both.")
    asyncio.run(_simulate(read_settings(**flags), job, None if to_end else steps or 1, per_second))


@cli.command()
def schema() -> None:
    """Print the GraphQL schema."""
    typer.echo(graphql_schema.as_str())


@cli.command()
@_with_flags("database_url")
def migrate(**flags: str | None) -> None:
    """Bring a database up to date, as a server does when it starts."""
    applied = asyncio.run(_migrate(read_settings(**flags)))
    typer.echo("\n".join(f"applied {name}" for name in applied) or "The database is up to date.")


@cli.command("rebuild-curves")
@_with_flags("database_url")
def rebuild_curves(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="JOB", help="Ids of jobs; all where none is named.")
    ] = None,
    **flags: str | None,
) -> None:
    """Make again, from the points, what curves are drawn from.

    Servers may run meanwhile; one that has drawn a curve remembers it until it is restarted.
    """
    asyncio.run(_rebuild_curves(read_settings(**flags), ids or []))


def main() -> None:
    """Run the command line. Whatever is wrong with what was asked is one line on stderr, and exit status 2."""
    gc.enable()
    try:
        status = cli(sys.argv[1:] or ["--help"], standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        status = 130
    except typer.TyperException as error:
        message = error.format_message().rstrip(".").replace("\n", " ")
        status = _complain(f"{message}. See training-monitor --help.")
    except (SettingsError, StoreError, FeedError, server.BindError, JobError) as error:
        status = _complain(str(error))
    except OUTAGES as outage:
        status = _complain(f"The store is busy or out of reach ({outage}). Try again.")
    sys.exit(status)


def _complain(message: str) -> int:
    typer.echo(f"training-monitor: {message}", err=True)
    return MISTAKE


def _serve(settings: Settings, companion: Companion | None = None) -> None:
    if settings.workers > 1 and not settings.feed_url:
        raise SettingsError(
            f"--workers: {settings.workers} of them need a feed to hear of each other; name one with --feed-url."
        )
    with ExitStack() as stack:
        sockets = [stack.enter_context(listening) for listening in workers.bind(settings)]
        asyncio.run(_prepare(settings))  # here, so that what is wrong with store or feed is said in one line
        said = f"training-monitor is at {server.address_of(sockets[0])}/graphql (Ctrl-C ends it)"
        if settings.workers == 1:
            server.serve(create_app(settings, companion), settings, sockets[0], lambda: typer.echo(said))
        else:
            workers.serve(settings, sockets, lambda: typer.echo(said))


async def _prepare(settings: Settings) -> None:
    await _migrate(settings)
    feed = feed_of(settings)
    try:
        await feed.check()
    finally:
        await feed.close()


async def _migrate(settings: Settings) -> list[str]:
    async with database_of(settings) as database:
        return database.applied


async def _simulate(settings: Settings, id: str, steps: int | None, per_second: float | None) -> None:
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(database_of(settings, create=False))
        stack.enter_context(database.scope())
        feed = feed_of(settings)
        stack.push_async_callback(feed.close)
        await feed.check()
        await stack.enter_async_context(feed.open(database.identity))
        jobs = Jobs(database, feed)
        job = await _job(settings, id)
        if job.status in ENDED:
            raise IllegalTransition(job, "simulate")
        if job.status is JobStatus.QUEUED:
            job = await jobs.start(job.id)
        progress = stack.enter_context(_progress())
        task = progress.add_task(job.name, total=job.total_steps, completed=job.metric_count)
        async for step in runner.run(jobs, job.id, steps=steps, per_second=per_second):
            progress.update(task, completed=step.job.metric_count)
            job = step.job
    typer.echo(f"{job.name}: {job.status.value}, {job.metric_count} of {job.total_steps} steps")


async def _rebuild_curves(settings: Settings, ids: list[str]) -> None:
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(database_of(settings, create=False))
        stack.enter_context(database.scope())
        chunks = Chunks(database)
        long = Job.filter(metric_count__gte=chunks.grain.run).order_by("id")  # a shorter job has no full run
        jobs = [await _job(settings, id) for id in ids] or await long
        progress = stack.enter_context(_progress())
        for job in progress.track(jobs, description="Jobs"):
            task = progress.add_task(job.name, total=len(chunks.runs(job.metric_count)))
            async for done in chunks.rebuild(job):
                progress.advance(task, done)
            progress.remove_task(task)
    typer.echo(f"rebuilt the curves of {len(jobs)} {'job' if len(jobs) == 1 else 'jobs'}")


async def _job(settings: Settings, id: str) -> Job:
    job = await Job.get_or_none(id=(job_id := job_id_of(ID(id))))
    if job is None:
        raise JobNotFound(job_id, f"There is no job with the id {id} in {without_password(settings.database_url)}.")
    return job


def _progress() -> "Progress":
    # Here, for a server shows none and would keep the library in its memory.
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    described = TextColumn("{task.description}", markup=False)
    return Progress(described, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
