"""How long a page of a list of 100,000 jobs takes over HTTP: by each order and filter, first pages and deep ones.

python -m benchmarks.finding [sqlite://FILE or postgres://…]

A store without jobs is filled, and one that was filled before is taken as it is; without an address it is a new one in
SQLite.
"""

import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.calls import Caller
from benchmarks.report import publish
from benchmarks.servers import LOAD_CORE, served
from tests.tools.outside import Outside

JOBS = 100_000
READS = 5
DEEP = 8
"""Pages of 500 behind which a deep one begins."""
NAMES = ("loss", "val/loss", "accuracy")
PATHS = ("optimizer.lr", "optimizer.name", "seed", "model.layers")
AT_ONCE = 5_000

FIELDS = ("CREATED_AT", "UPDATED_AT", "STARTED_AT", "FINISHED_AT", "NAME", "PROGRESS")
FILTERS: dict[str, dict[str, Any]] = {
    "": {},
    "project of half of them": {"projects": ["half"]},
    "project of 20 of them": {"projects": ["rare"]},
    "two projects": {"projects": ["p3", "p4"]},
    "status of 80 %": {"status": ["COMPLETE"]},
    "status of 50 jobs": {"status": ["RUNNING"]},
    "two statuses": {"status": ["FAILED", "QUEUED"]},
    "tag of half of them": {"tags": ["common"]},
    "tag of 20 of them": {"tags": ["rare"]},
    "two tags": {"tags": ["common", "some"]},
    "group of 10 %": {"group": "sweep"},
    "group of 20 of them": {"group": "g7"},
    "none of them": {"projects": ["nothing"]},
    "project and tag": {"projects": ["half"], "tags": ["some"]},
    "project and status": {"projects": ["half"], "status": ["FAILED"]},
    "lost": {"lost": True},
    "archived": {"archived": True},
}
"""What a filter means -> it."""
SLOW: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "search for a word of a few": ({"search": "run-0421"}, {}),
    "search for two words of many": ({"search": "RUN resnet"}, {}),
    "search for what none has": ({"search": "nowhere"}, {}),
    "config value equal": ({"config": [{"path": "optimizer.name", "equals": "adam"}]}, {}),
    "config value above": ({"config": [{"path": "optimizer.lr", "above": 0.5}]}, {}),
    "series value below": ({"series": [{"name": "loss", "below": 0.01}]}, {}),
    "series value below, of half of them": ({"series": [{"name": "loss", "of": "LOWEST", "below": 0.5}]}, {}),
    "by a config value": ({}, {"config": "optimizer.lr"}),
    "by a series value": ({}, {"series": "loss"}),
    "by a series value, in a project": ({"projects": ["half"]}, {"series": "val/loss", "of": "LOWEST"}),
}
"""What is asked for -> filter and order."""
PAGE = """query ($first: Int!, $after: String, $filter: JobFilter, $orderBy: JobOrder) {
    jobList(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
        nodes { id name project status progress tags createdAt updatedAt } pageInfo { hasNextPage endCursor } COUNT
    } }"""


def jobs() -> Iterator[dict[str, Any]]:
    """The rows of jobs, always the same."""
    draw = random.Random(17)
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    for id in range(1, JOBS + 1):
        created = begin + timedelta(minutes=id)
        share = draw.random()
        status = "COMPLETE" if share < 0.8 else "FAILED" if share < 0.95 else "QUEUED"
        if id % (JOBS // 50) == 0:
            status = "RUNNING"
        project = "half" if draw.random() < 0.5 else f"p{draw.randrange(20)}"
        tags = [tag for tag, share in (("common", 0.5), ("some", 0.05)) if draw.random() < share]
        group = "sweep" if draw.random() < 0.1 else f"g{id % 5_000}"
        if id % (JOBS // 20) == 7:
            tags, project = [*tags, "rare"], "rare"
        name = f"run-{draw.randrange(10**6):06} {draw.choice(('resnet', 'vit', 'bert'))}"
        started = None if status == "QUEUED" else created + timedelta(minutes=draw.randrange(600))
        finished = None if status in {"QUEUED", "RUNNING"} or started is None else started + timedelta(minutes=90)
        yield {
            "id": id,
            "name": name,
            "project": project,
            "group_name": group,
            "tag_list": "[" + ",".join(f'"{tag}"' for tag in tags) + "]",
            "notes": "",
            "model_name": "bench",
            "searchable": f"{name}\nbench",
            "status": status,
            "metric_count": 0,
            "furthest_step": 1000,
            "progress_step": 1000,
            "progress": None if draw.random() < 0.2 else draw.randrange(1000) / 1000,
            "created_at": created,
            "updated_at": created + timedelta(minutes=draw.randrange(10_000)),
            "started_at": started,
            "finished_at": finished,
            "archived_at": finished if draw.random() < 0.02 else None,
            "lost_since": started if status == "RUNNING" and id % 4_000 == 0 else None,
            "attempt": 1,
            "attempt_first_seq": 1,
            "cuts": "[]",
            "change": id,
        }


def series() -> Iterator[dict[str, Any]]:
    """The rows of their series."""
    draw = random.Random(18)
    columns = ("seq", "step", "value", "us")
    for id in range(1, JOBS + 1):
        for number, name in enumerate(NAMES):
            values: dict[str, float] = {
                f"{of}_{column}": 1000 for of in ("last", "lowest", "highest") for column in columns
            }
            values |= {"last_value": draw.random(), "lowest_value": draw.random() / 2, "highest_value": 2.0}
            row = {"job_id": id, "name": name, "first_seq": number + 1, "count": 1000, "non_finite_count": 0, **values}
            yield {**row, "is_main": False}


def config_values() -> Iterator[dict[str, Any]]:
    """The rows of the values of their configs."""
    draw = random.Random(19)
    for id in range(1, JOBS + 1):
        for path in PATHS:
            number = None if path == "optimizer.name" else draw.random()
            text = draw.choice(('"adam"', '"sgd"', '"lion"')) if number is None else repr(number)
            yield {"job_id": id, "path": path, "number": number, "text": text}


def tags() -> Iterator[dict[str, Any]]:
    """The rows of their tags."""
    for job in jobs():
        for tag in job["tag_list"].strip("[]").replace('"', "").split(","):
            if tag:
                yield {"job_id": job["id"], "tag": tag}


def fill(url: str) -> None:
    """Store them behind the product's back, where there are none."""
    with Outside(url) as store:
        if store.execute("SELECT 1 FROM job LIMIT 1"):
            return
        tables = {"job": jobs, "series": series, "config_value": config_values, "tag": tags}
        for table, rows in tables.items():
            if table not in store.tables():
                continue
            left = rows()
            while some := [*islice(left, AT_ONCE)]:
                store.insert(table, some)
        store.execute("UPDATE deployment SET change = ?", [JOBS])
        store.execute("INSERT INTO deployment (id, change) VALUES (1, ?) ON CONFLICT DO NOTHING", [JOBS])
        if store.system == "postgres":
            store.execute("SELECT setval(pg_get_serial_sequence('job', 'id'), ?)", [JOBS])
            store.execute("VACUUM ANALYZE")


async def page(caller: Caller, variables: dict[str, Any], *, counted: bool = False) -> tuple[float, dict[str, Any]]:
    """Milliseconds that a page takes, the median of some; and the page."""
    query = PAGE.replace("COUNT", "totalCount" if counted else "")
    taken = []
    for _ in range(READS):
        began = time.perf_counter()
        answer = (await caller.data(query, variables))["jobList"]
        taken.append(1000 * (time.perf_counter() - began))
    return statistics.median(taken), answer


async def deep(caller: Caller, variables: dict[str, Any]) -> tuple[float, int]:
    """Milliseconds that a page takes in the middle of a list, or that behind its end; and the jobs before it."""
    after, seen = None, 0
    for _ in range(DEEP):
        answer = (await caller.data(PAGE.replace("COUNT", ""), {**variables, "first": 500, "after": after}))["jobList"]
        after, seen = answer["pageInfo"]["endCursor"] or after, seen + len(answer["nodes"])
        if not answer["pageInfo"]["hasNextPage"]:
            break
    taken, _ = await page(caller, {**variables, "first": 50, "after": after})
    return taken, seen


async def measure(url: str) -> list[list[str]]:
    """The rows of the table."""
    rows = []
    async with Caller(url) as caller:
        for title, filter in FILTERS.items():
            worst: dict[str, tuple[float, str]] = {}
            for field in FIELDS:
                for direction in ("DESC", "ASC"):
                    asked = {"first": 50, "filter": filter, "orderBy": {"field": field, "direction": direction}}
                    first, _ = await page(caller, asked)
                    behind, _ = await deep(caller, asked)
                    for kind, taken in (("first", first), ("deep", behind)):
                        worst[kind] = max(worst.get(kind, (0.0, "")), (taken, f"{field} {direction}"))
            counted, answer = await page(caller, {"first": 50, "filter": filter}, counted=True)
            shown = [f"{taken:,.1f} ms ({order})" for taken, order in worst.values()]
            rows.append([title or "all", *shown, f"{counted:,.1f} ms (of {answer['totalCount']:,})"])
            print(rows[-1], file=sys.stderr)
        for title, (filter, order) in SLOW.items():
            asked = {"first": 50, "filter": filter, "orderBy": order or None}
            first, _ = await page(caller, asked)
            behind, seen = await deep(caller, asked)
            counted, answer = await page(caller, asked, counted=True)
            total = f"{counted:,.1f} ms (of {answer['totalCount']:,})"
            rows.append([title, f"{first:,.1f} ms", f"{behind:,.1f} ms (behind {seen:,})", total])
            print(rows[-1], file=sys.stderr)
        times = []
        for _ in range(READS):
            began = time.perf_counter()
            await caller.data("{ projects { name jobCount runningCount lastActivityAt } }")
            times.append(1000 * (time.perf_counter() - began))
        rows.append(["`projects`", f"{statistics.median(times):,.1f} ms", "", ""])
    return rows


def main(arguments: Sequence[str]) -> None:
    os.sched_setaffinity(0, {LOAD_CORE})
    with tempfile.TemporaryDirectory() as folder:
        url = arguments[0] if arguments else f"sqlite://{Path(folder) / 'bench.sqlite3'}"
        command = [sys.executable, "-m", "graph", "serve", "--port", "0", "--database-url", url]
        with served(command):  # makes the tables
            fill(url)
        with served(command) as (address, _):
            rows = uvloop.run(measure(address))
    caption = (
        f"A page of 50 jobs of {JOBS:,} over HTTP, the slowest of all orders by a field, medians of {READS} "
        "(`python -m benchmarks.finding`):"
    )
    publish("finding", caption, ["jobs", "first page", "deep page", "with totalCount"], rows, write=False)


if __name__ == "__main__":
    main(sys.argv[1:])
