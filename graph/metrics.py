"""The Prometheus metrics of one app: each is defined and counted here, and exposed at /metrics.

Workers share theirs by prometheus_client's multiprocess mode: where PROMETHEUS_MULTIPROC_DIR is set when this is
imported, values live in files of that folder, and a process may have one app only.
"""

import asyncio
import contextlib
import functools
import logging
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from cachetools import LRUCache
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from graph.admission.connection_slots import ConnectionSlots
from graph.live.changes import LiveCounts
from graph.live.stream import Streams
from graph.telemetry.calls import ANONYMOUS, Call
from models.feed.channel import Event, Feed, MetricsRecorded
from models.job_reads import count_by_status
from models.lifecycle import JobStatus
from models.store.database import Database
from models.store.errors import StoreFailure
from models.store.statements import Reader
from models.webhooks.sender import Outcome

__all__ = ["Metrics", "OperationLabels"]

log = logging.getLogger(__name__)

PREFIX = "training_monitor"
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds
MAX_LABELS = 100
"""Operation names with a label of their own: clients choose names, and each label costs Prometheus some 20 series."""
FREE_LABELS = 10
MAX_CANDIDATES = 1_000  # names whose calls are counted until they earn a label
# No document can name an operation like the following.
UNKNOWN = "<unknown>"  # the label of requests without a valid document
PAGE = "<page>"  # the label of failed requests for pages, health and metrics
OTHER = "<other>"  # the label of operations whose name has none
SAMPLE_SECONDS = 0.5  # between two samples of the event loop's lag and of the gauges
STORE_SECONDS = 1.0  # how long a scrape waits for the store


class OperationLabels:
    """Which operation names have a label of their own.

    The first ten names get one at their first call; the price in calls doubles with every further ten. So names that
    occur once, as a client invents them, use up few labels, and frequent names still get one.
    """

    def __init__(self) -> None:
        self._labels: set[str] = set()
        self._candidates: MutableMapping[str, int] = LRUCache(MAX_CANDIDATES)

    def label(self, name: str) -> str:
        """The label of one more call of an operation: its name, or OTHER."""
        if name in self._labels:
            return name
        if len(self._labels) == MAX_LABELS:
            return OTHER
        calls = self._candidates.pop(name, 0) + 1
        if calls < 2 ** (len(self._labels) // FREE_LABELS):
            self._candidates[name] = calls
            return OTHER
        self._labels.add(name)
        return name


class Metrics:
    """The metrics of one app, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter = functools.partial(Counter, namespace=PREFIX, registry=self.registry)
        gauge = functools.partial(Gauge, namespace=PREFIX, registry=self.registry, multiprocess_mode="livesum")
        histogram = functools.partial(Histogram, namespace=PREFIX, registry=self.registry, buckets=BUCKETS)

        requests = counter("requests", "Requests, and operations on sockets, that ended", ("operation", "outcome"))
        durations = histogram(
            "request_duration_seconds", "Time of queries and mutations, to the end of the answer", ("operation",)
        )
        # Each call of `labels` takes a microsecond, and there are as many labels as `OperationLabels` has.
        self._requests, self._durations = functools.cache(requests.labels), functools.cache(durations.labels)
        self._resolvers = histogram(
            "resolver_duration_seconds", "Time to execute queries and mutations; cached answers take none"
        )
        database = histogram(
            "database_duration_seconds",
            "Time of a read statement, and of a write transaction with its wait for the store",
            ("access",),
        )
        self.reads, self.writes = database.labels("read"), database.labels("write")
        self.loop_lag = histogram("loop_lag_seconds", "How late the event loop was, sampled twice a second")
        points = counter("points_received", "Points stored by this server", ("source",))
        self.points_logged, self.points_simulated = points.labels("logged"), points.labels("simulated")
        self._delivered = counter("points_delivered", "Points delivered to watchers, one for each point and watcher")
        self._overflows = counter(
            "buffer_overflows", "Times that a watcher fell behind the buffer and went on from the store"
        )
        self._gaps = counter("feed_gaps_healed", "Times that news missing from the feed was found in the store")
        webhooks = counter("webhooks", "Attempts to deliver alerts to webhooks, by outcome", ("outcome",))
        self._webhooks = {outcome.value: webhooks.labels(outcome.value) for outcome in Outcome}
        self.sockets = gauge("sockets", "WebSockets that are open")
        self.streams = gauge("streams", "HTTP responses that stream")
        self.watchers = gauge("watchers", "Subscriptions that follow a job's points, or the changes of jobs")
        gauge("worker_up", "1 for each process that serves", multiprocess_mode="liveall").set(1)
        self._live = LiveCounts()
        self._labels = OperationLabels()

    def count(self, call: Call) -> None:
        """Count a call that has ended."""
        operation = self._operation(call)
        self._requests(operation, call.outcome).inc()
        if call.kind and call.kind != "subscription":  # a subscription lasts as long as its client watches
            self._durations(operation).observe(call.seconds)
            if call.resolved:
                self._resolvers.observe(call.resolved)

    def count_webhook(self, outcome: Outcome) -> None:
        """Count an attempt to deliver an alert to a webhook."""
        self._webhooks[outcome].inc()

    def _operation(self, call: Call) -> str:
        if not call.is_known:
            return PAGE if call.is_page else UNKNOWN
        return self._labels.label(call.operation) if call.operation else ANONYMOUS

    @contextlib.asynccontextmanager
    async def running(self, feed: Feed, streams: Streams, slots: ConnectionSlots) -> AsyncIterator[None]:
        """Inside, points are counted as the feed brings them, and gauges are sampled."""
        with feed.overhearing(self._count_points):
            sampling = asyncio.create_task(self._sample_often(streams, slots))
            try:
                yield
            finally:
                sampling.cancel()
                await asyncio.wait({sampling})

    def _count_points(self, event: Event) -> None:
        if isinstance(event, MetricsRecorded):
            points = self.points_simulated if event.simulated else self.points_logged
            points.inc(len(event.metrics))

    async def _sample_often(self, streams: Streams, slots: ConnectionSlots) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + SAMPLE_SECONDS
            await asyncio.sleep(SAMPLE_SECONDS)
            self.loop_lag.observe(max(0.0, loop.time() - due))
            self._sample(streams, slots)

    def _sample(self, streams: Streams, slots: ConnectionSlots) -> None:
        """Set the gauges, and the counters of live streams, which count plain numbers, once a point and watcher."""
        self.sockets.set(slots.sockets)
        self.streams.set(slots.streams)
        self.watchers.set(streams.watchers)
        live, before = streams.counts, self._live
        self._delivered.inc(live.delivered - before.delivered)
        self._overflows.inc(live.overflows - before.overflows)
        self._gaps.inc(live.gaps - before.gaps)
        self._live = LiveCounts(live.delivered, live.overflows, live.gaps)

    def route(self, database: Database, streams: Streams, slots: ConnectionSlots) -> Route:
        """/metrics, of all workers, whichever is scraped."""

        async def expose(_: Request) -> Response:
            jobs = await _count_jobs(database.reader)
            self._sample(streams, slots)
            scrape = _Scrape(self.registry, _state(jobs))
            body = await asyncio.to_thread(generate_latest, scrape)  # some 20 ms where there are many operations
            return Response(body, headers={"Cache-Control": "no-store"}, media_type=CONTENT_TYPE_LATEST)

        return Route("/metrics", expose)


async def _count_jobs(reader: Reader) -> Mapping[JobStatus, int] | None:
    """How many jobs are in each status; None where the store does not answer."""
    try:
        async with asyncio.timeout(STORE_SECONDS):
            return await count_by_status(reader)
    except TimeoutError:
        log.warning("could not count the jobs for /metrics within %g seconds", STORE_SECONDS)
    except StoreFailure as outage:
        log.warning("could not count the jobs for /metrics: %s", outage)
    except Exception:  # store_up is 0 whatever the reason
        log.exception("could not count the jobs for /metrics")
    return None


@dataclass
class _Scrape(Collector):
    """All that one scrape exposes."""

    registry: CollectorRegistry
    state: Iterable[Metric]

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
        yield from self.state

    def _counted(self) -> Iterable[Metric]:
        folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        if folder and Path(folder).is_dir():
            of_all: Collector = MultiProcessCollector(None, folder)  # type: ignore[no-untyped-call]  # it has no hints
            return of_all.collect()
        return self.registry.collect()


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
