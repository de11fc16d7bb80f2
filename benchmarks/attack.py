"""How long an ordinary client waits while others send what is hostile.

Who attacks has a machine of its own; here it has only the time that nobody else wants. What it takes from the client
all the same is seen where the same is sent to another server beside this one.
"""

import asyncio
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.options import read_options
from benchmarks.ordinary import Ordinary, ordinary_client
from benchmarks.report import publish
from tests.tools.hostile.attack import Hostile, faults_of
from tests.tools.hostile.corpus import FLAGS, quick
from tests.tools.process import ServerProcess

ROUNDS = 5
SECONDS = 6.0
QUICK_SECONDS = 1.0
AT_ONCE = (1, 4)
"""How many send at the same time, without a pause."""


async def waits_under_attack(
    ordinary: Ordinary, url: str, attacks: list[Hostile], at_once: int, seconds: float
) -> list[float]:
    """The ordinary client's waits, in seconds, while all of the attacks are sent to an address again and again."""
    ordinary.waits()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if faults := await faults_of(attacks, url, at_once):
            raise RuntimeError(faults[0])
    return ordinary.waits()


def main() -> None:
    options = read_options(__doc__)
    seconds, rounds = (QUICK_SECONDS, 1) if options.quick else (SECONDS, ROUNDS)
    attacks = quick()
    waits: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
    with (
        TemporaryDirectory() as folder,
        ServerProcess(f"sqlite://{Path(folder) / 'attacked.sqlite3'}", *FLAGS, is_forked=False) as server,
        ServerProcess(f"sqlite://{Path(folder) / 'other.sqlite3'}", *FLAGS, is_forked=False) as other,
        ordinary_client(server.url) as ordinary,
    ):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        for _ in range(rounds):
            time.sleep(1)
            ordinary.waits()
            time.sleep(seconds)
            waits["nobody", ""].append(ordinary.waits())
            for at_once in AT_ONCE:
                sent = "one after the other" if at_once == 1 else f"{at_once} at once"
                for to, url in (("another server", other.url), ("this one", server.url)):
                    attacked = asyncio.run(waits_under_attack(ordinary, url, attacks, at_once, seconds))
                    waits[sent, to].append(attacked)
    quiet = waits["nobody", ""]
    rows = []
    for (sent, to), each in waits.items():
        times = [statistics.median(statistics.median(one) for one in each), statistics.median(map(p99, each))]
        row = [sent, to, *(f"{took * 1000:.1f} ms" for took in times), f"{_ratio(each, quiet):.1f}"]
        beside = waits[sent, "another server"] if to == "this one" else None
        rows.append([*row, f"{_ratio(each, beside):.1f}" if beside else ""])
    publish(
        "attack",
        f"An ordinary client of a server, while {len(attacks)} hostile requests, documents and sockets are sent to it, "
        f"or to another one on the same two cores; medians of {rounds} rounds (`python -m benchmarks.attack`):",
        ["they are sent", "to", "median", "99 of 100", "× quiet", "× sent to another"],
        rows,
        write=options.write,
    )


def p99(waits: Sequence[float]) -> float:
    """What 99 of 100 waits are not longer than."""
    return statistics.quantiles(waits, n=100)[98]


def _ratio(waits: list[list[float]], others: list[list[float]]) -> float:
    """How many times as long the longest but one of a hundred waits took, in the same round."""
    return statistics.median(p99(one) / p99(other) for one, other in zip(waits, others, strict=True))


if __name__ == "__main__":
    main()
