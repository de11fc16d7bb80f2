"""What is counted, as metrics for Prometheus, at /metrics.

A worker knows only what it has counted itself, and a scrape reaches one of them: so they share their numbers.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from importlib.metadata import version

from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from graph.admission.connection_slots import Places
from graph.live.stream import Streams
from graph.metrics.shared import Samples, Shared, Worker, total
from graph.telemetry.counts import BOUNDS, Counts
from graph.telemetry.definitions import COUNTERS, GAUGES, HISTOGRAMS, PREFIX, STATE
from models.feed.channel import Event, Feed, MetricsRecorded
from models.lifecycle import JobStatus
from models.listing import count_by_status
from models.store.database import OUTAGES, Database

__all__ = ["Metrics"]

log = logging.getLogger(__name__)

TICK_SECONDS = 0.5
"""Between two looks at how late the event loop is."""
SAVE_TICKS = 2
"""Of those, how many until the numbers are left for other workers."""
JOBS_SECONDS = 5.0
"""For how long the counts of jobs are good: the store is not asked for each scrape."""
STORE_SECONDS = 1.0
"""How long a scrape waits for the store."""


class Metrics:
    """What one app tells at /metrics."""

    def __init__(
        self, counts: Counts, database: Database, feed: Feed, streams: Streams, places: Places, worker: Worker
    ) -> None:
        self._counts = counts
        self._database = database
        self._feed = feed
        self._streams = streams
        self._places = places
        self._worker = worker
        self._shared = Shared(worker)
        self._process = ProcessCollector(registry=None)
        self._before: Samples = {}
        """What those had counted that this worker has replaced."""
        self._jobs: Mapping[JobStatus, int] | None = None
        """None while the store does not answer."""
        self._jobs_until = 0.0
        self._asking: asyncio.Task[None] | None = None

    @property
    def routes(self) -> list[Route]:
        """The address."""
        return [Route("/metrics", self._tell)]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Inside, what has no other occasion to be counted is."""
        self._before = self._shared.left_before()
        for name, _ in self._before.get("requests_total", {}):
            self._counts.names.told(name)  # its names are ours, or there would be more of them with each death
        with self._feed.overhearing(self._hear):
            ticking = asyncio.create_task(self._tick())
            try:
                yield
            finally:
                ticking.cancel()
                await asyncio.wait({ticking})

    def _hear(self, event: Event) -> None:
        if isinstance(event, MetricsRecorded):
            if event.simulated:
                self._counts.simulated += len(event.metrics)
            else:
                self._counts.logged += len(event.metrics)

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        ticks = 0
        while True:
            due = loop.time() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            self._counts.lag.observe(max(0.0, loop.time() - due))
            ticks += 1
            if ticks % SAVE_TICKS == 0:
                self._shared.leave(self._own())

    async def _tell(self, _: Request) -> Response:
        await self._ask_for_jobs()
        own = self._own()
        self._shared.leave(own)
        samples = self._shared.of_all(own)
        body = generate_latest(_Families([*_families(samples), *self._state()]))
        return Response(body, headers={"Cache-Control": "no-store"}, media_type=CONTENT_TYPE_LATEST)

    async def _ask_for_jobs(self) -> None:
        """Know how many jobs there are, as of some seconds ago at most; nobody waits for long, and few ask."""
        if asyncio.get_running_loop().time() >= self._jobs_until:
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._count_jobs())
            done, _ = await asyncio.wait({self._asking}, timeout=STORE_SECONDS)
            if not done:
                self._jobs = None

    async def _count_jobs(self) -> None:
        try:
            with self._database.scope():
                self._jobs = await count_by_status()
        except OUTAGES as outage:
            self._jobs = None
            log.warning("jobs could not be counted: %s", outage)
        except Exception:  # told as what it is: it does not work
            self._jobs = None
            log.exception("jobs could not be counted")
        self._jobs_until = asyncio.get_running_loop().time() + JOBS_SECONDS

    def _own(self) -> Samples:
        """The numbers of this worker, and of those it has replaced."""
        counts, live, samples = self._counts, self._streams.counts, Samples()
        samples["requests_total"] = {(*key,): [number] for key, number in counts.calls.items()}
        samples["request_duration_seconds"] = {(name,): it.numbers for name, it in counts.durations.items()}
        samples["resolver_duration_seconds"] = {(): counts.resolvers.numbers}
        samples["database_duration_seconds"] = {("read",): counts.reads.numbers, ("write",): counts.writes.numbers}
        samples["loop_lag_seconds"] = {(): counts.lag.numbers}
        samples["points_received_total"] = {("logged",): [counts.logged], ("simulated",): [counts.simulated]}
        samples["points_delivered_total"] = {(): [live.delivered]}
        samples["buffer_overflows_total"] = {(): [live.overflows]}
        samples["feed_gaps_healed_total"] = {(): [live.gaps]}
        samples["sockets"] = {(): [self._places.sockets]}
        samples["streams"] = {(): [self._places.streams]}
        samples["watchers"] = {(): [self._streams.watchers]}
        for family in self._process.collect():
            for sample in family.samples:
                samples[sample.name] = {(str(self._worker.number),): [sample.value]}
        return total([samples, self._before])

    def _state(self) -> Iterator[Metric]:
        info = InfoMetricFamily(f"{PREFIX}build", "The version that is served")
        info.add_metric((), {"version": version("training-monitor")})
        yield info
        yield GaugeMetricFamily(f"{PREFIX}store_up", STATE["store_up"].help, value=float(self._jobs is not None))
        jobs = GaugeMetricFamily(f"{PREFIX}jobs", STATE["jobs"].help, labels=STATE["jobs"].labels)
        for status, count in (self._jobs or {}).items():
            jobs.add_metric((status.value,), count)
        yield jobs


class _Families(Collector):
    """Metrics that are there already, for the library to write."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """Those."""
        return self._families


def _families(samples: Samples) -> Iterator[Metric]:
    for name, definition in COUNTERS.items():
        counter = CounterMetricFamily(PREFIX + name, definition.help, labels=definition.labels)
        for labels, (number,) in samples.get(name, {}).items():
            counter.add_metric(labels, number)
        yield counter
    for name, definition in GAUGES.items():
        gauge = GaugeMetricFamily(PREFIX + name, definition.help, labels=definition.labels)
        for labels, (number,) in samples.get(name, {}).items():
            gauge.add_metric(labels, number)
        yield gauge
    for name, definition in HISTOGRAMS.items():
        histogram = HistogramMetricFamily(PREFIX + name, definition.help, labels=definition.labels)
        for labels, numbers in samples.get(name, {}).items():
            histogram.add_metric(labels, _buckets(numbers[:-1]), numbers[-1])
        yield histogram
    for name in sorted(samples):
        if name.startswith("process_"):
            kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            of_process = kind(name, f"{name.removeprefix('process_')} of a worker's process", labels=("worker",))
            for labels, (number,) in samples[name].items():
                of_process.add_metric(labels, number)
            yield of_process


def _buckets(counts: list[float]) -> list[tuple[str, float]]:
    """How many took no longer than each bound, as Prometheus has it."""
    bounds = [*map(str, BOUNDS), "+Inf"]
    return [(bound, sum(counts[: place + 1])) for place, bound in enumerate(bounds)]
