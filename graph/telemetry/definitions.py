"""What is told at /metrics: every metric, what it is about, and its labels."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["COUNTERS", "GAUGES", "HISTOGRAMS", "PREFIX", "STATE", "Definition"]

PREFIX = "training_monitor_"


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
