"""What a job and its points must be to be accepted. Broken rules raise InvalidInput, which names the field."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from unicodedata import category

from models.errors import InvalidInput, JobNotFound
from models.metric import Point

MAX_ID = 2**63 - 1
"""What a store can count to."""
MAX_NAME = 200
"""Characters of a job's, a model's or a value's name."""
MAX_EPOCHS = 100_000
MAX_STEPS_PER_EPOCH = 1_000_000
MAX_TOTAL_STEPS = 2**31 - 1
"""totalSteps is a GraphQL Int."""
MAX_LEARNING_RATE = 1_000.0
MAX_BATCH_SIZE = 2**20
MAX_SEED = 2**31 - 1
MAX_BATCH = 10_000
"""Points in one batch."""
MAX_VALUES = 1_000
"""Values of one point."""
MAX_REASON = 2_000
"""Characters of a failure reason that are kept."""


@dataclass(frozen=True, slots=True)
class NewJob:
    """The settings of a job that is to be created."""

    name: str
    model_name: str
    epochs: int
    learning_rate: float
    steps_per_epoch: int = 100
    scenario: str = "healthy"
    schedule: str = "constant"
    seed: int | None = None
    """None draws one."""
    batch_size: int = 32

    def checked(self) -> "NewJob":
        """The settings with names trimmed and a seed drawn. Raises InvalidInput where one breaks a rule."""
        name, model_name = _trimmed("name", self.name), _trimmed("model_name", self.model_name)
        _check_range("epochs", self.epochs, 1, MAX_EPOCHS)
        _check_range("steps_per_epoch", self.steps_per_epoch, 1, MAX_STEPS_PER_EPOCH)
        if (total := self.epochs * self.steps_per_epoch) > MAX_TOTAL_STEPS:
            raise InvalidInput(
                "steps_per_epoch", f"epochs × steps an epoch must be at most {MAX_TOTAL_STEPS}, got {total}."
            )
        if not 0 < self.learning_rate <= MAX_LEARNING_RATE:  # NaN is not in it either
            raise InvalidInput(
                "learning_rate", f"must be above 0 and at most {MAX_LEARNING_RATE:g}, got {self.learning_rate:g}."
            )
        _check_range("batch_size", self.batch_size, 1, MAX_BATCH_SIZE)
        if self.batch_size & (self.batch_size - 1):
            raise InvalidInput("batch_size", f"must be a power of two, got {self.batch_size}.")
        seed = secrets.randbelow(MAX_SEED + 1) if self.seed is None else self.seed
        _check_range("seed", seed, 0, MAX_SEED)
        return replace(self, name=name, model_name=model_name, seed=seed)


def job_id_of(text: str) -> int:
    """The id that a text names, as the store has it. Raises JobNotFound where no job can have it."""
    if not re.fullmatch("[1-9][0-9]{0,18}", text) or int(text) > MAX_ID:
        shown = text if len(text) <= 40 else text[:40] + "…"
        raise JobNotFound(shown, f"{shown!r} is no job id: ids are whole numbers from 1.")
    return int(text)


def check_batch(count: int, most: int = MAX_BATCH) -> None:
    """Raise InvalidInput unless a batch may have so many points."""
    if not 1 <= count <= most:
        raise InvalidInput("metrics", f"a batch is 1 to {most} points, and this one has {'more' if count else 'none'}.")


def check_points(points: Sequence[Point], most: int = MAX_BATCH) -> None:
    """Raise InvalidInput unless the batch is 1 to `most` points that may be stored."""
    check_batch(len(points), most)
    for index, point in enumerate(points):
        if point.step < 0:
            raise InvalidInput(f"metrics[{index}].step", f"must be 0 or more, got {point.step}.")
        if len(point.values) > MAX_VALUES:
            raise InvalidInput(f"metrics[{index}].values", f"a point has at most {MAX_VALUES} values.")
        if point.epoch is not None and point.epoch < 0:
            raise InvalidInput(f"metrics[{index}].epoch", f"must be 0 or more, got {point.epoch}.")


def check_value_name(field: str, name: str) -> None:
    """Raise InvalidInput unless it may name a value or a token: 1 to MAX_NAME characters, no control characters."""
    if not 1 <= len(name) <= MAX_NAME:
        raise InvalidInput(field, f"must have 1 to {MAX_NAME} characters, got {len(name)}.")
    if has_control_characters(name):
        raise InvalidInput(field, "must not contain control characters.")


def failure_reason(reason: str | None) -> str:
    """The reason as it is kept: what was given, without NULs, cut at MAX_REASON; never empty."""
    text = (reason or "").replace("\0", "").strip()
    if not text:
        return "Stopped on request."
    return text if len(text) <= MAX_REASON else text[: MAX_REASON - 1] + "…"


def _trimmed(field: str, text: str) -> str:
    trimmed = text.strip()
    if not trimmed:
        raise InvalidInput(field, "must not be empty or blank.")
    if len(trimmed) > MAX_NAME:
        raise InvalidInput(field, f"must have at most {MAX_NAME} characters, got {len(trimmed)}.")
    if has_control_characters(trimmed):
        raise InvalidInput(field, "must not contain control characters.")
    return trimmed


def _check_range(field: str, value: int, lowest: int, highest: int) -> None:
    if not lowest <= value <= highest:
        raise InvalidInput(field, f"must be {lowest} to {highest}, got {value}.")


def has_control_characters(text: str) -> bool:
    """Whether there is a character in the text that no name may have."""
    # Cc: controls; Cs: surrogates, which no encoding can store.
    return any(category(character) in {"Cc", "Cs"} for character in text) if not text.isprintable() else False
