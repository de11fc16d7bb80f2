"""Operations that ask for much wait for each other; those that ask for little wait for nobody."""

import asyncio
from contextlib import AsyncExitStack

from hypothesis import given
from hypothesis import strategies as st

from graph.execution.budget import SMALL, Budget

MOST = 10 * SMALL


class Crowd:
    """Operations, each of which holds its room until it is told to end."""

    def __init__(self) -> None:
        self.budget = Budget(MOST)
        self.begun: list[int] = []
        self.ends: list[asyncio.Event] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.costs: list[int] = []

    async def comes(self, cost: int) -> int:
        """One comes, and begins if there is room; gives its number."""
        number = len(self.tasks)
        self.costs.append(cost)
        self.ends.append(asyncio.Event())
        self.tasks.append(asyncio.create_task(self._lives(number, cost)))
        await self.settled()
        return number

    async def settled(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def _lives(self, number: int, cost: int) -> None:
        async with self.budget.of(cost):
            self.begun.append(number)
            await self.ends[number].wait()

    async def ends_all(self) -> None:
        for end in self.ends:
            end.set()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    @property
    def spent(self) -> int:
        return sum(
            min(self.costs[number], MOST)
            for number in self.begun
            if not self.tasks[number].done() and self.costs[number] > SMALL
        )


async def test_as_many_begin_as_there_is_room_for_and_the_next_with_the_first_that_ends() -> None:
    crowd = Crowd()
    for _ in range(5):
        await crowd.comes(3 * SMALL)
    assert crowd.begun == [0, 1, 2]
    crowd.ends[1].set()
    await crowd.settled()
    assert crowd.begun == [0, 1, 2, 3]
    await crowd.ends_all()
    assert crowd.begun == [0, 1, 2, 3, 4]


async def test_a_small_one_waits_for_nobody() -> None:
    crowd = Crowd()
    await crowd.comes(MOST)
    await crowd.comes(MOST)
    small = await crowd.comes(SMALL)
    assert crowd.begun == [0, small]
    await crowd.ends_all()


async def test_one_that_asks_for_more_than_there_is_has_all_of_it() -> None:
    crowd = Crowd()
    await crowd.comes(2 * SMALL)
    await crowd.comes(100 * MOST)
    assert crowd.begun == [0]
    crowd.ends[0].set()
    await crowd.settled()
    assert crowd.begun == [0, 1]
    await crowd.ends_all()


async def test_nobody_overtakes_one_that_waits_so_that_it_gets_its_turn() -> None:
    crowd = Crowd()
    await crowd.comes(8 * SMALL)
    await crowd.comes(9 * SMALL)
    await crowd.comes(2 * SMALL)
    assert crowd.begun == [0]
    await crowd.ends_all()
    assert crowd.begun == [0, 1, 2]


@given(
    st.lists(
        st.tuples(st.sampled_from(["comes", "ends", "leaves"]), st.integers(1, 12 * SMALL), st.integers(0, 20)),
        max_size=40,
    )
)
def test_whatever_comes_ends_or_leaves_no_room_is_lost_or_spent_twice(
    happenings: list[tuple[str, int, int]],
) -> None:
    async def happen() -> None:
        crowd = Crowd()
        for what, cost, which in happenings:
            if what == "comes":
                await crowd.comes(cost)
            elif crowd.tasks:
                number = which % len(crowd.tasks)
                if what == "ends":
                    crowd.ends[number].set()
                else:
                    crowd.tasks[number].cancel()
                await crowd.settled()
            assert crowd.spent <= MOST
        await crowd.ends_all()
        async with asyncio.timeout(1), AsyncExitStack() as all_of_it:
            await all_of_it.enter_async_context(crowd.budget.of(MOST))

    asyncio.run(happen())


async def test_of_many_that_leave_at_once_none_is_let_in_and_the_next_is() -> None:
    """As where all that wait have come to the end of their time."""
    crowd = Crowd()
    for _ in range(4):
        await crowd.comes(MOST)
    for number in (0, 1, 2):
        crowd.tasks[number].cancel()
    await crowd.settled()
    assert crowd.begun == [0, 3]
    await crowd.ends_all()
    assert crowd.tasks[3].exception() is None


async def test_one_that_leaves_when_it_is_just_let_in_gives_its_room_back() -> None:
    crowd = Crowd()
    await crowd.comes(MOST)
    await crowd.comes(MOST)
    crowd.ends[0].set()
    while crowd.budget._waiting:  # noqa: ASYNC110  # no event is between the two
        await asyncio.sleep(0)
    crowd.tasks[1].cancel()
    await asyncio.wait(crowd.tasks)
    async with asyncio.timeout(1), crowd.budget.of(MOST):
        pass
