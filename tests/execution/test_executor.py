"""Operations are broken off, by who leaves or by their time, wherever they are: that is no fault of anybody's."""

import asyncio
import gc
import warnings
from types import SimpleNamespace

import strawberry

from graph.execution.executor import SHORT, EventExecutor
from graph.execution.limits import Limits
from graph.settings import Settings

LONG = 3 * SHORT


@strawberry.type
class Item:
    @strawberry.field
    async def parts(self) -> list[int]:
        await asyncio.sleep(0)
        return [1, 2]

    @strawberry.field
    async def item(self) -> "Item":
        await asyncio.sleep(0)
        return self


@strawberry.type
class Query:
    @strawberry.field
    async def items(self) -> list[Item]:
        return [Item()] * LONG

    @strawberry.field
    async def item(self) -> Item:
        return Item()


SCHEMA = strawberry.Schema(Query, execution_context_class=EventExecutor)
QUERY = "{ items { parts item { parts item { parts } } } first: item { parts } second: item { parts item { parts } } }"
CONTEXT = SimpleNamespace(limits=Limits.of(Settings()))


async def test_an_operation_broken_off_at_whatever_moment_leaves_nothing_for_python_to_complain_of() -> None:
    moment = 0
    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always")
        while True:
            operation = asyncio.create_task(SCHEMA.execute(QUERY, context_value=CONTEXT))
            for _ in range(moment):
                await asyncio.sleep(0)
            if operation.done():
                break
            operation.cancel()
            await asyncio.wait([operation])
            assert operation.cancelled()
            moment += 1
        gc.collect()
    assert [str(complaint.message) for complaint in complaints] == []
    result = operation.result()
    assert result.errors is None
    assert result.data is not None
    assert len(result.data["items"]) == LONG
    assert moment > 5, "there were moments to break it off"
