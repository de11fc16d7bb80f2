"""Strawberry as its documentation sets it up: a queue for each subscriber, points in memory, no store."""

import asyncio
import sys
from collections.abc import AsyncGenerator

import strawberry
import uvicorn
from fastapi import FastAPI
from strawberry.fastapi import GraphQLRouter

queues: set[asyncio.Queue["Metric"]] = set()


@strawberry.type
class Metric:
    seq: int
    step: int
    epoch: int
    loss: float | None
    accuracy: float | None
    learning_rate: float | None


@strawberry.type
class Query:
    ready: bool = True


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def publish(self, first: int, count: int) -> int:
        for seq in range(first, first + count):
            metric = Metric(seq=seq, step=seq, epoch=1, loss=1 / seq, accuracy=1 - 1 / seq, learning_rate=0.1)
            for queue in queues:
                queue.put_nowait(metric)
        return count


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def metric_added(self, job_id: strawberry.ID, after: int | None = None) -> AsyncGenerator[Metric, None]:
        queue: asyncio.Queue[Metric] = asyncio.Queue()
        queues.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            queues.discard(queue)


app = FastAPI()
app.include_router(GraphQLRouter(strawberry.Schema(Query, Mutation, Subscription)), prefix="/graphql")

if __name__ == "__main__":
    port = int(sys.argv[1])
    print(f"listening on http://127.0.0.1:{port}", flush=True)
    uvicorn.run(app, port=port, log_level="warning", ws="websockets-sansio", ws_per_message_deflate=False)
