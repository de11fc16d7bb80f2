"""How long each list of the schema can become: what the cost of an operation is computed from."""

from collections.abc import Mapping
from typing import NamedTuple

from graph.live.stream import BATCH
from models.curves.curve import MAX_POINTS
from models.listing import MAX_PAGE
from models.points import MAX_READ
from models.validation import MAX_VALUES
from simulator.preview import MAX_PREVIEW

__all__ = ["LENGTHS", "Given", "Length"]

VALUES = 10
"""Values that a point is taken to have where their names are not given: a long run of a dozen can be read whole, and a
point of a thousand, which few have, is cut short by nobody."""
TYPES = 50
"""About as many as the schema has; and of each of them, or of a field: """
MEMBERS = 5


class Given(NamedTuple):
    """A length that an argument limits."""

    argument: str
    most: int
    """What is beyond is refused by the field itself, which then costs nothing."""
    usual: int = 0
    """Where the argument is null."""

    def of(self, value: object) -> int:
        """The length for a value of the argument: a number, or the list of what is asked for."""
        if value is None:
            return self.usual
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
    # Counted where the points are asked for, of which each gives one.
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
"""Type and field -> objects that it gives at most, for each one of its type. Every list has a place here; what is not a
list has one where its objects hold lists that its own argument limits."""
