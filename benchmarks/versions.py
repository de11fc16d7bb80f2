"""This checkout against another one of this project: `python -m benchmarks.versions ../before`.

The other checkout has an environment of its own (`make install page` in it). Both servers run at once, on one core, and
are asked in turn, round after round; what counts is the ratio of medians.
"""

import argparse
import contextlib
import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import uvloop

from benchmarks import fanout, requests
from benchmarks.options import Options
from benchmarks.report import publish
from benchmarks.requests import CASES, Server
from benchmarks.servers import LOAD_CORE, memory_of, ours, served, share_of, start_of, until_it_answers

MEASURED = ("typename", "jobs-anew", "200-points-anew", "step", "step-8-jobs")


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
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.0, help="that a round of requests lasts")
    given = parser.parse_args()
    os.sched_setaffinity(0, {LOAD_CORE})
    options = Options(given.rounds, given.seconds, quick=False, only=frozenset(), write=False)
    cases = [case for case in CASES if case.name in MEASURED]
    before, after = (
        Server(name, name, command_of(path)) for name, path in (("before", given.checkout), ("after", Path()))
    )
    with contextlib.ExitStack() as stack:
        folders = {server.name: stack.enter_context(tempfile.TemporaryDirectory()) for server in (before, after)}
        for _ in range(options.rounds + 1):
            for server in (before, after):
                server.starts.append(start_of(server.command(folders[server.name])))
        for server in (before, after):
            del server.starts[0]  # it made the database
            server.url, server.pid = stack.enter_context(served(server.command(folders[server.name])))
            until_it_answers(server.url)
        uvloop.run(requests.measure_all([before, after], cases, options))
        for server in (before, after):
            server.memory, server.share = memory_of(server.pid), share_of(server.pid)
    streams = [fanout.Server(fanout.OURS, []) for _ in (before, after)]
    for _ in range(options.rounds):
        for server, stream in zip((before, after), streams, strict=True):
            with tempfile.TemporaryDirectory() as folder:
                stream.command = server.command(folder)
                uvloop.run(fanout.measure(stream))
    median = statistics.median
    rows = [
        [f"{case.title}, a second", *ratio(median(before.rates[case.name]), median(after.rates[case.name]))]
        for case in cases
    ]
    rows += [
        [f"{case.title}, µs of CPU", *ratio(1e6 * median(before.cpu[case.name]), 1e6 * median(after.cpu[case.name]))]
        for case in cases
    ]
    rows += [
        ["fan-out, deliveries a second", *ratio(median(streams[0].rates), median(streams[1].rates))],
        ["fan-out, MiB after it", *ratio(streams[0].memory, streams[1].memory)],
        ["seconds from start to first answer", *ratio(median(before.starts), median(after.starts), ".2f")],
        ["MiB after the requests: RSS", *ratio(before.memory / 2**20, after.memory / 2**20)],
        ["MiB after the requests: PSS", *ratio(before.share / 2**20, after.share / 2**20)],
    ]
    caption = (
        f"Medians of {options.rounds} rounds, one version in turn with the other (`python -m benchmarks.versions`):"
    )
    publish("versions", caption, ["", "before", "after", "after / before"], rows, write=False)


if __name__ == "__main__":
    main()
