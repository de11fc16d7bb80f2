"""What a job and its points must be to be accepted. Broken rules raise InvalidInput, which names the field."""

import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from math import inf
from typing import Any, NamedTuple, Protocol, TypeVar
from unicodedata import category, normalize

import orjson

from models.errors import InvalidInput, JobNotFound
from models.job import Job
from models.lifecycle import JobKind, total_steps_of
from models.metric import Point

Value = TypeVar("Value")


MAX_ID = 2**63 - 1
"""What a store can count to."""
MAX_LONG = 2**53 - 1
"""The largest whole number that every reader of JSON has: steps and totals."""
MAX_NAME = 200
"""Characters of a job's, a model's or a project's name, and of a tag, a group and a key."""
MAX_SERIES_NAME = 250
"""Characters of a value's name."""
MAX_TAGS = 100
MAX_NOTES = 10_000
MAX_CONFIG = 2**20
"""Bytes of a config, and of a source, as JSON."""
MAX_DEPTH = 100
"""Objects and lists in each other."""
MAX_LEARNING_RATE = 1_000.0
# What the simulator can run.
MAX_EPOCHS = 100_000
MAX_STEPS_PER_EPOCH = 1_000_000
MAX_SIMULATED_STEPS = 2**31 - 1
MAX_BATCH_SIZE = 2**20
MAX_SEED = 2**31 - 1
MAX_BATCH = 10_000
"""Points in one batch."""
MAX_VALUES = 1_000
"""Values of one point."""
MAX_OTHERS = 100
"""Broken rules that are told of beside the first."""
MAX_REASON = 2_000
"""Characters of a failure reason that are kept."""


class Faults:
    """The rules that an input breaks, collected, so that its caller learns of all of them at once."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []
        """The field and the rule of each."""

    def add(self, field: str, message: str) -> None:
        """One more."""
        self.found.append((field, message))

    def checked(self, field: str, check: Callable[[], Value], otherwise: Value) -> Value:
        """What the check returns; where it raises InvalidInput, its fault is added."""
        try:
            return check()
        except InvalidInput as error:
            self.add(error.field or field, error.message)
            self.found += error.others
            return otherwise

    def at_least(self, field: str, value: int | None, lowest: int) -> None:
        """Add a fault if the value is lower."""
        if value is not None and value < lowest:
            self.add(field, f"must be {lowest} or more, got {value}.")

    def end(self) -> None:
        """Raise InvalidInput if there is one, with the first MAX_OTHERS of the others beside the first."""
        if self.found:
            (field, message), *others = self.found
            raise InvalidInput(field, message, others[:MAX_OTHERS])


@dataclass(frozen=True, slots=True)
class NewJob:
    """What is said of a job that is to be created. What nobody said is None."""

    name: str
    model_name: str | None = None
    epochs: int | None = None
    learning_rate: float | None = None
    steps_per_epoch: int | None = None
    total_steps: int | None = None
    batch_size: int | None = None
    project: str = "default"
    group: str | None = None
    tags: Sequence[str] = ()
    notes: str = ""
    key: str | None = None
    parent_id: int | None = None
    start: bool = False
    created_at: datetime | None = None
    config: Any = None
    source: Any = None
    scenario: str | None = None
    schedule: str | None = None
    seed: int | None = None
    """One of these three asks for a simulation."""

    @property
    def asks_for_simulation(self) -> bool:
        """Whether the job is to be simulated, as its creation says."""
        return (self.scenario, self.schedule, self.seed) != (None, None, None)

    def checked(self) -> "NewJob":
        """The same with names cleaned, and the simulator's settings where a simulation is asked for.

        Raises InvalidInput, with all rules that are broken.
        """
        faults = Faults()
        new = replace(
            self,
            name=faults.checked("name", lambda: clean("name", self.name), ""),
            project=faults.checked("project", lambda: clean("project", self.project), ""),
            group=_clean_or_none(faults, "group", self.group),
            model_name=_clean_or_none(faults, "model_name", self.model_name),
            key=_clean_or_none(faults, "key", self.key),
            tags=clean_tags(faults, self.tags),
            notes=faults.checked("notes", lambda: clean_notes(self.notes), ""),
        )
        check_plan(faults, new)
        for field, value in (("config", new.config), ("source", new.source)):
            if value is not None:
                faults.checked(field, partial(check_config, field, value), b"")
        if new.asks_for_simulation:
            new = replace(
                new,
                scenario=new.scenario or "healthy",
                schedule=new.schedule or "constant",
                seed=secrets.randbelow(MAX_SEED + 1) if new.seed is None else new.seed,
                batch_size=new.batch_size or SIMULATED_BATCH_SIZE,
            )
            for field, message in why_not_simulated(new):
                faults.add(field, message)
        faults.end()
        return new


SIMULATED_BATCH_SIZE = 32
"""That of a simulated job that says none."""


class Plan(Protocol):
    """How long a run is to be, and what it is to learn with: of a job, or of one that is to be created."""

    @property
    def epochs(self) -> int | None: ...
    @property
    def steps_per_epoch(self) -> int | None: ...
    @property
    def total_steps(self) -> int | None: ...
    @property
    def learning_rate(self) -> float | None: ...
    @property
    def batch_size(self) -> int | None: ...
    @property
    def seed(self) -> int | None: ...


def check_plan(faults: Faults, plan: Plan) -> None:
    """Add the rules that the plan of any job breaks."""
    for field in ("epochs", "steps_per_epoch", "total_steps", "batch_size"):
        faults.at_least(field, getattr(plan, field), 1)
    rate = plan.learning_rate
    if rate is not None and not 0 < rate <= MAX_LEARNING_RATE:  # NaN is not in it either
        faults.add("learning_rate", f"must be above 0 and at most {MAX_LEARNING_RATE:g}, got {rate:g}.")
    if plan.total_steps is None and plan.epochs and plan.steps_per_epoch:
        total = plan.epochs * plan.steps_per_epoch
        if total > MAX_LONG:
            faults.add("steps_per_epoch", f"epochs × steps an epoch must be at most {MAX_LONG}, got {total}.")


def why_not_simulated(plan: Plan) -> Iterator[tuple[str, str]]:
    """The field and the rule of everything in a plan that the simulator cannot run."""
    total = total_steps_of(plan.epochs, plan.steps_per_epoch, plan.total_steps, None)
    if total is None:
        yield "epochs", "a simulation needs epochs or totalSteps."
    elif total > MAX_SIMULATED_STEPS:
        yield "total_steps", f"a simulation has at most {MAX_SIMULATED_STEPS} steps, got {total}."
    if plan.epochs is not None and plan.epochs > MAX_EPOCHS:
        yield "epochs", f"must be 1 to {MAX_EPOCHS} for a simulation, got {plan.epochs}."
    if plan.steps_per_epoch is not None and plan.steps_per_epoch > MAX_STEPS_PER_EPOCH:
        yield "steps_per_epoch", f"must be 1 to {MAX_STEPS_PER_EPOCH} for a simulation, got {plan.steps_per_epoch}."
    size = plan.batch_size
    if size is not None and (size > MAX_BATCH_SIZE or size & (size - 1)):
        yield "batch_size", f"must be a power of two, at most {MAX_BATCH_SIZE}, for a simulation, got {size}."
    if plan.seed is not None and not 0 <= plan.seed <= MAX_SEED:
        yield "seed", f"must be 0 to {MAX_SEED}, got {plan.seed}."


def is_job_id(text: str) -> bool:
    """Whether a job may have this id."""
    return re.fullmatch("[1-9][0-9]{0,18}", text) is not None and int(text) <= MAX_ID


def job_id_of(text: str) -> int:
    """The id that a text names, as the store has it. Raises JobNotFound where no job can have it."""
    if not is_job_id(text):
        shown = text if len(text) <= 40 else text[:40] + "…"
        raise JobNotFound(shown, f"{shown!r} is no job id: ids are whole numbers from 1.")
    return int(text)


def check_batch(count: int, most: int = MAX_BATCH) -> None:
    """Raise InvalidInput unless a batch may have so many points."""
    if not 1 <= count <= most:
        raise InvalidInput("metrics", f"a batch is 1 to {most} points, and this one has {'more' if count else 'none'}.")


def check_points(points: Sequence[Point], most: int = MAX_BATCH) -> None:
    """Raise InvalidInput unless the batch is 1 to `most` points that may be stored; it names all that may not."""
    check_batch(len(points), most)
    faults = Faults()
    for index, point in enumerate(points):
        try:
            check_point(index, point)
        except InvalidInput as error:
            faults.add(error.field, error.message)
    faults.end()


def check_point(index: int, point: Point) -> None:
    """Raise InvalidInput unless the point at a place of its batch may be stored."""
    if point.step < 0:
        raise InvalidInput(f"metrics[{index}].step", f"must be 0 or more, got {point.step}.")
    if len(point.values) > MAX_VALUES:
        raise InvalidInput(f"metrics[{index}].values", f"a point has at most {MAX_VALUES} values.")
    if point.epoch is not None and not 0 <= point.epoch < inf:
        raise InvalidInput(f"metrics[{index}].epoch", f"must be 0 or more, got {point.epoch:g}.")


def check_series_name(field: str, name: str, most: int = MAX_SERIES_NAME) -> str:
    """A name of up to `most` characters, a value's at first, trimmed and in Unicode's NFC. Raises InvalidInput."""
    if not (name.isascii() and name.isprintable()):
        name = normalize("NFC", name)
        check_characters(field, name)
    name = name.strip()
    if not 1 <= len(name) <= most:
        raise InvalidInput(field, f"must have 1 to {most} characters, got {len(name)}.")
    return name


def clean(field: str, text: str, most: int = MAX_NAME) -> str:
    """A name, trimmed and in Unicode's NFC. Raises InvalidInput."""
    name = (text if text.isascii() else normalize("NFC", text)).strip()
    if not name:
        raise InvalidInput(field, "must not be empty or blank.")
    if len(name) > most:
        raise InvalidInput(field, f"must have at most {most} characters, got {len(name)}.")
    check_characters(field, name)
    return name


def check_characters(field: str, text: str) -> None:
    """Raise InvalidInput where there is a character in the text that no name may have."""
    if has_control_characters(text):
        raise InvalidInput(field, "must not contain control characters.")
    if not TURNING.isdisjoint(text):
        raise InvalidInput(field, "must not contain characters that turn the direction of text.")


def clean_tags(faults: Faults, tags: Sequence[str]) -> tuple[str, ...]:
    """Tags, cleaned, each once, in the order given."""
    if len(tags) > MAX_TAGS:
        faults.add("tags", f"a job has at most {MAX_TAGS} tags, got {len(tags)}.")
        return ()
    cleaned = [
        faults.checked(f"tags[{index}]", partial(clean, f"tags[{index}]", tag), "") for index, tag in enumerate(tags)
    ]
    return tuple(dict.fromkeys(cleaned))


def tags_text(tags: Sequence[str]) -> str:
    """Tags as a job's row has them: a JSON list."""
    return orjson.dumps([*tags]).decode()


def name_or_none(text: str, most: int = MAX_NAME) -> str | None:
    """A text as it would be kept as a name; None where nothing has such a name."""
    try:
        return clean("", text, most)
    except InvalidInput:
        return None


def series_names(names: Iterable[str]) -> set[str]:
    """The names as they are stored: trimmed and in NFC; and as they are given, as old versions stored them."""
    given = set(names)
    return given | {name for each in given if (name := name_or_none(each, MAX_SERIES_NAME))}


def clean_notes(text: str) -> str:
    """Notes in Unicode's NFC: any text of several lines. Raises InvalidInput."""
    return clean_text("notes", text)


def clean_text(field: str, text: str) -> str:
    """A text of several lines in Unicode's NFC. Raises InvalidInput."""
    text = normalize("NFC", text)
    if len(text) > MAX_NOTES:
        raise InvalidInput(field, f"must have at most {MAX_NOTES} characters, got {len(text)}.")
    check_characters(field, text.translate(LINE_BREAKS))
    return text


PLAN = {
    "epochs": "epochs",
    "steps_per_epoch": "stated_steps_per_epoch",
    "total_steps": "stated_total_steps",
    "learning_rate": "learning_rate",
    "batch_size": "batch_size",
}
"""Field of a plan -> the job's column."""


class PlanOf(NamedTuple):
    """The plan of a job, as it was said."""

    epochs: int | None
    steps_per_epoch: int | None
    total_steps: int | None
    learning_rate: float | None
    batch_size: int | None
    seed: int | None = None


def checked_changes(faults: Faults, job: Job, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a job that changes of what is said of it set; adds the rules that these break."""
    columns: dict[str, Any] = {}
    for field, value in changes.items():
        if value is None and field in {"name", "project", "tags", "notes", "config"}:
            faults.add(field, "must not be null.")
        elif field in {"name", "project"}:
            columns[field] = faults.checked(field, partial(clean, field, value), "")
        elif field in {"group", "model_name"}:
            column = "group_name" if field == "group" else field
            columns[column] = _clean_or_none(faults, field, value)
        elif field == "tags":
            columns["tag_list"] = tags_text(clean_tags(faults, value))
        elif field == "notes":
            columns[field] = faults.checked(field, partial(clean_notes, value), "")
        elif field in PLAN and value != getattr(job, PLAN[field]):
            columns[PLAN[field]] = value
            if job.kind is JobKind.SIMULATED:
                faults.add(field, "the plan of a job with simulated points does not change.")
    plan = job._replace(**columns)
    said = PlanOf(*(getattr(plan, column) for column in PLAN.values()))._replace(seed=job.seed)
    check_plan(faults, said)
    if job.simulation is not None and job.kind is None and columns.keys() & PLAN.values():
        for field, message in why_not_simulated(said):
            faults.add(field, message)
    return columns


def check_config(field: str, value: Any) -> bytes:
    """A config or a source as JSON. Raises InvalidInput where it is no object, too long or too deep."""
    if not isinstance(value, dict):
        raise InvalidInput(field, "must be an object.")
    try:
        text = orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise InvalidInput(field, f"cannot be kept: {error}.") from error
    if len(text) > MAX_CONFIG:
        raise InvalidInput(field, f"must take at most {MAX_CONFIG} bytes as JSON, got {len(text)}.")
    if NUL.search(text):
        raise InvalidInput(field, "must not contain NULs.")
    depth = 0
    level: list[Any] = [value]
    while level := [each for each in _inner(level) if isinstance(each, dict | list)]:
        depth += 1
        if depth == MAX_DEPTH:
            raise InvalidInput(field, f"must have at most {MAX_DEPTH} objects and lists in each other.")
    return text


NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""In JSON; not a text that has a backslash there."""


def _inner(level: Iterable[Any]) -> Iterator[Any]:
    for each in level:
        yield from each.values() if isinstance(each, dict) else each


LINE_BREAKS = {ord(letter): " " for letter in "\n\r\t"}


def _clean_or_none(faults: Faults, field: str, text: str | None) -> str | None:
    return None if text is None else faults.checked(field, lambda: clean(field, text), None)


def failure_reason(reason: str | None) -> str:
    """The reason as it is kept: what was given, without NULs, cut at MAX_REASON; never empty."""
    text = (reason or "").replace("\0", "").strip()
    if not text:
        return "Stopped on request."
    return text if len(text) <= MAX_REASON else text[: MAX_REASON - 1] + "…"


def has_control_characters(text: str) -> bool:
    """Whether there is a control character in the text, or one that no encoding can store."""
    # Cc: controls; Cs: surrogates.
    return any(category(character) in {"Cc", "Cs"} for character in text) if not text.isprintable() else False


TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Unicode's Bidi_Control: what does nothing but turn the direction of the text around it."""
