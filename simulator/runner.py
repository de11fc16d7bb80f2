"""Steps a job with simulated points, at a pace or as fast as it goes."""

import asyncio
import math
from collections.abc import AsyncGenerator, Sequence
from functools import lru_cache

from models.errors import PointsNotMade
from models.job import Job
from models.jobs import Jobs, Simulated
from models.metric import Point
from models.validation import NewJob
from simulator import curves
from simulator.scenarios import Scenario, SimulatedCrash
from simulator.schedules import Schedule

__all__ = ["Pace", "make_points", "run", "run_of"]

CHUNK = 1_000
"""Steps made and stored at once when nothing sets the pace."""
BLOCK = 16
"""Steps made at once where one is requested: they cost hardly more, and the next are likely to be requested."""
BLOCKS = 256
"""Blocks that are kept, some 2 MB."""


def make_points(job: Job, first: int, count: int) -> Sequence[Point]:
    """The simulated points of `count` steps of the job from `first` on; fewer where the scenario crashes.

    Raises PointsNotMade where it crashes at the first of them.
    """
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


def run_of(job: Job | NewJob, seed: int) -> curves.Run:
    """The settings of a job, as curves take them."""
    return curves.Run(
        seed=seed,
        epochs=job.epochs,
        steps_per_epoch=job.steps_per_epoch,
        learning_rate=job.learning_rate,
        batch_size=job.batch_size,
        scenario=Scenario(job.scenario),
        schedule=Schedule(job.schedule),
    )


async def run(
    jobs: Jobs, job_id: int, *, steps: int | None = None, per_second: float | None = None
) -> AsyncGenerator[Simulated, None]:
    """Step the job `steps` times, or until it completes, at `per_second`, or as fast as it goes.

    Gives what each write did. Raises what `Jobs.simulate` raises.
    """
    loop = asyncio.get_running_loop()
    pace = Pace(per_second)
    began, done = loop.time(), 0
    while steps is None or done < steps:
        due = pace.due(loop.time() - began, done)
        step = await jobs.simulate(job_id, make_points, due if steps is None else min(due, steps - done))
        done += len(step.metrics)
        yield step
        if step.complete:
            return
        await asyncio.sleep(pace.pause(loop.time() - began, done))


class Pace:
    """When steps are due: the first at once, each other one at its place on the clock, however late those before it."""

    def __init__(self, per_second: float | None) -> None:
        """`per_second`: None for as fast as it goes."""
        self._per_second = per_second

    def due(self, elapsed: float, done: int) -> int:
        """How many steps are due `elapsed` seconds after the beginning: at least one, at most CHUNK."""
        if self._per_second is None:
            return CHUNK
        return min(CHUNK, max(1, math.floor(elapsed * self._per_second) + 1 - done))

    def pause(self, elapsed: float, done: int) -> float:
        """Seconds until the step behind `done` others is due: 0 where it is already."""
        return 0.0 if self._per_second is None else max(0.0, done / self._per_second - elapsed)
