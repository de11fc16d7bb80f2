"""The points of a simulated training run: a pure function of its settings and the step."""

import math
from dataclasses import dataclass

import numpy as np

from simulator.noise import Floats, Steps, Stream, gaussians
from simulator.scenarios import FINAL_LOSS, Course, Scenario, last_step, shape
from simulator.schedules import Schedule, learning_rates

# No measured loss is below this: real data has labels that cannot be predicted.
LOSS_FLOOR = 0.05
CLASSES = 10
TOKENS_PER_EXAMPLE = 512
# Digits kept after the point: replicas whose CPUs disagree about an exponential's last bit agree about these.
DECIMALS = 6

# What a point measures, in this order, and what else the last one of an epoch does.
EVERY_STEP = ("loss", "accuracy", "learningRate", "grad_norm", "tokens_per_second")
END_OF_EPOCH = ("val_loss", "val_accuracy")


@dataclass(frozen=True, slots=True)
class Run:
    """The settings that determine every point."""

    seed: int  # 0 <= seed < 2**63
    epochs: int  # 1 or more, as the next two
    steps_per_epoch: int
    learning_rate: float  # what the schedule starts from: finite, not negative
    batch_size: int = 32  # examples a step
    scenario: Scenario = Scenario.HEALTHY
    schedule: Schedule = Schedule.CONSTANT

    @property
    def total_steps(self) -> int:
        return self.epochs * self.steps_per_epoch

    @property
    def last_step(self) -> int:
        """The last step that has a point: 0 where none has."""
        return last_step(self.scenario, self.total_steps)


@dataclass(frozen=True, slots=True)
class Point:
    """What one step measured.

    `values` are those of EVERY_STEP, then, on the last step of an epoch, those of END_OF_EPOCH: losses in nats,
    accuracies from 0 to 1. A diverged run has infinities and NaNs among them.
    """

    step: int
    epoch: int
    values: dict[str, float]


def points(run: Run, first: int, count: int) -> list[Point]:
    """The points of the steps first .. first+count-1, counted from 1, in order.

    Both are 1 or more. Step k's point is the same in every range. Steps past the run's last look like the last, in the
    epochs that would follow. Raises SimulatedCrash if the run has crashed by the end of the range: one at a time, every
    step before it has its point.
    """
    columns = {name: column.tolist() for name, column in values_at(run, np.arange(first, first + count)).items()}
    made = [
        Point(step, -(-step // run.steps_per_epoch), dict(zip(EVERY_STEP, values, strict=True)))
        for step, values in enumerate(zip(*(columns[name] for name in EVERY_STEP), strict=True), first)
    ]
    for index in range(-first % run.steps_per_epoch, count, run.steps_per_epoch):
        made[index].values.update({name: columns[name][index] for name in END_OF_EPOCH})
    return made


def values_at(run: Run, steps: Steps) -> dict[str, Floats]:
    """Name -> its value at each of `steps`, any of 1 or more, at least one; in the order of a point's values.

    A step's values are the same whatever other steps there are. Those of END_OF_EPOCH are what validation would
    find after each step; only the last of an epoch has them in its point. Raises SimulatedCrash if the run has
    crashed by the last of the steps.
    """
    progress = np.minimum(steps / run.total_steps, 1.0)
    losses = shape(run.scenario, Course(run.seed, run.total_steps, steps, progress))
    # Noise dies down as training settles: to a fifth at the end of the run.
    scale = losses.noise * (1.0 - 0.8 * progress)
    draws = gaussians(run.seed, Stream.MEASUREMENTS, steps, rows=6)
    return {
        "loss": _losses(losses.train, scale, draws[0]),
        "accuracy": _accuracies(losses.train, scale, draws[1]),
        "learningRate": learning_rates(run.schedule, run.learning_rate, steps, run.total_steps),
        "grad_norm": _gradient_norms(losses.train, run.batch_size, losses.noise, draws[2]),
        "tokens_per_second": _throughputs(steps, run.batch_size, draws[3]),
        # Validation averages over many batches: half the noise of a single one.
        "val_loss": _losses(losses.validation, 0.5 * scale, draws[4]),
        "val_accuracy": _accuracies(losses.validation, 0.5 * scale, draws[5]),
    }


def _losses(noiseless: Floats, scale: Floats, draws: Floats) -> Floats:
    """Cross-entropy in nats with Gaussian noise of 0.1 x scale, never below the floor."""
    return _rounded(np.maximum(noiseless + 0.1 * scale * draws, LOSS_FLOOR))


def _accuracies(noiseless: Floats, scale: Floats, draws: Floats) -> Floats:
    """A straight line from certainty at no loss to chance at ln(classes), a uniform guess's cross-entropy.

    Whatever is worse than a guess is right as often as one, infinity and NaN included (fmin passes over NaN).
    """
    unsure = np.fmin(noiseless / math.log(CLASSES), 1.0)
    accuracy = 1.0 - (1.0 - 1.0 / CLASSES) * unsure
    return _rounded(np.clip(accuracy + 0.03 * scale * draws, 0.0, 1.0))


def _gradient_norms(noiseless: Floats, batch_size: int, noise: float, draws: Floats) -> Floats:
    """sqrt(2 (loss - final) + variance / batch size), times log-normal jitter.

    Near a minimum of unit curvature |gradient|**2 is twice the excess loss; a mini-batch's estimate adds the
    variance of one example's gradient over the batch size (McCandlish et al., "An Empirical Model of
    Large-Batch Training", 2018, appendix A.1).
    """
    excess = np.maximum(noiseless - FINAL_LOSS, 0.0)
    return _rounded(np.sqrt(2.0 * excess + 1.28 / batch_size) * np.exp(0.1 * noise * draws))


def _throughputs(steps: Steps, batch_size: int, draws: Floats) -> Floats:
    """A step takes 50 ms however small the batch, and 4 ms an example: larger batches gain less and less.

    The first steps are slow, as caches fill and kernels are tuned; after that the jitter is two per cent.
    """
    tokens_per_second = TOKENS_PER_EXAMPLE * batch_size / (0.050 + 0.004 * batch_size)
    warming = 1.0 - 0.6 * np.exp(np.maximum(1 - steps, -100) / 3.0)
    return _rounded(tokens_per_second * warming * np.exp(0.02 * draws))


def _rounded(values: Floats) -> Floats:
    return np.round(values, DECIMALS)
