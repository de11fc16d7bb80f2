"""Logging and reading points: training-monitor against an MLflow and a Trackio server.

A point is four values of one step. Each server runs on one core and the load on another; they are asked in turn,
round after round. Points are logged by one loop and by eight, each with a run of its own, one a request and a
thousand, or as many as the server takes; all that were acknowledged are counted again in the end.

All store in SQLite: Trackio with synchronous FULL as we do, MLflow as it comes. The load acknowledges each packet at
once, for MLflow's workers would wait 40 ms for that.
"""

import contextlib
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from itertools import repeat

import uvloop

from benchmarks.load import answered
from benchmarks.options import Options, read_options
from benchmarks.report import publish
from benchmarks.servers import LOAD_CORE, memory_of, served, share_of, start_of, until_it_answers
from benchmarks.trackers import MLflow, Tracker, Trackio, TrainingMonitor

READ = 10_000
LOOPS = 8


@dataclass(frozen=True)
class Case:
    name: str
    title: str
    loops: int = 1
    batch: int = 0
    """Points of a request; none where it reads."""


CASES = [
    Case("one-1", "points logged a second, 1 a request, one loop", batch=1),
    Case("one-8", "points logged a second, 1 a request, eight loops", LOOPS, batch=1),
    Case("batch-1", "points logged a second, 1,000 a request, one loop", batch=1_000),
    Case("batch-8", "points logged a second, 1,000 a request, eight loops", LOOPS, batch=1_000),
    Case("read", f"milliseconds to read {READ:,} points of one value"),
]


class Contest:
    """The trackers that run, and the runs that are written and read."""

    def __init__(self, trackers: list[Tracker], cases: list[Case], options: Options) -> None:
        self.trackers = trackers
        self.cases = cases
        self.options = options
        self.written: dict[str, list[str]] = {}
        """Tracker -> a run for each loop."""
        self.read: dict[str, str] = {}
        """Tracker -> a run of READ points."""

    def fill(self) -> None:
        """Make the runs, and compare what is read."""
        for tracker in self.trackers:
            self.written[tracker.name] = [tracker.new_run() for _ in range(LOOPS)]
            self.read[tracker.name] = run = tracker.new_run()
            calls = tracker.logging_on(run, tracker.most)
            for _ in range(READ // tracker.most):
                tracker.send(next(calls))
            losses = tracker.losses(tracker.send(tracker.reading(run, READ)))
            if losses != [1 / step for step in range(1, READ + 1)]:
                raise SystemExit(f"{tracker.name} does not answer the losses that were logged: {losses!r:.1000}")

    async def measure(self) -> None:
        """All rounds."""
        for turn in range(self.options.rounds + 1):
            for case in self.cases:
                for tracker in self.trackers:
                    rate = await self._measure(tracker, case)
                    if turn:  # the first round warms up
                        tracker.rates.setdefault(case.name, []).append(rate)

    async def _measure(self, tracker: Tracker, case: Case) -> float:
        """Points logged a second, or reads."""
        if not case.batch:
            reading = repeat(tracker.bytes_of(tracker.reading(self.read[tracker.name], READ)))
            rate, _ = await answered(tracker.url, [reading], self.options.seconds, acknowledging=True)
            return rate
        size = min(case.batch, tracker.most)
        runs = self.written[tracker.name][: case.loops]
        requests = [map(tracker.bytes_of, tracker.logging_on(run, size)) for run in runs]
        rate, total = await answered(tracker.url, requests, self.options.seconds, acknowledging=True)
        tracker.stored[tracker.name] += total * size
        return rate * size

    def audit(self) -> None:
        """Every point that was acknowledged is stored."""
        for tracker in self.trackers:
            counted = sum(tracker.count(run) for run in self.written[tracker.name])
            if counted != (stored := tracker.stored[tracker.name]):
                raise SystemExit(f"{tracker.name} acknowledged {stored} points and has {counted}.")


def rows_of(trackers: list[Tracker], cases: list[Case]) -> list[list[str]]:
    """The table: a row for each case, a column for each tracker."""
    rows = []
    for case in cases:
        rates = [statistics.median(tracker.rates[case.name]) for tracker in trackers]
        own = rates[0] if isinstance(trackers[0], TrainingMonitor) else None
        shown = [f"{rate:,.0f}" if case.batch else f"{1000 / rate:,.1f}" for rate in rates]
        rows.append([case.title, *(_against(cell, own, rate) for cell, rate in zip(shown, rates, strict=True))])
    rows.append(["seconds from start to first answer, once", *(f"{tracker.start:.2f}" for tracker in trackers)])
    rows.append(["memory after the run: RSS", *(f"{tracker.memory / 2**20:,.0f} MiB" for tracker in trackers)])
    rows.append(["memory after the run: PSS", *(f"{tracker.share / 2**20:,.0f} MiB" for tracker in trackers)])
    return rows


def _against(cell: str, own: float | None, rate: float) -> str:
    return cell if own in {None, rate} else f"{cell} ({own / rate:.1f} ×)"


def main() -> None:
    every: list[Tracker] = [TrainingMonitor(), MLflow(), Trackio()]
    options = read_options(__doc__, *(tracker.name for tracker in every), *(case.name for case in CASES))
    os.sched_setaffinity(0, {LOAD_CORE})
    trackers = [tracker for tracker in every if tracker.name in options.chosen([each.name for each in every])]
    cases = [case for case in CASES if case.name in options.chosen([each.name for each in CASES])]
    with contextlib.ExitStack() as stack:
        folders = {tracker.name: stack.enter_context(tempfile.TemporaryDirectory()) for tracker in trackers}
        pids = {}
        for tracker in trackers:
            start_of(tracker.command(folders[tracker.name]), tracker.health)  # the first makes the database
            began = time.perf_counter()
            tracker.url, pids[tracker.name] = stack.enter_context(served(tracker.command(folders[tracker.name])))
            until_it_answers(tracker.url, tracker.health)
            tracker.start = time.perf_counter() - began
        contest = Contest(trackers, cases, options)
        contest.fill()
        uvloop.run(contest.measure())
        for tracker in trackers:
            tracker.memory, tracker.share = memory_of(pids[tracker.name]), share_of(pids[tracker.name])
        contest.audit()
    publish(
        "points",
        "Points of four values, and in brackets how many times as fast training-monitor is; medians of "
        f"{options.rounds} rounds (`python -m benchmarks.points`):",
        ["", *(tracker.name for tracker in trackers)],
        rows_of(trackers, cases),
        write=options.write,
    )


if __name__ == "__main__":
    main()
