"""What is counted, as metrics for Prometheus, at /metrics.

A worker knows only what it has counted itself, and a scrape reaches one of them. So each leaves its numbers in a
file of the folder that they share, once a second, and whoever is asked adds up what is there. The client library's own
way, by files mapped into memory, would write there for each request, keep a process from having two apps, and know no
numbers that are read when somebody asks.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import orjson
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

from graph.live.stream import Streams
from graph.telemetry.counts import BOUNDS, Counts
from graph.view import GraphQLView
from models.database import OUTAGES, Database
from models.feed import Event, Feed, MetricsRecorded
from models.lifecycle import JobStatus
from models.listing import count_by_status

__all__ = ["COUNTERS", "GAUGES", "HISTOGRAMS", "PREFIX", "STATE", "Metrics", "Worker"]

log = logging.getLogger(__name__)

PREFIX = "training_monitor_"
TICK_SECONDS = 0.5
"""Between two looks at how late the event loop is."""
SAVE_TICKS = 2
"""Of those, how many until the numbers are left for other workers."""
JOBS_SECONDS = 5.0
"""For how long the counts of jobs are good: the store is not asked for each scrape."""
STORE_SECONDS = 1.0
"""How long a scrape waits for the store."""


@dataclass(frozen=True)
class Definition:
    """What a metric is about."""

    help: str
    labels: tuple[str, ...] = ()


COUNTERS: Mapping[str, Definition] = {
    "requests_total": Definition("Requests, and operations on sockets, that ended", ("operation", "outcome")),
    "points_received_total": Definition("Points stored by this server", ("source",)),
    "points_delivered_total": Definition("Points given to watchers, one for each point and watcher"),
    "buffer_overflows_total": Definition("Times that a watcher fell behind the buffer and went on from the store"),
    "feed_gaps_healed_total": Definition("Times that news which the feed had not brought was found in the store"),
}
HISTOGRAMS: Mapping[str, Definition] = {
    "request_duration_seconds": Definition("Time of queries and mutations, to the end of the answer", ("operation",)),
    "resolver_duration_seconds": Definition("Time to execute queries and mutations; remembered answers take none"),
    "database_duration_seconds": Definition(
        "Time of a statement that reads, and of a transaction from when it is asked for", ("access",)
    ),
    "loop_lag_seconds": Definition("How late the event loop was, looked at twice a second"),
}
GAUGES: Mapping[str, Definition] = {
    "sockets": Definition("WebSockets that are open"),
    "streams": Definition("Answers over HTTP that stream"),
    "watchers": Definition("Subscriptions that follow a job's points, or the changes of jobs"),
}
"""Of each worker, and summed over them."""
STATE: Mapping[str, Definition] = {
    "jobs": Definition("Jobs in the store", ("status",)),
    "store_up": Definition("Whether the store answers: 1, or 0"),
}
"""The same for all workers: told by the one that is asked."""

Labels = tuple[str, ...]
Samples = dict[str, dict[Labels, list[float]]]
"""Metric -> values of its labels -> its number; of a histogram how many in each part, and the sum."""


@dataclass(frozen=True)
class Worker:
    """One of the processes that share a port."""

    number: int = 1
    folder: Path | None = None
    """Where they leave their numbers for each other; None where there is one only."""


class Metrics:
    """What one app tells at /metrics."""

    def __init__(
        self, counts: Counts, database: Database, feed: Feed, streams: Streams, view: GraphQLView, worker: Worker
    ) -> None:
        self._counts = counts
        self._database = database
        self._feed = feed
        self._streams = streams
        self._view = view
        self._worker = worker
        self._process = ProcessCollector(registry=None)
        self._before: Samples = {}
        """What the worker of this number had counted that died before this one: counters never go back."""
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
        if self._file and self._file.exists():
            self._before = _counted(_decoded(self._file.read_bytes()))
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
            if self._file and ticks % SAVE_TICKS == 0:
                try:
                    self._save()
                except FileNotFoundError:
                    pass  # who made the folder is gone, and so are we in a moment
                except OSError as error:  # a folder that is full or gone must not end this
                    log.warning("numbers were not left for the other workers: %s", error)

    async def _tell(self, _: Request) -> Response:
        await self._ask_for_jobs()
        samples = self._own()
        if self._worker.folder:
            self._save()
            for path in sorted(self._worker.folder.glob("*.json")):
                if path != self._file:
                    _add(samples, _decoded(path.read_bytes()))
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
        samples["sockets"] = {(): [self._view.open_sockets]}
        samples["streams"] = {(): [self._view.open_streams]}
        samples["watchers"] = {(): [self._streams.watchers]}
        for family in self._process.collect():
            for sample in family.samples:
                samples[sample.name] = {(str(self._worker.number),): [sample.value]}
        _add(samples, self._before)
        return samples

    @property
    def _file(self) -> Path | None:
        return self._worker.folder and self._worker.folder / f"{self._worker.number}.json"

    def _save(self) -> None:
        assert self._file
        new = self._file.with_suffix(".new")
        new.write_bytes(_encoded(self._own()))
        new.replace(self._file)  # at once: whoever reads it finds the old or the new

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


def _add(samples: Samples, others: Samples) -> None:
    """Add to the numbers those of others."""
    for name, rows in others.items():
        own = samples.setdefault(name, {})
        for labels, numbers in rows.items():
            mine = own.get(labels)
            own[labels] = numbers if mine is None else [a + b for a, b in zip(mine, numbers, strict=True)]


def _counted(samples: Samples) -> Samples:
    """What was counted, without what was so at the moment."""
    return {name: rows for name, rows in samples.items() if name in COUNTERS or name in HISTOGRAMS}


def _encoded(samples: Samples) -> bytes:
    return orjson.dumps({name: [*rows.items()] for name, rows in samples.items()})


def _decoded(text: bytes) -> Samples:
    return {name: {(*labels,): numbers for labels, numbers in rows} for name, rows in orjson.loads(text).items()}
