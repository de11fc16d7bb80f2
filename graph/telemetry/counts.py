"""What is counted, as plain numbers: a request has no time for more. They become metrics when somebody asks."""

from bisect import bisect_left
from collections import defaultdict

from graph.telemetry.call import ANONYMOUS, Call

__all__ = ["BOUNDS", "Counts", "Histogram", "Names"]

BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds up to which each part of a histogram reaches; the last part has no end."""
MAX_OPERATIONS = 100
"""Names of operations that are told apart: clients choose them, and each costs whoever keeps the metrics."""
UNKNOWN = "<unknown>"
"""What stands for the operation where there was no valid document."""
PAGE = "<page>"
"""And for a page, or what stands beside the API, that was not given."""
OTHER = "<other>"
"""What stands for those beyond. No document can name an operation so."""


class Histogram:
    """How many of what was timed took how long."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Count one that took so long."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    @property
    def numbers(self) -> list[float]:
        """How many fell into each part, and the seconds of all."""
        return [*self.counts, self.total]


class Names:
    """The names of operations that are told apart: those that came first."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def told(self, name: str) -> str:
        """What an operation of that name is told under."""
        known = self._known.get(name)
        if known is None:
            if name.startswith("<"):  # it stands for others already
                return name
            if len(self._known) >= MAX_OPERATIONS:
                return OTHER
            known = self._known[name] = name
        return known


class Counts:
    """What one app has counted since it was made."""

    def __init__(self) -> None:
        self.calls: defaultdict[tuple[str, str], int] = defaultdict(int)
        """By the name of the operation and the outcome."""
        self.durations: defaultdict[str, Histogram] = defaultdict(Histogram)
        """Of queries and mutations, by the name of the operation."""
        self.resolvers = Histogram()
        self.reads = Histogram()
        self.writes = Histogram()
        self.lag = Histogram()
        self.logged = 0
        self.simulated = 0
        self.names = Names()

    def call(self, call: Call) -> None:
        """Count one that has ended."""
        name = self._name(call)
        self.calls[name, call.outcome] += 1
        if call.kind and call.kind != "subscription":  # those last for as long as somebody watches
            self.durations[name].observe(call.seconds)
            if call.resolved:
                self.resolvers.observe(call.resolved)

    def _name(self, call: Call) -> str:
        if not call.is_known:
            return PAGE if call.is_page else UNKNOWN
        return self.names.told(call.operation) if call.operation else ANONYMOUS
