"""The Prometheus metrics of one app: each is defined and counted here, and `graph.metrics` exposes them.

Workers share theirs by prometheus_client's multiprocess mode: where PROMETHEUS_MULTIPROC_DIR is set when this is
imported, values live in files of that folder, and a process may have one app only.
"""

import functools
from collections.abc import MutableMapping

from cachetools import LRUCache
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from graph.live.changes import LiveCounts
from graph.telemetry.call import ANONYMOUS, Call

__all__ = ["PREFIX", "AppMetrics", "OperationLabels"]

PREFIX = "training_monitor"
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds."""
MAX_LABELS = 100
"""Operation names with a label of their own: clients choose names, and each label costs Prometheus some 20 series."""
FREE_LABELS = 10
MAX_CANDIDATES = 1_000
"""Names whose calls are counted until they earn a label."""
# No document can name an operation like the following.
UNKNOWN = "<unknown>"
"""The label of requests without a valid document."""
PAGE = "<page>"
"""The label of failed requests for pages, health and metrics."""
OTHER = "<other>"
"""The label of operations whose name has none."""


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


class AppMetrics:
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

    def count_live(self, live: LiveCounts) -> None:
        """Bring the counters of live streams up to date: `live` counts plain numbers, once a point and watcher."""
        self._delivered.inc(live.delivered - self._live.delivered)
        self._overflows.inc(live.overflows - self._live.overflows)
        self._gaps.inc(live.gaps - self._live.gaps)
        self._live = LiveCounts(live.delivered, live.overflows, live.gaps)

    def _operation(self, call: Call) -> str:
        if not call.is_known:
            return PAGE if call.is_page else UNKNOWN
        return self._labels.label(call.operation) if call.operation else ANONYMOUS
