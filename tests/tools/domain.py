"""The domain without a server: a store, its verbs, and whom they tell."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from models.feed.channel import Event, Feed
from models.job import Job, now
from models.job_reads import get_job
from models.jobs import Jobs
from models.lifecycle import JobStatus
from models.metric import Point, Recorded
from models.points import MAX_READ, read_after
from models.store.database import Database
from models.store.statements import Query, Reader
from models.validation import NewJob
from tests.tools.waiting import PATIENCE

_OPEN: list[Database] = []


@dataclass(frozen=True)
class Domain:
    """An open store with its verbs and its feed."""

    database: Database
    feed: Feed
    jobs: Jobs

    async def job(self, status: JobStatus = JobStatus.RUNNING, **settings: Any) -> Job:
        """A new job that has come to `status`."""
        job = await self.jobs.create(NewJob(**{**A_JOB, **settings}))
        if status is JobStatus.FAILED:
            return await self.jobs.fail(job.id, "enough")
        if status is not JobStatus.QUEUED:
            job = await self.jobs.start(job.id)
        return await self.jobs.complete(job.id) if status is JobStatus.COMPLETE else job

    async def now(self, id: int) -> Job:
        """The job as it is stored now."""
        return await get_job(self.database.reader, id)

    async def stored(self, job: Job) -> list[Recorded]:
        """All points of a job, by seq."""
        return (await read_after(self.database.reader, [job.id], 0, MAX_READ))[job.id]

    async def record(self, job: Job, first: int, count: int, at_once: int = 500) -> None:
        """Log the points of `count` steps from `first` on."""
        for start in range(first, first + count, at_once):
            await self.jobs.log(job.id, points(start, min(at_once, first + count - start)))

    @contextlib.contextmanager
    def heard(self, job_id: int | None = None) -> Iterator[list[Event]]:
        """The events of one job, or of all, that are published inside the block."""
        events: list[Event] = []
        with self.feed.listening(events.append, job_id):
            yield events


A_JOB = {"name": "run", "model_name": "resnet", "epochs": 10, "learning_rate": 0.1, "seed": 7}


@contextlib.asynccontextmanager
async def opened_domain(
    url: str, feed: Feed | None = None, connections: int = 10, **settings: Any
) -> AsyncIterator[Domain]:
    """A store, open inside the block; `settings` of its Database."""
    feed = feed or Feed()
    async with Database(url, connections=connections, **settings) as database:
        _OPEN.append(database)
        try:
            yield Domain(database, feed, Jobs(database, feed))
        finally:
            _OPEN.remove(database)


def a_job(**fields: Any) -> Job:
    """A job that no store has: RUNNING, with defaults for what is not named."""
    at = now()
    plain: dict[str, Any] = dict.fromkeys(Job._fields)
    plain |= {"id": 1, "name": "run", "project": "default", "tag_list": "[]", "notes": "", "model_name": "resnet"}
    plain |= {"status": JobStatus.RUNNING, "epochs": 10, "learning_rate": 0.1}
    plain |= {"metric_count": 0, "furthest_step": -1, "progress_step": 0, "created_at": at, "updated_at": at}
    plain |= {"started_at": at, "attempt": 1, "attempt_started_at": at, "attempt_first_seq": 1, "cuts": "[]"}
    return Job(**{**plain, "change": 1, **fields})


def a_point(step: int, /, epoch: int | None = None, **values: float) -> Point:
    """A point with its values by name; a loss where none is named."""
    return Point(step, values or {"loss": step / 8}, epoch)


def points(first: int, count: int) -> Sequence[Point]:
    """Points of `count` steps from `first` on."""
    return [a_point(step) for step in range(first, first + count)]


async def all_has_begun(*readers: Reader) -> None:
    """Return once the tasks that were begun have read what they read first: by these readers, or by all open domains.

    Each store must have one connection, on which reads are answered one after another.
    """
    for _ in range(4):
        await asyncio.sleep(0)
        for reader in readers or [database.reader for database in _OPEN]:
            await reader.rows(Query("SELECT 1"))


def is_upkeep(text: str) -> bool:
    """Whether a server sends the statement by itself, whenever it is time."""
    return any(part in text for part in UPKEEP)


UPKEEP = (
    'FROM "token"',
    'FROM "alert_rule"',
    'FROM "deleted_job"',
    'FROM "alert_delivery"',
    '"beat_seconds" IS NOT NULL',
)
"""For new tokens and rules, deleted jobs, deliveries, and jobs that promised signs."""


class Statements(logging.Handler):
    """What stores were asked, in order."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.all: list[str] = []
        self._more = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of a statement."""
        text = str(record.args[0]) if isinstance(record.args, tuple) and record.args else record.getMessage()
        if not is_upkeep(text):
            self.all.append(text)
            self._more.set()

    def about(self, table: str) -> list[str]:
        """Those that read a table."""
        return [text for text in self.all if text.startswith("SELECT") and f'FROM "{table}"' in text]

    async def until(self, count: int, table: str) -> None:
        """Return once the table was read that often. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            while len(self.about(table)) < count:
                self._more.clear()
                await self._more.wait()


@contextlib.contextmanager
def statements() -> Iterator[Statements]:
    """The statements that are sent to stores inside the block."""
    logger, handler = logging.getLogger("tortoise.db_client"), Statements()
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False  # they would fill the report of a failed test
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
