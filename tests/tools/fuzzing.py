"""How long and from which seed tools look for what breaks: a moment in `make test`, many minutes in `make fuzz`."""

import os
import secrets
import time
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

__all__ = ["SECONDS", "SEED", "TIMES", "fuzzed"]

SEED = int(os.environ.get("FUZZ_SEED") or secrets.randbits(32))
"""Printed at the end of each run."""
os.environ["FUZZ_SEED"] = str(SEED)  # one for all processes that run tests: who starts the others has chosen it
TIMES = int(os.environ.get("FUZZ_TIMES") or 1)
"""Times as many examples as in `make test`, and times as many seconds."""
SECONDS = 12.0
"""After which a test tries no more examples, on a machine that is too slow for all of them."""


def fuzzed(
    examples: int, strategy: SearchStrategy[Any], share: float = 1
) -> Callable[[Callable[[Any], None]], Callable[[], None]]:
    """Tries a function with so many examples, times FUZZ_TIMES; with the same again where the FUZZ_SEED is the same.

    `share`: of the test's time, that may pass meanwhile. One example at least is tried.
    """
    look = settings(
        max_examples=examples * TIMES,
        deadline=None,
        database=None,
        print_blob=True,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )

    def decorate(test: Callable[[Any], None]) -> Callable[[], None]:
        until, has_failed = 0.0, False

        def limited(example: Any) -> None:
            nonlocal until, has_failed
            until = until or time.monotonic() + SECONDS * share * TIMES
            if time.monotonic() > until and not has_failed:  # of one that failed, a smaller one is looked for
                return
            try:
                test(example)
            except BaseException:
                has_failed = True
                raise

        tried: Callable[[], None] = seed(SEED)(look(given(strategy)(limited)))
        return tried

    return decorate
