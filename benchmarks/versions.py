"""This checkout against another one of this project: `python -m benchmarks.versions ../before`.

The other checkout has an environment of its own (`make install page` in it). Both servers run at once, on one core, and
are asked in turn, round after round; and as one start of a server differs from the next by more than the versions do,
both are started anew, on new stores, several times. What counts is the ratio of medians.
"""

import argparse
import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from benchmarks import fanout, requests
from benchmarks.calls import Caller, logged
from benchmarks.options import Options
from benchmarks.report import publish
from benchmarks.requests import CASES, CONNECTIONS, Case, Server
from benchmarks.servers import LOAD_CORE, cpu_of, memory_of, ours, served, share_of, start_of, until_it_answers

MEASURED = ("typename", "jobs-anew", "200-points-anew", "10000-points-anew", "step", "step-8-jobs")
BATCHES = (1, 100, 10_000)
"""Points that are logged in one request."""


@dataclass
class Version(Server):
    """One of the two, in all its starts."""

    logged: dict[int, list[float]] = field(default_factory=dict)
    """Points logged a second, by the size of batches, of each round."""
    logging: dict[int, list[float]] = field(default_factory=dict)
    """Seconds of CPU for each of them, likewise."""
    memories: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    """MiB after the requests, RSS and PSS, of each start."""
    stream: fanout.Server = field(default_factory=lambda: fanout.Server(fanout.OURS, []))


async def log(versions: Sequence[Version], options: Options) -> None:
    """Log points, on eight connections, each to a job of its own, by both in turn."""
    async with contextlib.AsyncExitStack() as stack:
        callers = {
            version.name: [await stack.enter_async_context(Caller(version.url)) for _ in range(CONNECTIONS)]
            for version in versions
        }
        for batch in BATCHES:
            ids = {name: [await caller.started() for caller in of_one] for name, of_one in callers.items()}
            for turn in range(options.rounds + 1):
                for version in versions:
                    before = cpu_of(version.pid)
                    began = time.perf_counter()
                    first = turn * 1_000_000
                    of_one = callers[version.name]
                    rate = await logged(of_one, ids[version.name], batch, options.seconds, first)
                    count = rate * (time.perf_counter() - began)
                    if turn:  # the first round warms up
                        version.logged.setdefault(batch, []).append(rate)
                        version.logging.setdefault(batch, []).append((cpu_of(version.pid) - before) / count)


def one_start(versions: Sequence[Version], cases: Sequence[Case], options: Options) -> None:
    """Start both, on new stores, and ask them in turn."""
    with contextlib.ExitStack() as stack:
        for version in versions:
            command = version.command(stack.enter_context(tempfile.TemporaryDirectory()))
            start_of(command)  # it makes the database
            version.starts.append(start_of(command))
            version.steps = 0
            version.url, version.pid = stack.enter_context(served(command))
            until_it_answers(version.url)
        uvloop.run(requests.measure_all([*versions], [*cases], options))
        uvloop.run(log(versions, options))
        for version in versions:
            version.memories.append(memory_of(version.pid) / 2**20)
            version.shares.append(share_of(version.pid) / 2**20)
    for version in versions:
        for _ in range(options.rounds):
            with tempfile.TemporaryDirectory() as folder:
                version.stream.command = version.command(folder)
                uvloop.run(fanout.measure(version.stream))


def command_of(checkout: Path) -> Callable[[str], list[str]]:
    """How to start the server of a checkout, from the folder of its database."""
    script = str(checkout.resolve() / ".venv" / "bin" / "training-monitor")
    return lambda folder: [script, *ours(folder)[3:]]


def ratio(before: float, after: float, shown: str = ",.0f") -> list[str]:
    """Three cells: before, after, and after over before."""
    return [f"{before:{shown}}", f"{after:{shown}}", f"{after / before:.2f} ×"]


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, help="the other checkout, with its environment in .venv")
    parser.add_argument("--starts", type=int, default=3, help="of both servers, on new stores")
    parser.add_argument("--rounds", type=int, default=3, help="of each start")
    parser.add_argument("--seconds", type=float, default=0.5, help="that a round of requests lasts")
    given = parser.parse_args()
    os.sched_setaffinity(0, {LOAD_CORE})
    options = Options(given.rounds, given.seconds, quick=False, only=frozenset(), write=False)
    cases = [case for case in CASES if case.name in MEASURED]
    before, after = (
        Version(name, name, command_of(path)) for name, path in (("before", given.checkout), ("after", Path()))
    )
    for number in range(given.starts):
        # Each is the first to be started, and to be asked, in turn.
        one_start((before, after) if number % 2 == 0 else (after, before), cases, options)
    median = statistics.median
    rows = [
        [f"{case.title}, a second", *ratio(median(before.rates[case.name]), median(after.rates[case.name]))]
        for case in cases
    ]
    rows += [
        [
            f"points logged a second, {batch:,} a request",
            *ratio(median(before.logged[batch]), median(after.logged[batch])),
        ]
        for batch in BATCHES
    ]
    rows += [
        [f"{case.title}, µs of CPU", *ratio(1e6 * median(before.cpu[case.name]), 1e6 * median(after.cpu[case.name]))]
        for case in cases
    ]
    rows += [
        [
            f"a point logged, {batch:,} a request, µs of CPU",
            *ratio(1e6 * median(before.logging[batch]), 1e6 * median(after.logging[batch]), ",.1f"),
        ]
        for batch in BATCHES
    ]
    rows += [
        ["fan-out, deliveries a second", *ratio(median(before.stream.rates), median(after.stream.rates))],
        ["fan-out, MiB after it", *ratio(before.stream.memory, after.stream.memory)],
        ["seconds from start to first answer", *ratio(median(before.starts), median(after.starts), ".2f")],
        ["MiB after the requests: RSS", *ratio(median(before.memories), median(after.memories))],
        ["MiB after the requests: PSS", *ratio(median(before.shares), median(after.shares))],
    ]
    caption = (
        f"Medians of {given.starts} starts of {given.rounds} rounds, one version in turn with the other "
        "(`python -m benchmarks.versions`):"
    )
    publish("versions", caption, ["", "before", "after", "after / before"], rows, write=False)


if __name__ == "__main__":
    main()
