"""Requests one after another on a connection that is kept, with as little as that takes."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from typing import Any, Self
from urllib.parse import urlsplit

__all__ = ["Caller", "logged"]

LOG = """mutation ($id: ID!, $metrics: [MetricInput!]!) { logMetrics(id: $id, metrics: $metrics) {
    __typename ... on LogMetricsSuccess { recorded } } }"""


class Caller:
    """One connection to a server."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url)

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def data(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What an operation answers, which must be no error."""
        if self._reader.at_eof():  # it was quiet for so long that the server has closed it
            self._writer.close()
            await self._open()
        body = json.dumps({"query": query, "variables": variables or {}}).encode()
        head = f"POST /graphql HTTP/1.1\r\nHost: {self._address.netloc}\r\nContent-Type: application/json\r\n"
        self._writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        headers = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(headers.partition(b"content-length:")[2].split(b"\r\n")[0])
        answer = json.loads(await self._reader.readexactly(length))
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    async def _open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(self._address.hostname, self._address.port)

    async def started(self, name: str = "bench") -> str:
        """The id of a new job that runs."""
        settings = f'name: "{name}", modelName: "bench", epochs: 100000, stepsPerEpoch: 1000, learningRate: 1'
        answer = await self.data(
            f"mutation {{ createJob(input: {{ {settings} }}) {{ ... on CreateJobSuccess {{ job {{ id }} }} }} }}"
        )
        id: str = answer["createJob"]["job"]["id"]
        await self.data(f'mutation {{ startJob(id: "{id}") {{ __typename }} }}')
        return id

    async def log(self, id: str, steps: Iterable[int]) -> None:
        """Log a batch of new points."""
        metrics = [
            {"step": step, "loss": 1 / (step + 1), "accuracy": step / (step + 1), "learningRate": 0.1} for step in steps
        ]
        answer = await self.data(LOG, {"id": id, "metrics": metrics})
        assert answer["logMetrics"]["recorded"] == len(metrics), answer


async def logged(callers: list[Caller], ids: list[str], batch: int, seconds: float, first: int) -> float:
    """Points a second that the callers log in batches, each job by one of them, from the step `first` on."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    total = 0

    async def call(number: int, caller: Caller) -> None:
        nonlocal total
        mine = ids[number :: len(callers)] or [ids[number % len(ids)]]
        # Steps of its own: where several log to one job, none of their points are equal.
        step = first + number * 10_000_000
        while loop.time() - began < seconds:
            for id in mine:
                await caller.log(id, range(step, step + batch))
                total += batch
                if loop.time() - began >= seconds:
                    break
            step += batch

    await asyncio.gather(*(call(number, caller) for number, caller in enumerate(callers)))
    return total / (loop.time() - began)
