"""How far running jobs have come, reported at the paces that followers request."""

import asyncio
import contextlib
from collections.abc import Iterator
from itertools import takewhile

from graph.live.wakeups import Signal, Wakeups
from models.job import Job
from models.job_reads import jobs_by_id, running_counts
from models.lifecycle import ENDED, JobStatus
from models.store.database import Database


class Pace:
    """Rounds, at most one each `every` seconds, in which followers that request that pace are woken."""

    def __init__(self, every: float, wakeups: Wakeups) -> None:
        self.followers = 0
        self.round = 0
        self.changed = Signal(wakeups)
        """Wakes followers at the next round, and whenever a job changes."""
        self._every = every
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def hasten(self) -> None:
        """Begin the next round as soon as it is due, which is at once if none was lately."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(max(self._due, loop.time()), self._begin_round)

    def close(self) -> None:
        """Begin no round any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _begin_round(self) -> None:
        self._timer = None
        self._due = asyncio.get_running_loop().time() + self._every
        self.round += 1
        self.changed.wake()


class Progress:
    """How far running jobs are known to have come, while a client follows that.

    What is kept is one row a job that moved, whatever the number and the paces of the followers: one that is slow skips
    what is no longer the latest.
    """

    def __init__(self, database: Database, wakeups: Wakeups) -> None:
        self.moves = 0
        """Received so far: a follower's place."""
        self._database = database
        self._wakeups = wakeups
        self._paces: dict[float, Pace] = {}
        self._still = Pace(0, wakeups)
        """Where followers wait that request no progress: it has no rounds."""
        self._counts: dict[int, int] = {}
        self._moved: dict[int, tuple[int, Job]] = {}
        """By job, with the number of its last move, the latest last."""
        self._begun = False

    @contextlib.contextmanager
    def following(self, every: float | None) -> Iterator[Pace]:
        """The pace of followers that request progress each `every` seconds; for None, of those that request none."""
        if every is None:
            yield self._still
            return
        pace = self._paces.setdefault(every, Pace(every, self._wakeups))
        pace.followers += 1
        try:
            yield pace
        finally:
            pace.followers -= 1
            if not pace.followers:
                del self._paces[every]
                pace.close()
            if not self._paces:
                self._counts, self._moved, self._begun = {}, {}, False

    async def begin(self) -> None:
        """Learn from the store how far jobs are. To be called once `hear` receives what happens."""
        if not self._begun:
            for job_id, count in await running_counts(self._database.reader):
                self._counts.setdefault(job_id, count)
            self._begun = True

    async def check(self) -> list[Job]:
        """The jobs that have come further by what the store knows, as they now are: one query where there are none."""
        if not self._begun:
            return []
        counts = await running_counts(self._database.reader)
        further = [job_id for job_id, count in counts if count > self._counts.get(job_id, 0)]
        return [*(await jobs_by_id(self._database.reader, further)).values()] if further else []

    def since(self, moves: int) -> list[Job]:
        """The latest of each job that moved after so many moves, in that order."""
        later = takewhile(lambda moved: moved[0] > moves, reversed(self._moved.values()))
        return [job for _, job in later][::-1]

    def hear(self, job: Job) -> None:
        """Receive a RUNNING job as it is, or was; what is known only ever grows, and only while a client follows."""
        if self._paces and job.metric_count > self._counts.get(job.id, 0):
            self._counts[job.id] = job.metric_count
            self.moves += 1
            self._moved.pop(job.id, None)
            self._moved[job.id] = self.moves, job
            for pace in self._paces.values():
                pace.hasten()

    def learn(self, job: Job) -> None:
        """Receive a job that changed: its followers are given that, and no progress from before."""
        self._moved.pop(job.id, None)
        if job.status in ENDED:
            self._counts.pop(job.id, None)
        elif job.status is JobStatus.RUNNING and self._paces:
            self._counts[job.id] = max(job.metric_count, self._counts.get(job.id, 0))

    def forget(self, job_id: int) -> None:
        """Receive that a job was deleted."""
        self._moved.pop(job_id, None)
        self._counts.pop(job_id, None)

    def wake(self) -> None:
        """Wake all followers, for a job changed."""
        for pace in (self._still, *self._paces.values()):
            pace.changed.wake()
