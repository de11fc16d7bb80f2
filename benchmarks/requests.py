"""Requests a second: training-monitor against the servers that a user would write instead, over the same jobs.

The peers serve the same contract from the same tables on SQLite (WAL, synchronous FULL), each on one core with the
load on another. All of them run at once and are asked in turn, round after round, over eight connections. Before
that the answer of each to each request is compared.

Reads are asked for twice: again and again the same, which a server may remember for as long as its store stays as it
is, and each time otherwise, with a variable that means nothing, which no server can. The points of a simulated step are
each server's own: the peers' take less to make.
"""

import contextlib
import os
import statistics
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count, repeat
from typing import Any

import uvloop

from benchmarks.calls import Caller
from benchmarks.load import answered, request
from benchmarks.options import Options, read_options
from benchmarks.report import publish
from benchmarks.servers import LOAD_CORE, cpu_of, memory_of, ours, peer, served, share_of, start_of, until_it_answers

CONNECTIONS = 8
JOBS = 100
BATCH = 1_000
OURS = "training-monitor"

# The newest jobs are first; those that are asked for are among the 100 of each list.
READ = [str(number) for number in range(1, CONNECTIONS + 1)]
STEPPED = [str(number) for number in range(CONNECTIONS + 1, 2 * CONNECTIONS + 1)]

POINTS_OF = (
    "query ($id: ID!, $limit: Int!) { job(id: $id) { metrics(limit: $limit) { step loss accuracy learningRate } } }"
)
STEP = """mutation ($id: ID!) { simulateStep(id: $id) { __typename
    ... on SimulateStepSuccess { complete progress metric { seq step epoch loss accuracy learningRate } }
    ... on Error { message } } }"""


@dataclass(frozen=True)
class Case:
    name: str
    title: str
    query: str
    variables: Sequence[dict[str, Any]] = ({},)
    """Of each connection, dealt out."""
    points: int = 0
    """That the jobs it reads must have."""
    steps: bool = False
    """Whether it adds points, which each server makes in its own way."""
    anew: bool = False
    """Whether no two requests are the same."""

    def requests(self, url: str) -> list[Iterable[bytes]]:
        """The requests of each connection."""
        if not self.anew:
            return [repeat(request(url, body)) for body in self.bodies()]
        return [_each_otherwise(url, body) for body in self.bodies()]

    def bodies(self) -> list[dict[str, Any]]:
        """What each connection asks."""
        variables = [self.variables[number % len(self.variables)] for number in range(CONNECTIONS)]
        return [{"query": self.query, "variables": each} if each else {"query": self.query} for each in variables]


_turns = count()


def _each_otherwise(url: str, body: dict[str, Any]) -> Iterator[bytes]:
    variables = body.get("variables", {})
    return (request(url, {**body, "variables": {**variables, "turn": turn}}) for turn in _turns)


def _reading(ids: Sequence[str], limit: int) -> list[dict[str, Any]]:
    return [{"id": id, "limit": limit} for id in ids]


JOBS_LISTED = "{ jobs(limit: 100) { id name modelName status epochs learningRate progress createdAt } }"
CASES = [
    Case("typename", "`{ __typename }`", "{ __typename }"),
    Case("jobs", "100 jobs × 8 fields, the same again", JOBS_LISTED),
    Case("jobs-anew", "100 jobs × 8 fields, read anew", JOBS_LISTED, anew=True),
    Case("200-points", "one job, 200 points × 4, the same again", POINTS_OF, _reading(READ, 200), points=200),
    Case("200-points-anew", "one job, 200 points × 4, read anew", POINTS_OF, _reading(READ, 200), 200, anew=True),
    Case("10000-points", "one job, 10,000 points × 4, the same again", POINTS_OF, _reading(READ, 10_000), 10_000),
    Case(
        "10000-points-anew",
        "one job, 10,000 points × 4, read anew",
        POINTS_OF,
        _reading(READ, 10_000),
        10_000,
        anew=True,
    ),
    Case("step", "simulateStep, one job", STEP, [{"id": STEPPED[0]}], steps=True),
    Case("step-8-jobs", "simulateStep, eight jobs", STEP, [{"id": id} for id in STEPPED], steps=True),
]


@dataclass
class Server:
    name: str
    title: str
    command: Callable[[str], list[str]]
    """The folder of its database -> how to start it."""
    stores: bool = True
    starts: list[float] = field(default_factory=list)
    """Seconds from its start to its first answer."""
    rates: dict[str, list[float]] = field(default_factory=dict)
    """Answers a second of each round, by case."""
    cpu: dict[str, list[float]] = field(default_factory=dict)
    """Seconds of CPU for an answer, likewise: what a busy machine changes least."""
    url: str = ""
    pid: int = 0
    steps: int = 0
    """Simulated steps that it acknowledged."""
    memory: int = 0
    share: int = 0


SERVERS = [
    Server(OURS, OURS, ours),
    Server("mercurius", "Mercurius JIT", lambda folder: peer("requests/mercurius", f"{folder}/peer.sqlite3")),
    Server("yoga", "Yoga", lambda folder: peer("requests/yoga", f"{folder}/peer.sqlite3")),
    Server("plain", "plain Strawberry", lambda folder: peer("requests/plain", f"{folder}/peer.sqlite3")),
    Server("bare", "bare uvicorn", lambda _: peer("requests/bare"), stores=False),
]


async def fill(url: str, points: int) -> None:
    """The jobs and points that are asked for, by the public API."""
    async with Caller(url) as caller:
        for number in range(1, JOBS + 1):
            assert await caller.started(f"run {number}") == str(number)
        for id in READ:
            for first in range(0, points, BATCH):
                await caller.log(id, range(first + 1, min(first + BATCH, points) + 1))


async def compare(server: Server, case: Case, expected: Any) -> Any:
    """What it answers to the requests of a case, which must be what was expected, where anything was."""
    async with Caller(server.url) as caller:
        answers = [_comparable(await caller.data(**body), case) for body in case.bodies()]
    if case.steps:
        server.steps += len(answers)
    if expected is not None and answers != expected:
        raise SystemExit(
            f"{server.name} answers otherwise in the case {case.name}: {answers!r:.2000} {expected!r:.2000}"
        )
    return answers


def _comparable(value: Any, case: Case, name: str = "") -> Any:
    """An answer without what cannot be the same: moments, and the numbers that each simulator makes."""
    if isinstance(value, dict):
        return {name: _comparable(each, case, name) for name, each in value.items()}
    if isinstance(value, list):
        return [_comparable(each, case, name) for each in value]
    if name == "createdAt":
        assert datetime.fromisoformat(value).tzinfo is not None
        return "a moment"
    if case.steps and name in {"loss", "accuracy", "learningRate"}:
        assert isinstance(value, float | int)
        return "a number"
    return value


async def measure(server: Server, case: Case, seconds: float) -> tuple[float, float]:
    """Answers a second, and the seconds of CPU for one."""
    before = cpu_of(server.pid)
    rate, total = await answered(server.url, case.requests(server.url), seconds)
    if case.steps:
        server.steps += total
    return rate, (cpu_of(server.pid) - before) / total


async def audit(server: Server) -> None:
    """Every step that was acknowledged is stored."""
    async with Caller(server.url) as caller:
        counts = [
            (await caller.data(f'{{ job(id: "{id}") {{ metricCount }} }}'))["job"]["metricCount"] for id in STEPPED
        ]
    if sum(counts) != server.steps:
        raise SystemExit(f"{server.name} acknowledged {server.steps} steps and has {sum(counts)}.")


async def measure_all(servers: list[Server], cases: list[Case], options: Options) -> None:
    """All rounds of all servers, which are running."""
    storing = [server for server in servers if server.stores]
    for server in storing:
        await fill(server.url, max(case.points for case in cases))
    for case in cases:
        expected = None
        for server in storing:
            expected = await compare(server, case, expected)
    for turn in range(options.rounds + 1):
        for case in cases:
            for server in servers:
                if server.stores or case.name == "typename":
                    rate, cpu = await measure(server, case, options.seconds)
                    if turn:  # the first round warms up
                        server.rates.setdefault(case.name, []).append(rate)
                        server.cpu.setdefault(case.name, []).append(cpu)
    for server in storing:
        await audit(server)


def rows_of(servers: list[Server], cases: list[Case]) -> list[list[str]]:
    """The table: a row for each case, a column for each server."""
    rows = []
    for case in cases:
        medians = {server.name: statistics.median(server.rates.get(case.name, [0])) for server in servers}
        rows.append([case.title, *(_cell(rate, medians.get(OURS), f"{rate:,.0f}") for rate in medians.values())])
    starts = [statistics.median(server.starts) for server in servers]
    rows.append(["seconds from start to first answer", *(f"{seconds:.2f}" for seconds in starts)])
    rows.append(["memory after the run: RSS", *(f"{server.memory / 2**20:,.0f} MiB" for server in servers)])
    rows.append(["memory after the run: PSS", *(f"{server.share / 2**20:,.0f} MiB" for server in servers)])
    return rows


def cpu_rows_of(servers: list[Server], cases: list[Case]) -> list[list[str]]:
    """The same of the microseconds of CPU that an answer takes."""
    rows = []
    for case in cases:
        taken = [server.cpu.get(case.name) for server in servers]
        rows.append([case.title, *(f"{statistics.median(each) * 1e6:,.0f}" if each else "" for each in taken)])
    return rows


def _cell(rate: float, ours: float | None, shown: str) -> str:
    if not rate:
        return ""
    return shown if not ours or rate == ours else f"{shown} ({ours / rate:.2f} ×)"


def main() -> None:
    options = read_options(__doc__, *(server.name for server in SERVERS), *(case.name for case in CASES))
    os.sched_setaffinity(0, {LOAD_CORE})
    names = options.chosen([server.name for server in SERVERS])
    servers = [server for server in SERVERS if server.name in names]
    names = options.chosen([case.name for case in CASES])
    cases = [case for case in CASES if case.name in names]
    with contextlib.ExitStack() as stack:
        folders = {server.name: stack.enter_context(tempfile.TemporaryDirectory()) for server in servers}
        for _ in range(options.rounds + 1):
            for server in servers:
                server.starts.append(start_of(server.command(folders[server.name])))
        for server in servers:
            del server.starts[0]  # it made the database
        for server in servers:
            server.url, server.pid = stack.enter_context(served(server.command(folders[server.name])))
            until_it_answers(server.url)
        uvloop.run(measure_all(servers, cases, options))
        for server in servers:
            server.memory, server.share = memory_of(server.pid), share_of(server.pid)
    titles = ["", *(server.title for server in servers)]
    publish(
        "cpu",
        "Microseconds of CPU that an answer takes of the server, whatever else the machine does:",
        titles,
        cpu_rows_of(servers, cases),
        write=False,
    )
    publish(
        "requests",
        f"Requests a second over {CONNECTIONS} connections, and in brackets how many times as many training-monitor "
        f"answers; medians of {options.rounds} rounds (`python -m benchmarks.requests`):",
        titles,
        rows_of(servers, cases),
        write=options.write,
    )


if __name__ == "__main__":
    main()
