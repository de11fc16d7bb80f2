"""/metrics, for Prometheus."""

import asyncio
import contextlib
import functools
import logging
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from graph.admission.connection_slots import ConnectionSlots
from graph.live.stream import Streams
from graph.telemetry.prometheus import PREFIX, AppMetrics
from models.feed.channel import Event, Feed, MetricsRecorded
from models.job_reads import count_by_status
from models.lifecycle import JobStatus
from models.store.database import Database
from models.store.errors import StoreFailure

__all__ = ["Metrics"]

log = logging.getLogger(__name__)

SAMPLE_SECONDS = 0.5
"""Between two samples of the event loop's lag and of the gauges."""
STORE_SECONDS = 1.0
"""How long a scrape waits for the store."""


class Metrics:
    """The metrics of one app, sampled and exposed; of all its workers, whichever of them is scraped."""

    def __init__(
        self, metrics: AppMetrics, database: Database, feed: Feed, streams: Streams, slots: ConnectionSlots
    ) -> None:
        self._metrics = metrics
        self._database = database
        self._feed = feed
        self._streams = streams
        self._slots = slots

    @property
    def routes(self) -> list[Route]:
        """The address."""
        return [Route("/metrics", self._expose)]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Inside, points are counted as the feed brings them, and gauges are sampled."""
        with self._feed.overhearing(self._count_points):
            sampling = asyncio.create_task(self._sample_often())
            try:
                yield
            finally:
                sampling.cancel()
                await asyncio.wait({sampling})

    def _count_points(self, event: Event) -> None:
        if isinstance(event, MetricsRecorded):
            points = self._metrics.points_simulated if event.simulated else self._metrics.points_logged
            points.inc(len(event.metrics))

    async def _sample_often(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + SAMPLE_SECONDS
            await asyncio.sleep(SAMPLE_SECONDS)
            self._metrics.loop_lag.observe(max(0.0, loop.time() - due))
            self._sample()

    def _sample(self) -> None:
        self._metrics.sockets.set(self._slots.sockets)
        self._metrics.streams.set(self._slots.streams)
        self._metrics.watchers.set(self._streams.watchers)
        self._metrics.count_live(self._streams.counts)

    async def _expose(self, _: Request) -> Response:
        jobs = await self._count_jobs()
        self._sample()
        exposition = _Exposition(self._metrics.registry, _state(jobs))
        body = await asyncio.to_thread(generate_latest, exposition)  # some 20 ms where there are many operations
        return Response(body, headers={"Cache-Control": "no-store"}, media_type=CONTENT_TYPE_LATEST)

    async def _count_jobs(self) -> Mapping[JobStatus, int] | None:
        """How many jobs are in each status; None where the store does not answer."""
        try:
            async with asyncio.timeout(STORE_SECONDS):
                return await count_by_status(self._database.reader)
        except TimeoutError:
            log.warning("could not count the jobs for /metrics within %g seconds", STORE_SECONDS)
        except StoreFailure as outage:
            log.warning("could not count the jobs for /metrics: %s", outage)
        except Exception:  # store_up is 0 whatever the reason
            log.exception("could not count the jobs for /metrics")
        return None


class _Exposition(Collector):
    """All that one scrape exposes."""

    def __init__(self, registry: CollectorRegistry, state: Iterable[Metric]) -> None:
        self._registry = registry
        self._state = state

    def collect(self) -> Iterator[Metric]:
        """The metrics of all workers, of their processes, and the state that they share."""
        pids = []
        for family in self._counted():
            # When a counter began is a series more for each, and Prometheus finds resets without it.
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            if family.name == f"{PREFIX}_worker_up":
                pids = [sample.labels.get("pid", str(os.getpid())) for sample in family.samples]
            yield family
        yield from _of_processes(pids)
        yield from self._state

    def _counted(self) -> Iterable[Metric]:
        folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        if folder and Path(folder).is_dir():
            of_all: Collector = MultiProcessCollector(None, folder)  # type: ignore[no-untyped-call]  # it has no hints
            return of_all.collect()
        return self._registry.collect()


def _state(jobs: Mapping[JobStatus, int] | None) -> list[Metric]:
    """What is the same for all workers."""
    build = InfoMetricFamily(f"{PREFIX}_build", "The version that serves", {"version": version("training-monitor")})
    up = GaugeMetricFamily(f"{PREFIX}_store_up", "Whether the store answers: 1, or 0", jobs is not None)
    counted = GaugeMetricFamily(f"{PREFIX}_jobs", "Jobs in the store", labels=("status",))
    for status, count in (jobs or {}).items():
        counted.add_metric((status.value,), count)
    return [build, up, counted]


def _of_processes(pids: Iterable[str]) -> Iterable[Metric]:
    """Memory, CPU time and open files of processes, by their ids."""
    families: dict[str, Metric] = {}
    for pid in pids:
        for one in ProcessCollector(pid=functools.partial(str, pid), registry=None).collect():
            family = families.setdefault(one.name, Metric(one.name, one.documentation, one.type))
            family.samples += [sample._replace(labels={"pid": pid}) for sample in one.samples]
    return families.values()
