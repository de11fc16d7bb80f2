"""How long and from which seed hypothesis looks for what breaks: a moment in `make test`, minutes in `make fuzz`."""

import os
import secrets
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings

__all__ = ["bounded", "tell_seed"]

SEED = int(os.environ.get("FUZZ_SEED") or secrets.randbits(32))
TIMES = int(os.environ.get("FUZZ_TIMES") or 1)
"""Times as many examples as in `make test`."""


def bounded(examples: int) -> Callable[[Any], Any]:
    """A test by hypothesis of so many examples, times FUZZ_TIMES; the same again with the FUZZ_SEED that it prints."""

    def decorate(test: Any) -> Any:
        look = settings(
            max_examples=examples * TIMES,
            deadline=None,
            database=None,
            print_blob=True,
            phases=[Phase.explicit, Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        return seed(SEED)(look(test))

    return decorate


def tell_seed() -> None:
    """Print the seed, which pytest shows with a test that fails."""
    print(f"The same again: FUZZ_SEED={SEED} FUZZ_TIMES={TIMES}")  # noqa: T201  # for who runs the tests
