"""What every resolver gets."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, NamedTuple, TypeVar

from graphql import GraphQLError
from strawberry.dataloader import DataLoader
from strawberry.types import Info

from graph.admission.caller import Caller
from graph.admission.connection_slots import Slot
from graph.execution.results import CODES
from graph.execution.running import Operations
from graph.live.stream import Streams
from graph.plans.answers import Answers
from models.alerts.alerts import AlertFilter, Alerts, count_alerts, rules_by_id
from models.alerts.rule import AlertRule
from models.attempts import Attempt, attempts_of
from models.config import Config, TooLong, masked, read_configs
from models.curves.curve import Curve, Wanted
from models.curves.reading import Curves
from models.job import Job
from models.job_list import JobFilter, JobOrder, Listed, count_jobs, list_jobs
from models.job_reads import jobs_by_id
from models.jobs import Jobs
from models.metric import Recorded
from models.points import read_after, read_latest
from models.series import MOST_SERIES, Series, count_series, read_series
from models.store.database import Database

__all__ = ["Context", "GraphInfo", "Services"]

Key = TypeVar("Key")
Value = TypeVar("Value")

CURVES = 20
"""Curves that are read together, before another client has its turn."""


class Services(NamedTuple):
    """What an app has one of, for all operations."""

    operations: Operations
    database: Database
    jobs: Jobs
    alerts: Alerts
    streams: Streams
    curves: Curves
    answers: Answers | None
    """None where no compiled plan is to be used, and Strawberry answers everything."""
    show_secrets: bool = False
    """Whether configs are shown, and found by, with their secrets."""


class Context:
    """The services of the app, the caller, and loaders, which read many jobs in one query, and the points of many.

    A WebSocket keeps one context for as long as it is open, so loaders batch but remember nothing.
    """

    __slots__ = (
        "_loaders",
        "alerts",
        "answers",
        "caller",
        "connection_params",
        "curves",
        "database",
        "jobs",
        "operations",
        "show_secrets",
        "slot",
        "streams",
    )

    def __init__(self, services: Services, caller: Caller | None) -> None:
        """`caller`: None while a socket is unauthenticated."""
        self.operations, self.database, self.jobs, self.alerts, self.streams, self.curves, self.answers, _ = services
        self.show_secrets = services.show_secrets
        self.caller = caller
        self.connection_params: dict[str, Any] | None = None
        """The payload of a socket's connection_init, until it is authenticated: it may have a token."""
        self.slot: Slot | None = None
        """The slot of an unauthenticated socket."""
        self._loaders: dict[str, DataLoader[Any, Any]] = {}

    @property
    def may_write(self) -> bool:
        """Whether the caller may run mutations."""
        return self.caller is not None and self.caller.may_write

    async def job(self, id: int) -> Job | None:
        """The job with that id, or None."""
        return await self._loaded(self._load_jobs, id)

    async def count_alerts(self, filter: AlertFilter) -> int:
        """How many alerts the filter means."""
        return await self.operations.read(count_alerts(self.database.reader, filter))

    async def alert_rule(self, id: int) -> AlertRule | None:
        """The rule with that id, or None."""
        return await self._loaded(self._load_rules, id)

    async def count_jobs(self, filter: JobFilter) -> int:
        """How many jobs the filter means."""
        return await self.operations.read(count_jobs(self.database.reader, filter, secrets=self.show_secrets))

    async def list_jobs(self, filter: JobFilter, order: JobOrder, first: int, after: str | None) -> Listed:
        """A page of a list of jobs. Raises BadCursor."""
        listing = list_jobs(self.database.reader, filter, order, first, after, secrets=self.show_secrets)
        return await self.operations.read(listing)

    async def attempts(self, job: Job) -> list[Attempt]:
        """The attempts of the job."""
        return await self._loaded(self._load_attempts, job)

    async def series(self, job: Job, names: Collection[str] | None) -> list[Series]:
        """The series of the job, or those of some names."""
        return await self._loaded(self._load_series, (job.id, None if names is None else tuple(names)))

    async def config(self, job: Job) -> Config:
        """What was said of how the job was set up, with its secrets masked."""
        config: Config = await self._loaded(self._load_configs, job.id)
        return config

    async def metrics_after(self, job: Job, after: int, limit: int) -> list[Recorded]:
        """The first `limit` points of the job with seq > `after`."""
        return await self._loaded(self._load_after, (job, after, limit))

    async def latest_metrics(self, job: Job, count: int) -> list[Recorded]:
        """The last `count` points of the job."""
        return await self._loaded(self._load_latest, (job, count))

    async def curve(self, wanted: Wanted) -> Curve:
        """One named value of a job over the steps."""
        return await self._loaded(self._read_curves, wanted, CURVES)

    def _loaded(
        self, load: Callable[[list[Key]], Awaitable[Sequence[Value]]], key: Key, at_once: int | None = None
    ) -> Awaitable[Value]:
        """What `load` gives for the key, called once for all keys that are requested in one turn of the loop."""
        loader = self._loaders.get(load.__name__)
        if loader is None:
            loader = self._loaders[load.__name__] = DataLoader(load, cache=False, max_batch_size=at_once)
        return loader.load(key)

    async def _read_curves(self, wanted: list[Wanted]) -> list[Curve]:
        return await self.operations.read(self.curves.read(wanted))

    async def _load_rules(self, ids: list[int]) -> Sequence[AlertRule | None]:
        found = await rules_by_id(self.database.reader, ids)
        return [found.get(id) for id in ids]

    async def _load_attempts(self, jobs: list[Job]) -> Sequence[list[Attempt]]:
        found = await attempts_of(self.database.reader, jobs)
        return [found[job.id] for job in jobs]

    async def _load_series(self, asked: list[tuple[int, tuple[str, ...] | None]]) -> Sequence[list[Series]]:
        ids = sorted({job_id for job_id, _ in asked})
        unnamed = sorted({job_id for job_id, names in asked if names is None})
        if len(unnamed) > 1 and (count := await count_series(self.database.reader, unnamed)) > MOST_SERIES:
            message = f"{len(unnamed)} jobs have {count} series, at most {MOST_SERIES} are read at once: name them, "
            raise GraphQLError(f'{message}as in series(names: ["loss"]).', extensions={"code": CODES["max_cost"]})
        found = await read_series(self.database.reader, ids)
        return [[each for each in found[job_id] if names is None or each.name in names] for job_id, names in asked]

    async def _load_configs(self, job_ids: list[int]) -> Sequence[Config]:
        try:
            found = await read_configs(self.database.reader, sorted({*job_ids}))
        except TooLong as error:
            raise GraphQLError(str(error), extensions={"code": CODES["max_cost"]}) from error
        shown = found if self.show_secrets else {id: Config(*map(masked, config)) for id, config in found.items()}
        return [shown.get(job_id, Config(None, None)) for job_id in job_ids]

    async def _load_jobs(self, ids: list[int]) -> Sequence[Job | None]:
        """One query, whatever the number of jobs: one that asks for a hundred must not keep others from the store."""
        found = await jobs_by_id(self.database.reader, ids)
        return [found.get(id) for id in ids]

    async def _load_after(self, asked: list[tuple[Job, int, int]]) -> Sequence[list[Recorded]]:
        """One query for each requested range, whatever the number of jobs."""
        ranges: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for job, after, limit in asked:
            ranges[after, limit].append(job.id)
        reader = self.database.reader
        found = {range: await read_after(reader, ids, *range) for range, ids in ranges.items()}
        return [found[after, limit][job.id] for job, after, limit in asked]

    async def _load_latest(self, asked: list[tuple[Job, int]]) -> Sequence[list[Recorded]]:
        """One query for each requested count, whatever the number of jobs."""
        counts: defaultdict[int, list[Job]] = defaultdict(list)
        for job, count in asked:
            counts[count].append(job)
        found = {count: await read_latest(self.database.reader, jobs, count) for count, jobs in counts.items()}
        # One job may be requested as it was at two moments: each gets the last points of its own.
        return [
            [point for point in found[count][job.id] if job.metric_count - count < point.seq <= job.metric_count]
            for job, count in asked
        ]


GraphInfo = Info[Context, None]
"""What Strawberry hands to a resolver, with our context."""
