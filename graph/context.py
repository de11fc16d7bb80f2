"""What every resolver is given."""

from collections.abc import Sequence

from strawberry.dataloader import DataLoader
from strawberry.fastapi import BaseContext
from strawberry.types import Info

from graph.live.delivery import Parts
from graph.live.stream import Streams
from models.job import Job
from models.jobs import Jobs
from models.metric import Metric
from models.points import read_after, read_latest

__all__ = ["Context", "GraphInfo"]


class Context(BaseContext):
    """The verbs, the streams and their shared parts, and the loaders that read the points of many jobs in one query.

    A WebSocket keeps one context for as long as it is open, so the loaders batch but remember nothing.
    """

    def __init__(self, jobs: Jobs, streams: Streams, parts: Parts) -> None:
        super().__init__()
        self.jobs = jobs
        self.streams = streams
        self.parts = parts
        self._after: dict[tuple[int, int], DataLoader[int, list[Metric]]] = {}
        self._latest: dict[int, DataLoader[Job, list[Metric]]] = {}

    async def metrics_after(self, job: Job, after: int, limit: int) -> list[Metric]:
        """The first `limit` points of the job with seq > `after`."""

        async def load(job_ids: list[int]) -> Sequence[list[Metric]]:
            found = await read_after(job_ids, after, limit)
            return [found[job_id] for job_id in job_ids]

        loader = self._after.setdefault((after, limit), DataLoader(load, cache=False))
        return await loader.load(job.id)

    async def latest_metrics(self, job: Job, count: int) -> list[Metric]:
        """The last `count` points of the job."""

        async def load(jobs: list[Job]) -> Sequence[list[Metric]]:
            found = await read_latest(jobs, count)
            return [found[job.id] for job in jobs]

        loader = self._latest.setdefault(count, DataLoader(load, cache=False))
        return await loader.load(job)


GraphInfo = Info[Context, None]
"""What Strawberry hands to a resolver, with our context."""
