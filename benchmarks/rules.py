"""What 20 rules of alerts cost a loop that logs: points logged with them and without, by two servers in turn.

python -m benchmarks.rules [rounds, 9]
"""

import asyncio
import contextlib
import os
import statistics
import sys
import time
from collections.abc import Sequence
from tempfile import TemporaryDirectory

import uvloop

from benchmarks.calls import Caller, logged
from benchmarks.report import publish
from benchmarks.servers import LOAD_CORE, cpu_of, ours, served

ROUNDS = 9
SECONDS = 1.0
BATCHES = (1, 100, 10_000)
SERIES = ("loss", "accuracy", "learningRate", "val/loss")
"""What rules look at: what is logged, and one name that is not."""
CONDITIONS = (
    "condition: NOT_FINITE",
    "condition: ABOVE, threshold: 1000",
    "condition: BELOW, threshold: -1",
    "condition: NO_IMPROVEMENT, window: 1000000000",
)
OF_JOBS = ("FAILED", "LOST", "SILENT, window: 3600", "FAILED")
CREATE = 'mutation {{ createAlertRule(input: {{ name: "rule", {} }}) {{ __typename }} }}'


async def ruled(caller: Caller) -> None:
    """Make 20 rules: four of each series, and four about jobs."""
    rules = [f'series: "{name}", {condition}' for name in SERIES for condition in CONDITIONS]
    for rule in [*rules, *(f"condition: {condition}" for condition in OF_JOBS)]:
        answer = await caller.data(CREATE.format(rule))
        assert answer["createAlertRule"]["__typename"] == "AlertRuleSuccess", (rule, answer)


async def measure(servers: Sequence[tuple[str, int]], rounds: int) -> list[list[str]]:
    """The rows of the table; `servers`: address and process id of the one without rules, and of the one with them."""
    rows = []
    async with contextlib.AsyncExitStack() as stack:
        callers = [await stack.enter_async_context(Caller(url)) for url, _ in servers]
        await ruled(callers[1])
        for batch in BATCHES:
            rates: list[list[float]] = [[], []]
            taken: list[list[float]] = [[], []]
            ids = [await caller.started() for caller in callers]
            for turn in range(rounds + 1):
                for number, (caller, (_, pid)) in enumerate(zip(callers, servers, strict=True)):
                    before, began = cpu_of(pid), time.perf_counter()
                    rate = await logged([caller], [ids[number]], batch, SECONDS, first=turn * 1_000_000)
                    count = rate * (time.perf_counter() - began)
                    await asyncio.sleep(0.3)  # what is looked at behind the last batch belongs to it
                    if turn:  # the first round warms up
                        rates[number].append(rate)
                        taken[number].append(1e6 * (cpu_of(pid) - before) / count)
            shown = []
            for each, form in ((rates, ",.0f"), (taken, ",.1f")):
                without, with_them = map(statistics.median, each)
                shown += [f"{without:{form}}", f"{with_them:{form}}", f"{with_them / without:.2f} ×"]
            rows.append([f"{batch:,}", *shown])
    return rows


def main(arguments: Sequence[str]) -> None:
    os.sched_setaffinity(0, {LOAD_CORE})
    rounds = int(arguments[0]) if arguments else ROUNDS
    with contextlib.ExitStack() as stack:
        folders = [stack.enter_context(TemporaryDirectory()) for _ in range(2)]
        servers = [stack.enter_context(served(ours(folder))) for folder in folders]
        rows = uvloop.run(measure(servers, rounds))
    caption = (
        f"Points logged a second by one loop, without rules of alerts and with 20, medians of {rounds} rounds in turn "
        "(`python -m benchmarks.rules`):"
    )
    header = ["points a request", "without", "with 20 rules", "ratio", "µs of CPU a point without", "with", "ratio"]
    publish("rules", caption, header, rows, write=False)


if __name__ == "__main__":
    main(sys.argv[1:])
