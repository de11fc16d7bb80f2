"""Random numbers that belong to a step: the same wherever and beside whatever other steps they are drawn."""

from enum import IntEnum

import numpy as np
from numpy.random import Philox
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Steps = NDArray[np.int64]

# Philox 4x64 turns each value of its counter into a block of four 64-bit words.
WORDS_PER_BLOCK = 4


class Stream(IntEnum):
    """The upper half of the Philox key, so that the draws of two streams of one seed are independent."""

    # The wobble of the measured values, a row each.
    MEASUREMENTS = 1
    # Where loss spikes begin and how high they are.
    SPIKES = 2
    # The jitter of a diverging loss.
    DIVERGENCE = 3


def uniforms(seed: int, stream: Stream, steps: Steps, rows: int) -> Floats:
    """Uniform draws in [0, 1) for each of `steps`, shape (rows, steps).

    A generator with state would have to be wound forward to reach a step. Philox (Salmon, Moraes, Dror and
    Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011) has none: its output is a hash of (key,
    counter). Each step owns whole blocks, at a place in the counter that is a multiple of its number, so
    consecutive steps are one run of the counter, any step is reached at once, and step k's draws are the same
    whatever is drawn beside it. `rows` decides how many blocks a step has: read a stream with the same
    number of rows always.

    The upper 53 bits of a word, times 2**-53, are its uniform: every multiple of 2**-53 in [0, 1) is equally
    likely (Vigna, "Generating uniform doubles in the unit interval", prng.di.unimi.it).
    """
    blocks = -(-rows // WORDS_PER_BLOCK)
    key = (stream << 64) | seed
    begins = np.flatnonzero(np.diff(steps, prepend=steps[:1] - 2) != 1)
    words = [
        Philox(key=key, counter=first * blocks).random_raw(count * blocks * WORDS_PER_BLOCK)
        for first, count in zip(steps[begins].tolist(), np.diff(begins, append=steps.size).tolist(), strict=True)
    ]
    by_step = np.concatenate(words).reshape(steps.size, -1)
    # Contiguous rows: numpy may take another code path, and so another last bit, for strided ones.
    return np.ascontiguousarray(by_step.T[:rows] >> np.uint64(11)) * 2.0**-53


def gaussians(seed: int, stream: Stream, steps: Steps, rows: int) -> Floats:
    """Standard normal draws for each of `steps`, shape (rows, steps); `rows` is even.

    Box and Muller, "A Note on the Generation of Random Normal Deviates" (1958): two uniforms give two
    independent normals. A rejection method (ziggurat) uses a varying number, and would leave a step's blocks.
    """
    radius_draws, angle_draws = np.split(uniforms(seed, stream, steps, rows), 2)
    radius = np.sqrt(-2.0 * np.log(1.0 - radius_draws))  # 1 - u lies in (0, 1], where the logarithm is finite
    angle = 2.0 * np.pi * angle_draws
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])
