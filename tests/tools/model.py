"""The rules of a job in as few lines as they fit, which the state machine holds the API against, and points for it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st

from simulator import curves
from simulator.scenarios import Scenario, SimulatedCrash

BESIDE = ("loss", "accuracy", "learningRate")


ENDED = {"COMPLETE", "FAILED"}


@dataclass
class ModelPoint:
    """A point that was recorded."""

    step: int
    epoch: int | None
    values: Mapping[str, float]
    stated_epoch: int | None = None
    """The epoch, where it was given."""

    def equals(self, other: "ModelPoint") -> bool:
        """Whether it need not be stored beside the other; NaN equals NaN, and 0.0 is not -0.0."""
        mine, theirs = ({name: repr(value) for name, value in point.values.items()} for point in (self, other))
        return (self.step, self.stated_epoch, mine) == (other.step, other.stated_epoch, theirs)

    def is_stored_as(self, other: "ModelPoint") -> bool:
        """The same of one that was stored before: an epoch that follows from the step need not have been given then."""
        unsaid = replace(self, stated_epoch=None) if self.stated_epoch == other.epoch else self
        return self.equals(other) or unsaid.equals(other)

    def view(self, seq: int) -> dict[str, Any]:
        """The point as the API is to show it."""
        return {
            "seq": seq,
            "step": self.step,
            "epoch": None if self.epoch is None else float(self.epoch),
            **{name: _finite(self.values.get(name, math.nan)) for name in BESIDE},
            "values": [
                {"name": name, "value": _finite(value), "nonFinite": _non_finite(value)}
                for name, value in self.values.items()
            ],
        }


@dataclass
class ModelAttempt:
    """An attempt, as the API shows it."""

    number: int = 1
    outcome: str | None = None
    fromStep: int | None = None  # noqa: N815  # the API's name
    firstSeq: int = 1  # noqa: N815  # as above


@dataclass
class ModelJob:
    """A job, and what the verbs make of it: each says whether it is allowed."""

    id: str
    settings: Mapping[str, Any] = field(repr=False)
    status: str = "QUEUED"
    started: bool = False
    reason: str | None = None
    kind: str | None = None
    archived: bool = False
    stop: dict[str, Any] | None = None
    attempts: list[ModelAttempt] = field(default_factory=list)
    points: list[ModelPoint] = field(default_factory=list, repr=False)
    superseded: set[int] = field(default_factory=set, repr=False)
    """The seqs of points that no curve and no series has."""

    @property
    def total_steps(self) -> int:
        return int(self.settings["epochs"] * self.settings["stepsPerEpoch"])

    @property
    def live(self) -> list[tuple[int, ModelPoint]]:
        """(seq, point) of those that are not superseded."""
        return [(seq, point) for seq, point in enumerate(self.points, 1) if seq not in self.superseded]

    @property
    def progress_step(self) -> int:
        return max((point.step for _, point in self.live if point.values), default=0)

    @property
    def progress(self) -> float | None:
        if self.status == "COMPLETE":
            return 1
        return None if self.progress_step > self.total_steps else self.progress_step / self.total_steps

    def start(self) -> bool:
        if self.status != "QUEUED":
            return False
        self.status, self.started = "RUNNING", True
        self.attempts.append(ModelAttempt())
        return True

    def fail(self, reason: str, outcome: str = "FAILED") -> bool:
        if self.status not in {"QUEUED", "RUNNING"}:
            return False
        if self.status == "QUEUED":
            self.attempts.append(ModelAttempt())
        self.status, self.reason, self.attempts[-1].outcome = "FAILED", reason, outcome
        return True

    def complete(self) -> bool:
        if self.status != "RUNNING":
            return False
        self.status, self.attempts[-1].outcome = "COMPLETE", "STOPPED" if self.stop else "COMPLETED"
        return True

    def resume(self, from_step: int | None) -> bool:
        if self.status not in ENDED or self.kind == "SIMULATED":
            return False
        if from_step is not None:
            self.superseded |= {seq for seq, point in self.live if point.step > from_step}
        self.attempts.append(ModelAttempt(len(self.attempts) + 1, None, from_step, len(self.points) + 1))
        self.status, self.started, self.reason, self.stop, self.archived = "RUNNING", True, None, None, False
        return True

    def request_stop(self, reason: str) -> bool:
        if self.status != "RUNNING" or self.kind == "SIMULATED":
            return False
        self.stop = self.stop or {"reason": reason, "receivedAt": False}
        return True

    def archive(self, is_archived: bool) -> bool:
        if self.status == "RUNNING":
            return False
        self.archived = is_archived
        return True

    def log(self, given: Sequence[Mapping[str, Any]], *, late: bool = False) -> int | None:
        """How many of the points are new; None where it is not allowed."""
        if self.kind == "SIMULATED" or not (self.status == "RUNNING" or (late and self.status in ENDED)):
            return None
        before, stored = len(self.points), [point for _, point in self.live]
        self.kind = "LOGGED"
        for each in given:
            point = self._point(each)
            beside = self.points[before:]
            if not any(map(point.is_stored_as, stored)) and not any(map(point.equals, beside)):
                self.points.append(point)
        if self.stop:
            self.stop["receivedAt"] = True
        return len(self.points) - before

    def simulate(self) -> ModelPoint | str | None:
        """The step's point; COMPLETE or FAILED where it ends the job; None where it is not allowed."""
        if self.status != "RUNNING" or self.kind == "LOGGED":
            return None
        self.kind = "SIMULATED"
        step = len(self.points) + 1
        if step > self.total_steps:
            self.complete()
            return self.status
        try:
            point = self.simulated(step)
        except SimulatedCrash as crash:
            self.fail(str(crash))
            return self.status
        self.points.append(point)
        return point

    def simulated(self, step: int) -> ModelPoint:
        """The simulator's point of a step. Raises SimulatedCrash."""
        run = curves.Run(
            seed=self.settings["seed"],
            epochs=self.settings["epochs"],
            steps_per_epoch=self.settings["stepsPerEpoch"],
            learning_rate=self.settings["learningRate"],
            scenario=Scenario[self.settings["scenario"]],
        )
        (point,) = curves.points(run, step, 1)
        epoch = int(point.epoch)
        return ModelPoint(point.step, epoch, point.values, epoch)

    def view(self) -> dict[str, Any]:
        """The job as the API is to show it."""
        is_logged = self.kind == "LOGGED"
        ended = self.attempts[-1].outcome if self.attempts else None
        return {
            "id": self.id,
            **self.settings,
            **({"scenario": None, "seed": None} if is_logged else {}),
            "status": self.status,
            "totalSteps": self.total_steps,
            "metricCount": len(self.points),
            "progress": self.progress,
            "failureReason": self.reason,
            "attempt": max(1, len(self.attempts)),
            "attempts": [vars(attempt) for attempt in self.attempts],
            "outcome": ended,
            "endedEarly": self.status == "COMPLETE" and self.progress_step < self.total_steps,
            "series": self._series(),
            "metrics": [point.view(seq) for seq, point in enumerate(self.points, 1)],
            "latestMetrics": [{"seq": seq} for seq in range(1, len(self.points) + 1)][-2:],
        }

    def _series(self) -> list[dict[str, Any]]:
        found: dict[str, list[tuple[int, int, float]]] = {}
        for seq, point in self.live:
            for name, value in point.values.items():
                found.setdefault(name, []).append((point.step, seq, value))
        return [{"name": name, "count": len(all), **_ends(all)} for name, all in found.items()]

    def _point(self, given: Mapping[str, Any]) -> ModelPoint:
        values = {name: given[name] for name in BESIDE if name in given}
        for each in given["values"]:
            values[each["name"]] = each["value"] if "value" in each else float(NON_FINITE[each["nonFinite"]])
        epoch = given.get("epoch", max(1, math.ceil(given["step"] / self.settings["stepsPerEpoch"])))
        return ModelPoint(given["step"], epoch, values, given.get("epoch"))


NON_FINITE = {"NAN": "nan", "INFINITY": "inf", "NEGATIVE_INFINITY": "-inf"}


def _ends(all: Sequence[tuple[int, int, float]]) -> dict[str, Any]:
    """The last, the lowest and the highest of (step, seq, value)."""
    finite = [(value, seq) for _, seq, value in all if math.isfinite(value)]
    lowest = min(finite, default=None)
    highest = min(finite, key=lambda each: (-each[0], each[1]), default=None)
    return {
        "last": {"seq": max(all)[1]},
        "lowest": lowest and {"seq": lowest[1]},
        "highest": highest and {"seq": highest[1]},
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _non_finite(value: float) -> str | None:
    return {repr(float(text)): name for name, text in NON_FINITE.items()}.get(repr(value))


# Of few steps and few values, so that points are often equal.
VALUES = st.sampled_from([0.0, -0.0, 1.0, 0.1, -2.5, 1e308, 5e-324, math.nan, math.inf, -math.inf]) | st.floats()
NAMES = st.sampled_from(["loss", "accuracy", "learningRate", "val_loss", "train/loss", "Verlust ∞"])


@st.composite
def inputs(draw: st.DrawFn) -> dict[str, Any]:
    """A MetricInput."""
    values = draw(st.dictionaries(NAMES, VALUES, max_size=3))
    point = input_of(ModelPoint(draw(st.integers(0, 7)), 0, values), beside=draw(st.booleans()))
    if draw(st.booleans()):
        point["epoch"] = draw(st.integers(0, 3))
    else:
        del point["epoch"]
    return point


def input_of(point: ModelPoint, *, beside: bool = True) -> dict[str, Any]:
    """The MetricInput of a point; the three that have fields of their own in them, or among the values."""
    given: dict[str, Any] = {"step": point.step, "epoch": point.epoch, "values": []}
    for name, value in point.values.items():
        if not math.isfinite(value):
            kind = next(kind for kind, text in NON_FINITE.items() if repr(float(text)) == repr(value))
            given["values"].append({"name": name, "nonFinite": kind})
        elif beside and name in BESIDE:
            given[name] = value
        else:
            given["values"].append({"name": name, "value": value})
    return given
