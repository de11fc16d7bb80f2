"""What a simulated run would look like, before there is a job."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.curves.curve import Curve, evenly
from models.validation import NewJob
from simulator.curves import END_OF_EPOCH, EVERY_STEP, Run, values_at
from simulator.noise import Steps
from simulator.runner import run_of

MAX_PREVIEW = 1_000
"""The most points of a previewed curve."""
SEED = 0
"""Where none is given: a drawn one would make every preview another, and hide what a changed setting does."""


@dataclass(frozen=True, slots=True)
class Preview:
    """The curves that a simulated run would record, by name; `seq` is the step."""

    total_steps: int
    curves: dict[str, Curve]


def preview(new: NewJob, points: int) -> Preview:
    """At most `points` (2 or more) points of each curve, the first and the last that there are among them.

    They are those that the job would record, at the same cost for any length of the run. Raises InvalidInput.
    """
    new = replace(new, seed=SEED if new.seed is None else new.seed).checked()
    run = run_of(new, new.seed or SEED)
    steps = 1 + evenly(run.last_step, min(points, run.last_step))
    ends = _ends_of_epochs(steps, run.steps_per_epoch)
    curves = _curves(run, steps, EVERY_STEP) | _curves(run, ends, END_OF_EPOCH)
    return Preview(run.total_steps, curves)


def _curves(run: Run, steps: Steps, names: Sequence[str]) -> dict[str, Curve]:
    values = values_at(run, steps) if steps.size else dict.fromkeys(names, np.empty(0))
    return {name: Curve(steps, steps, values[name]) for name in names}


def _ends_of_epochs(steps: Steps, steps_per_epoch: int) -> Steps:
    """The ends of epochs nearest to `steps`, none beyond their last, each once."""
    ended = int(steps.max(initial=0)) // steps_per_epoch
    nearest = np.clip(np.round(steps / steps_per_epoch), 1, ended) if ended else np.empty(0)
    return np.unique(nearest).astype(np.int64) * steps_per_epoch
