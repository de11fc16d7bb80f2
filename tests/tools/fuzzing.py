"""How many examples, and from which seed, tools look for what breaks: the same few in each `make test`, others and many
more in `make fuzz`.
"""

import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

CODES = {
    None,
    "BAD_USER_INPUT",
    "DOCUMENT_TOO_LONG",
    "NOT_FOUND",
    "TOO_COSTLY",
    "TOO_DEEP",
    "TOO_MANY_ALIASES",
    "TOO_MANY_TOKENS",
}
"""What errors may say of a request that asks for what cannot be; all else is the server's own fault."""

TIMES = int(os.environ.get("FUZZ_TIMES") or 1)
"""Times as many examples as in `make test`."""
SEED = int(os.environ.get("FUZZ_SEED") or (0 if TIMES == 1 else secrets.randbits(32)))
"""Printed at the end of each run."""
os.environ["FUZZ_SEED"] = str(SEED)  # one for all processes that run tests: the one that starts the others chooses it


def hypothesis_profile() -> None:
    """Set what holds for all properties: each run of `make test` tries the same examples, however long one takes."""
    hypothesis.settings.register_profile("gate", deadline=None, derandomize=TIMES == 1)
    hypothesis.settings.load_profile("gate")


def fuzzed(
    examples: int, strategy: SearchStrategy[Any], number: int = 0
) -> Callable[[Callable[[Any], None]], Callable[[], None]]:
    """Tries a function with so many examples, times FUZZ_TIMES; with the same again where the FUZZ_SEED is the same.

    `number`: of the round, where there are several.
    """
    look = settings(
        max_examples=examples * TIMES,
        derandomize=False,
        database=None,
        print_blob=True,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )

    def decorate(test: Callable[[Any], None]) -> Callable[[], None]:
        tried: Callable[[], None] = seed(SEED + number)(look(given(strategy)(test)))
        return tried

    return decorate


def codes_of(errors: Iterable[Mapping[str, Any]]) -> set[str | None]:
    """The codes of errors, each of which must have a message."""
    assert all(error["message"] for error in errors), errors
    return {error.get("extensions", {}).get("code") for error in errors}
