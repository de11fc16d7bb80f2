"""The command line that the benchmarks share."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Options", "read_options"]

ROUNDS = 5
SECONDS = 1.0


@dataclass(frozen=True)
class Options:
    """How to measure, what of it, and where to tell."""

    rounds: int
    """Of each server in each case; what counts is their median."""
    seconds: float
    """That a round lasts, where time ends it."""
    quick: bool
    """Only to see that it works."""
    only: frozenset[str]
    write: bool
    """The table into its page of docs/ too."""

    def chosen(self, names: Sequence[str]) -> list[str]:
        """Those of some names that were asked for: all of them where none of them was."""
        return [name for name in names if name in self.only] or list(names)


def read_options(describes: str | None, *names: str) -> Options:
    """What the command line says; `names`: of the servers and cases that --only may choose from."""
    parser = argparse.ArgumentParser(description=describes, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the table into its page of docs/")
    parser.add_argument("--quick", action="store_true", help="one short round, to see that it works")
    if names:
        shown = ", ".join(names)
        parser.add_argument("--only", nargs="+", default=[], metavar="NAME", choices=names, help=f"some of: {shown}")
    given = parser.parse_args()
    only = frozenset(given.only if names else ())
    if given.write and (given.quick or only):
        parser.error("--write takes the whole measurement: leave out --quick and --only.")
    rounds, seconds = (1, 0.5) if given.quick else (ROUNDS, SECONDS)
    return Options(rounds, seconds, given.quick, only, given.write)
