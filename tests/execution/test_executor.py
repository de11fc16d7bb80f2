"""Operations are cancelled, by their client or by their deadline, wherever they are: that is no error."""

import asyncio
import gc
import warnings

import strawberry

from graph.execution.executor import SHORT, TurnsExecutor

LONG = SHORT + 1


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


SCHEMA = strawberry.Schema(Query, execution_context_class=TurnsExecutor)
QUERY = "{ items { parts item { parts item { parts } } } first: item { parts } second: item { parts item { parts } } }"


async def test_an_operation_that_is_cancelled_at_whatever_moment_leaves_no_warning() -> None:
    moment = 0
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        while True:
            operation = asyncio.create_task(SCHEMA.execute(QUERY))
            for _ in range(moment):
                await asyncio.sleep(0)
            if operation.done():
                break
            operation.cancel()
            await asyncio.wait([operation])
            assert operation.cancelled()
            moment += 1
        gc.collect()
    assert [str(warning.message) for warning in warned] == []
    result = operation.result()
    assert result.errors is None
    assert result.data is not None
    assert len(result.data["items"]) == LONG
    assert moment > 5, "there were moments to cancel it"
