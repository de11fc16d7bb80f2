"""Steps a job with simulated points, at a pace or as fast as it goes."""

import asyncio
import math
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any

from models.errors import PointsNotMade
from models.job import Job
from models.jobs import Jobs, Simulated
from models.lifecycle import SIMULATED_STEPS_PER_EPOCH
from models.metric import Point, encode_values
from models.validation import SIMULATED_BATCH_SIZE, NewJob
from simulator import curves
from simulator.scenarios import Scenario, SimulatedCrash
from simulator.schedules import Schedule

CHUNK = 1_000
"""Steps made and stored at once when nothing sets the pace."""
BLOCK = 16
"""Steps made at once where one is requested: they cost hardly more, and the next are likely to be requested."""
BLOCKS = 256
"""Blocks that are kept, some 2 MB."""


def make_points(job: Job, first: int, count: int) -> Sequence[Point]:
    """The simulated points of `count` steps from `first` on, fewer where the scenario crashes.

    Raises PointsNotMade where it crashes at the first of them.
    """
    assert job.seed is not None
    settings = run_of(job, job.seed)
    if count == 1:
        number, place = divmod(first - 1, BLOCK)
        block = _block(settings, number)
        if place < len(block):
            return block[place : place + 1]
    return _points(settings, first, count)


# A memo of a pure function: points never change.
@lru_cache(BLOCKS)
def _block(settings: curves.Run, number: int) -> list[Point]:
    return _points(settings, number * BLOCK + 1, BLOCK)


def _points(settings: curves.Run, first: int, count: int) -> list[Point]:
    try:
        made = curves.points(settings, first, count)
    except SimulatedCrash as crash:
        if crash.step <= first:
            raise PointsNotMade(str(crash)) from crash
        made = curves.points(settings, first, crash.step - first)
    return [Point(step=point.step, epoch=point.epoch, values=point.values) for point in made]


LEARNING_RATE = 1e-3
"""What a simulation learns with where no rate was said."""


def run_of(job: Job | NewJob, seed: int) -> curves.Run:
    """The settings of a job with a known total, as curves take them."""
    epochs, steps_per_epoch = job.epochs or 1, job.steps_per_epoch
    if steps_per_epoch is None:
        steps_per_epoch = SIMULATED_STEPS_PER_EPOCH if job.total_steps is None else -(-job.total_steps // epochs)
    return curves.Run(
        seed=seed,
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        learning_rate=job.learning_rate or LEARNING_RATE,
        batch_size=job.batch_size or SIMULATED_BATCH_SIZE,
        scenario=Scenario(job.scenario or Scenario.HEALTHY),
        schedule=Schedule(job.schedule or Schedule.CONSTANT),
    )


def is_simulated(settings: Mapping[str, Any], text: str) -> bool:
    """Whether the point of step 1 of a job with these settings has exactly these values, as they are stored."""
    job = NewJob(**{field.name: settings[field.name] for field in fields(NewJob) if field.name in settings})
    try:
        (point,) = curves.points(run_of(job, settings["seed"]), 1, 1)
    except (SimulatedCrash, ValueError):
        return False
    return encode_values(point.values) == text


async def run(
    jobs: Jobs, job_id: int, *, steps: int | None = None, per_second: float | None = None
) -> AsyncGenerator[Simulated, None]:
    """Step the job `steps` times, or to its end, at a pace or as fast as it goes; gives what each write did."""
    loop = asyncio.get_running_loop()
    began, done = loop.time(), 0
    while steps is None or done < steps:
        count = due(per_second, loop.time() - began, done)
        step = await jobs.simulate(job_id, make_points, count if steps is None else min(count, steps - done))
        done += len(step.metrics)
        yield step
        if step.complete:
            return
        await asyncio.sleep(pause(per_second, loop.time() - began, done))


def due(per_second: float | None, elapsed: float, done: int) -> int:
    """How many steps are due `elapsed` seconds after the first, each at its place on the clock: 1 to CHUNK."""
    if per_second is None:
        return CHUNK
    return min(CHUNK, max(1, math.floor(elapsed * per_second) + 1 - done))


def pause(per_second: float | None, elapsed: float, done: int) -> float:
    """Seconds until the step behind `done` others is due: 0 where it is already."""
    return 0.0 if per_second is None else max(0.0, done / per_second - elapsed)
