"""What fields of the schema can cost: how long their lists become, and what they read beside what they return."""

from collections.abc import Mapping
from typing import NamedTuple

from graph.live.stream import BATCH
from models.curves.curve import MAX_POINTS
from models.listing import MAX_PAGE
from models.points import MAX_READ
from models.validation import MAX_VALUES
from simulator.preview import MAX_PREVIEW

__all__ = ["LENGTHS", "READS", "Given", "Length"]

VALUES = 10
"""Values that a point is taken to have where their names are not given, so that a long run of a dozen can be read
whole; points of more, which are rare, are returned whole nevertheless."""
TYPES = 50
"""About the number of types in the schema."""
MEMBERS = 5
"""Fields of a type, or arguments of a field: about their average."""
SEARCH = 10_000
"""A search compares the names of all jobs: in a store of 40,000 it takes as long as so many values."""
CURVE = 5_000
"""A curve is chosen from far more points than it returns; one of a name that was never logged is looked for in vain."""


class Given(NamedTuple):
    """A length that an argument limits."""

    argument: str
    most: int
    """More is refused by the field itself, which then costs nothing."""
    default: int = 0
    """Where the argument is null."""

    def of(self, value: object) -> int:
        """The length for a value of the argument: a number, a list of the names to return, or any other for 1."""
        if value is None:
            return self.default
        if isinstance(value, list):
            return min(len(value), self.most)
        if isinstance(value, int | float):
            return int(value) if 1 <= value <= self.most else 0
        return 1


Length = int | Given

LENGTHS: Mapping[str, Length] = {
    "Query.jobs": Given("limit", MAX_PAGE),
    "Query.previewJob": Given("points", MAX_PREVIEW),
    "Job.metrics": Given("limit", MAX_READ),
    "Job.latestMetrics": Given("count", MAX_READ),
    "Job.curve": Given("points", MAX_POINTS),
    "JobPreview.curves": 7,
    "Metric.values": Given("names", MAX_VALUES, VALUES),
    "Subscription.metricsAdded": BATCH,
    # Counted by the argument `points` of the curve, of which each adds one.
    "Curve.seq": 0,
    "Curve.step": 0,
    "Curve.value": 0,
    "__Schema.types": TYPES,
    "__Schema.directives": MEMBERS,
    "__Directive.args": MEMBERS,
    "__Directive.locations": 0,
    "__Field.args": MEMBERS,
    "__Type.enumValues": MEMBERS,
    "__Type.fields": MEMBERS,
    "__Type.inputFields": MEMBERS,
    "__Type.interfaces": MEMBERS,
    "__Type.possibleTypes": MEMBERS,
}
"""Type and field -> the most objects that it returns for each object of its type. Every list is here, and every other
field that holds lists which its own argument limits."""

READS: Mapping[str, tuple[Length, int]] = {
    "Query.jobs": (Given("search", 1), SEARCH),
    "Query.previewJob": (1, CURVE),
    "Job.curve": (1, CURVE),
}
"""Type and field -> how often it reads, and what reading costs in values, whatever is returned of it."""
