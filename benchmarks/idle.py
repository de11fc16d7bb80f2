"""What 5,000 subscribers cost that only wait: memory each, and how soon a new point reaches them all."""

import asyncio
import os
import resource
import tempfile
import time

import httpx
import uvloop

from benchmarks.fanout import SUBSCRIPTION, create_started_job, mutate, until_it_answers
from benchmarks.options import Options, read_options
from benchmarks.report import publish
from benchmarks.servers import LOAD_CORE, memory_of, ours, served
from benchmarks.sockets import subscribe_all

SUBSCRIBERS = 5_000
WARMING = 50
"""Subscribers that are there before memory is looked at, so that what is needed once is not counted."""


async def measure(url: str, pid: int, options: Options) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        await until_it_answers(http)
        await create_started_job(http)
        warming = await subscribe_all(url, SUBSCRIPTION, WARMING)
        before = memory_of(pid)
        subscribers = await subscribe_all(url, SUBSCRIPTION, SUBSCRIBERS)
        await asyncio.sleep(2)  # until the server has done what it does for new ones
        each = (memory_of(pid) - before) / SUBSCRIBERS / 1024
        began = time.perf_counter()
        await mutate(http, 'simulateStep(id: "1") { __typename }')
        await asyncio.gather(*(subscriber.until(1) for subscriber in subscribers))
        reached = time.perf_counter() - began
        for subscriber in (*warming, *subscribers):
            subscriber.close()
    publish(
        "idle",
        f"{SUBSCRIBERS:,} subscribers of one job, over as many sockets (`python -m benchmarks.idle`):",
        ["memory each", "a new point reached all in"],
        [[f"{each:.1f} KiB", f"{reached:.2f} s"]],
        write=options.write,
    )


def main() -> None:
    options = read_options(__doc__)
    os.sched_setaffinity(0, {LOAD_CORE})
    _, highest = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest, highest))
    with tempfile.TemporaryDirectory() as folder, served(ours(folder)) as (url, pid):
        uvloop.run(measure(url, pid, options))


if __name__ == "__main__":
    main()
