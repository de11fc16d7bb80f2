"""How long an ordinary client waits while others send what is hostile."""

import asyncio
import os
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.options import read_options
from benchmarks.report import publish
from tests.attack import FLAGS, Ordinary, faults_of, ordinary_client, p99, slow_ones_among
from tests.hostile import Hostile, corpus
from tests.process import ServerProcess

SECONDS = 10.0
QUICK_SECONDS = 1.0
AT_ONCE = (1, 4)
"""How many send at the same time, without a pause."""
NICENESS = 15
"""Who attacks has a machine of its own; here it must not take the client's processor away."""


async def waits_under_attack(ordinary: Ordinary, url: str, attacks: list[Hostile], at_once: int) -> list[float]:
    """The ordinary client's waits, in seconds, while all of the attacks are sent again and again."""
    ordinary.waits()
    until = time.monotonic() + (QUICK_SECONDS if read_options(__doc__).quick else SECONDS)
    while time.monotonic() < until:
        if faults := await faults_of(attacks, url, at_once):
            raise RuntimeError(faults[0])
    return ordinary.waits()


def main() -> None:
    options = read_options(__doc__)
    _, attacks = slow_ones_among(corpus())
    with (
        TemporaryDirectory() as folder,
        ServerProcess(f"sqlite://{Path(folder) / 'attacked.sqlite3'}", *FLAGS) as server,
        ordinary_client(server.url) as ordinary,
    ):
        time.sleep(1)
        ordinary.waits()
        time.sleep(QUICK_SECONDS if options.quick else SECONDS)
        waits = {"nobody": ordinary.waits()}
        os.nice(NICENESS)
        for at_once in AT_ONCE:
            name = f"{at_once} at once" if at_once > 1 else "one after the other"
            waits[name] = asyncio.run(waits_under_attack(ordinary, server.url, attacks, at_once))
    quiet = p99(waits["nobody"])
    publish(
        "attack",
        f"An ordinary client of a server that is sent {len(attacks)} hostile requests, documents and sockets "
        "(`python -m benchmarks.attack`):",
        ["they are sent by", "median", "99 of 100", "× quiet"],
        [
            [name, f"{statistics.median(each) * 1000:.1f} ms", f"{p99(each) * 1000:.1f} ms", f"{p99(each) / quiet:.1f}"]
            for name, each in waits.items()
        ],
        write=options.write,
    )


if __name__ == "__main__":
    main()
