"""How far running jobs have come, reported at the paces that followers request."""

import asyncio
import contextlib
import math
from collections.abc import Iterator
from itertools import takewhile

from graph.live.wakeups import Signal, Wakeups
from models.job import Job
from models.job_reads import jobs_by_id, running_counts
from models.lifecycle import ENDED, JobStatus
from models.store.database import Database

__all__ = ["Pace", "Progress"]


class Pace:
    """Reports to followers that request progress each `every` seconds, in rounds: the latest of each job that moved.

    Followers keep only the last round that they were given. What is kept for them is one row a running job, so a slow
    follower skips what is no longer the latest, and costs nothing.
    """

    def __init__(self, every: float, wakeups: Wakeups) -> None:
        self.followers = 0
        self.round = 0
        self._every = every
        self._next: dict[int, Job] = {}
        self._reported: dict[int, tuple[int, Job]] = {}
        """By job, with the round it was reported in, the latest last."""
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._changed = Signal(wakeups)

    def hear(self, job: Job) -> None:
        """Report a job that has come further in the next round, which is at once if none was lately."""
        self._next[job.id] = job
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(max(self._due, loop.time()), self._report)

    def forget(self, job_id: int) -> None:
        """Report no more of a job: it has ended."""
        self._next.pop(job_id, None)
        self._reported.pop(job_id, None)

    def since(self, round: int) -> list[Job]:
        """The latest of each job that was reported after a round, in that order."""
        later = takewhile(lambda reported: reported[0] > round, reversed(self._reported.values()))
        return [job for _, job in later][::-1]

    async def wait(self) -> None:
        """Return at the next round, or at `wake`."""
        await self._changed.wait()

    def wake(self) -> None:
        """Wake the followers that wait now."""
        self._changed.wake()

    def close(self) -> None:
        """Report nothing more."""
        if self._timer is not None:
            self._timer.cancel()

    def _report(self) -> None:
        self._timer = None
        self._due = asyncio.get_running_loop().time() + self._every
        self.round += 1
        for job_id, job in self._next.items():
            self._reported.pop(job_id, None)
            self._reported[job_id] = self.round, job
        self._next = {}
        self.wake()


class Progress:
    """How many points running jobs are known to have, while a client follows that, and the paces of reporting it."""

    def __init__(self, database: Database, wakeups: Wakeups) -> None:
        self._database = database
        self._paces: dict[float, Pace] = {}
        self._wakeups = wakeups
        self._still = Pace(math.inf, wakeups)
        """Where followers wait that request no progress: it reports none."""
        self._counts: dict[int, int] = {}
        self._begun = False

    @property
    def is_followed(self) -> bool:
        """Whether a client follows progress now."""
        return bool(self._paces)

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
                self._counts, self._begun = {}, False

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
        further = [
            job_id
            for job_id, count in await running_counts(self._database.reader)
            if count > self._counts.get(job_id, 0)
        ]
        return [*(await jobs_by_id(self._database.reader, further)).values()] if further else []

    def hear(self, job: Job) -> None:
        """Receive a RUNNING job as it is, or was; what is known only ever grows."""
        if job.metric_count > self._counts.get(job.id, 0):
            self._counts[job.id] = job.metric_count
            for pace in self._paces.values():
                pace.hear(job)

    def learn(self, job: Job) -> None:
        """Receive a job whose status changed, which is reported at once; after its end nothing of it is."""
        if job.status in ENDED:
            self._counts.pop(job.id, None)
            for pace in self._paces.values():
                pace.forget(job.id)
        elif job.status is JobStatus.RUNNING and self._paces:
            if job.id in self._counts:  # it came further before it was known to run, and may have come further since
                self.hear(job)
            else:
                self._counts[job.id] = job.metric_count

    def wake(self) -> None:
        """Wake all followers that wait, at every pace."""
        for pace in (self._still, *self._paces.values()):
            pace.wake()
