"""Learning rates: what the optimiser's step size is at each step of a run."""

from collections.abc import Callable
from enum import StrEnum

import numpy as np

from simulator.noise import Floats, Steps

# One step in this many (5 % of the run) warms up before a cosine decay.
WARMUP_DIVISOR = 20


class Schedule(StrEnum):
    """How the learning rate changes over a run."""

    # The base rate from the first step to the last.
    CONSTANT = "constant"
    # A linear rise over the first 5 % of the steps, then half a cosine wave down to zero at the last step.
    COSINE = "cosine"
    # The base rate for half of the run, a tenth of it for the next quarter, a hundredth for the last.
    STEP = "step"
    # A straight line from the base rate at the first step to zero at the last.
    LINEAR = "linear"


def learning_rates(schedule: Schedule, base: float, steps: Steps, total_steps: int) -> Floats:
    """The learning rate at each of `steps`, in their shape.

    Steps count from 1, `total_steps` is at least 1, a step past the last has the last one's rate. For a base
    that is finite and not negative, so is every rate.
    """
    return base * _FACTORS[schedule](np.minimum(steps, total_steps), total_steps)


def _constant(steps: Steps, _total: int) -> Floats:
    return np.ones(steps.shape)


def _cosine(steps: Steps, total: int) -> Floats:
    """(1 + cos(pi t)) / 2 with t from 0 to 1 after the warm-up, step / warm-up steps before.

    Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (ICLR 2017), equation 5,
    without a restart; warm-up: Goyal et al., "Accurate, Large Minibatch SGD" (2017), section 2.2.
    """
    warmup = -(-total // WARMUP_DIVISOR)
    decayed = np.maximum(steps - warmup, 0) / max(total - warmup, 1)
    # Rounded, as replicas whose CPUs disagree about a cosine's last bit must agree about the rate.
    wave = np.round(0.5 * (1.0 + np.cos(np.pi * decayed)), 12)
    return np.where(steps < warmup, steps / warmup, wave)


def _step(steps: Steps, total: int) -> Floats:
    """A tenth at 1/2, again at 3/4: He et al., "Deep Residual Learning" (CVPR 2016), section 4.2."""
    return np.where(4 * steps > 3 * total, 0.01, np.where(2 * steps > total, 0.1, 1.0))


def _linear(steps: Steps, total: int) -> Floats:
    """1 at the first step, 0 at the last: Goodfellow et al., "Deep Learning" (2016), equation 8.14."""
    return 1.0 - (steps - 1) / max(total - 1, 1)


_FACTORS: dict[Schedule, Callable[[Steps, int], Floats]] = {
    Schedule.CONSTANT: _constant,
    Schedule.COSINE: _cosine,
    Schedule.STEP: _step,
    Schedule.LINEAR: _linear,
}
