"""What can happen to a training run: each scenario shapes the noiseless losses its own way."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from simulator.noise import Floats, Steps, Stream, gaussians, uniforms

INITIAL_LOSS = 2.5
FINAL_LOSS = 0.28
DECAY = 5.0

# A spike begins at about one step in seventy, raises the loss two- to five-fold, falls to 1/e in every
# four steps and is forgotten a window later, when less than a hundredth of it is left.
SPIKE_CHANCE = 1 / 70
SPIKE_FADING_STEPS = 4
SPIKE_WINDOW = 20


class Scenario(StrEnum):
    """How a run fares."""

    # Training and validation loss fall together and level out.
    HEALTHY = "healthy"
    # The training loss falls on, the validation loss turns upward in the second half.
    OVERFITTING = "overfitting"
    # The losses stick in the middle third of the run, then drop on.
    PLATEAU = "plateau"
    # Healthy underneath, with three and a half times the noise on every measured value but the throughput.
    NOISY = "noisy"
    # Healthy, with rare jumps of the loss that fade over the following steps.
    SPIKES = "spikes"
    # The loss turns upward half-way, is +infinity from nine tenths of the run and NaN for the last twentieth.
    DIVERGENCE = "divergence"
    # Healthy until three fifths of the run; the next step raises SimulatedCrash.
    CRASH = "crash"


class SimulatedCrash(Exception):
    """The run's process died, as the scenario wanted; the message is the reason a person would read."""

    def __init__(self, step: int) -> None:
        """`step` is the one that the run died at: the first without a point."""
        super().__init__(f"CUDA out of memory (simulated) at step {step}")
        self.step = step


@dataclass(frozen=True, slots=True)
class Course:
    """Some `steps` of a run, at least one, and each one's share of the run, 0 to 1."""

    seed: int
    total_steps: int
    steps: Steps
    progress: Floats


@dataclass(frozen=True, slots=True)
class Shape:
    """The losses a course would measure without noise, in nats, and how many times the usual noise it has."""

    train: Floats
    validation: Floats
    noise: float = 1.0


def shape(scenario: Scenario, course: Course) -> Shape:
    """What `scenario` makes of `course`. Raises SimulatedCrash if the run has crashed by the last of its steps."""
    return _SHAPES[scenario](course)


def last_step(scenario: Scenario, total_steps: int) -> int:
    """The last step that has a point: 0 where none has."""
    return _fatal_step(total_steps) - 1 if scenario is Scenario.CRASH else total_steps


def _falling(progress: Floats, final: float = FINAL_LOSS, decay: float = DECAY) -> Floats:
    """final + (initial - final) exp(-decay progress): gradient descent's approach to a minimum."""
    return final + (INITIAL_LOSS - final) * np.exp(-decay * progress)


def _generalising(train: Floats, progress: Floats, noise: float = 1.0) -> Shape:
    """Unseen examples cost a little more than learned ones, and the more so the more has been learned."""
    return Shape(train, train + 0.06 * progress, noise)


def _healthy(course: Course) -> Shape:
    return _generalising(_falling(course.progress), course.progress)


def _overfitting(course: Course) -> Shape:
    """A parabola parts the two from half-way on (shape: Prechelt, "Early Stopping - But When?", 1998)."""
    train = _falling(course.progress, final=0.08, decay=4.0)
    memorised = np.maximum(course.progress - 0.5, 0.0)
    return Shape(train, train + 0.06 * course.progress + 4.5 * memorised**2)


def _plateau(course: Course) -> Shape:
    """Learning nearly stops for a third of the run (Saad and Solla, Physical Review E 52, 1995)."""
    learned = np.interp(course.progress, [0.0, 1 / 3, 2 / 3, 1.0], [0.0, 0.16, 0.18, 1.0])
    return _generalising(_falling(learned), course.progress)


def _noisy(course: Course) -> Shape:
    return _generalising(_falling(course.progress), course.progress, noise=3.5)


def _spikes(course: Course) -> Shape:
    """Jumps as large-model training sees them (Chowdhery et al., "PaLM", 2022, section 5.1).

    A step's loss is raised by the largest of the spikes that began in the window of steps that ends with it.
    It looks back instead of remembering, and a maximum is the same in whatever order it is taken.
    """
    # Before the first step it is the first again: fading for longer than it does, that raises nothing.
    window = np.maximum(course.steps[:, np.newaxis] - np.arange(SPIKE_WINDOW), 1)
    looked_at, places = np.unique(window, return_inverse=True)
    start, height = uniforms(course.seed, Stream.SPIKES, looked_at, rows=2)
    begun = np.where(start < SPIKE_CHANCE, 1.0 + 3.0 * height, 0.0)[places.reshape(window.shape)]
    fade = np.exp(-np.arange(SPIKE_WINDOW) / SPIKE_FADING_STEPS)
    raised = 1.0 + (begun * fade).max(axis=1)
    return _generalising(_falling(course.progress) * raised, course.progress)


def _divergence(course: Course) -> Shape:
    """Faster than exponential growth, then overflow to infinity, then NaN (IEEE 754: infinity - infinity).

    Both ends are whole steps, so that every run of two steps or more has at least one of each.
    """
    overflow = max(course.total_steps * 9 // 10, 1)
    undefined = max(course.total_steps * 19 // 20, overflow + 1)
    jitter = gaussians(course.seed, Stream.DIVERGENCE, course.steps, rows=2)[0]
    growing = np.clip((course.progress - 0.5) / 0.4, 0.0, 1.0) ** 2
    train = _falling(course.progress) * np.exp(growing * (12.0 + jitter))
    train[course.steps >= overflow] = np.inf
    train[course.steps >= undefined] = np.nan
    return _generalising(train, course.progress)


def _crash(course: Course) -> Shape:
    fatal = _fatal_step(course.total_steps)
    if course.steps.max() >= fatal:
        raise SimulatedCrash(fatal)
    return _healthy(course)


def _fatal_step(total_steps: int) -> int:
    return total_steps * 3 // 5 + 1


_SHAPES: dict[Scenario, Callable[[Course], Shape]] = {
    Scenario.HEALTHY: _healthy,
    Scenario.OVERFITTING: _overfitting,
    Scenario.PLATEAU: _plateau,
    Scenario.NOISY: _noisy,
    Scenario.SPIKES: _spikes,
    Scenario.DIVERGENCE: _divergence,
    Scenario.CRASH: _crash,
}
