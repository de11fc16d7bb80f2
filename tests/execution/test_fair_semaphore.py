"""Room is shared by clients in turn: one that requests much delays each other client by one request at most."""

import asyncio
from collections.abc import Hashable
from contextlib import AsyncExitStack

import pytest
from graphql import GraphQLError
from hypothesis import given
from hypothesis import strategies as st

from graph.execution.turns import FairSemaphore
from tests.tools.waiting import PATIENCE

PERMITS = 10


class Crowd:
    """Requests, each of which holds its permits until it is released."""

    def __init__(self, max_waiting: int | None = None) -> None:
        self.semaphore = FairSemaphore(PERMITS, max_waiting)
        self.begun: list[int] = []
        self.releases: list[asyncio.Event] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.permits: list[int] = []

    async def request(self, permits: int, client: Hashable = None) -> int:
        """Begin one, and return its number."""
        number = len(self.tasks)
        self.permits.append(permits)
        self.releases.append(asyncio.Event())
        self.tasks.append(asyncio.create_task(self._hold(number, permits, client)))
        await self.settled()
        return number

    async def settled(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def _hold(self, number: int, permits: int, client: Hashable) -> None:
        async with self.semaphore.hold(client, permits):
            self.begun.append(number)
            await self.releases[number].wait()

    async def release(self, number: int) -> None:
        self.releases[number].set()
        await self.settled()

    async def release_all(self) -> None:
        for release in self.releases:
            release.set()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    @property
    def held(self) -> int:
        return sum(min(self.permits[number], PERMITS) for number in self.begun if not self.tasks[number].done())


async def test_as_many_begin_as_there_is_room_for_and_the_next_with_the_first_that_ends() -> None:
    crowd = Crowd()
    for permits in (3, 3, 3, 3, 100 * PERMITS):  # more than there is: all of it
        await crowd.request(permits)
    assert crowd.begun == [0, 1, 2]
    await crowd.release(1)
    assert crowd.begun == [0, 1, 2, 3]
    await crowd.release_all()
    assert crowd.begun == [0, 1, 2, 3, 4]


async def test_clients_take_turns_and_the_requests_of_one_come_in_their_order() -> None:
    crowd = Crowd()
    await crowd.request(PERMITS, "many")
    many = [await crowd.request(PERMITS, "many") for _ in range(5)]
    few = [await crowd.request(PERMITS, "few") for _ in range(2)]
    one = await crowd.request(PERMITS, "one")
    await crowd.release(0)
    again = await crowd.request(PERMITS, "one")
    await crowd.release_all()
    assert crowd.begun == [0, many[0], few[0], one, many[1], few[1], again, *many[2:]]


async def test_the_next_in_turn_is_not_overtaken_by_smaller_requests() -> None:
    crowd = Crowd()
    await crowd.request(8, "one")
    await crowd.request(9, "one")
    await crowd.request(2, "other")
    assert crowd.begun == [0]
    await crowd.release_all()
    assert crowd.begun == [0, 1, 2]


async def test_one_client_may_have_so_many_waiting_and_others_as_many_again() -> None:
    crowd = Crowd(max_waiting=2)
    for _ in range(3):
        await crowd.request(PERMITS, "one")
    with pytest.raises(GraphQLError, match="are waiting; try again") as refused:
        async with crowd.semaphore.hold("one"):
            raise AssertionError
    assert refused.value.extensions == {"code": "SERVICE_UNAVAILABLE"}
    other = await crowd.request(PERMITS, "other")
    await crowd.release_all()
    assert sorted(crowd.begun) == [0, 1, 2, other]


async def test_requests_that_are_cancelled_wait_no_more_and_take_no_place() -> None:
    crowd = Crowd(max_waiting=2)
    await crowd.request(PERMITS, "another")
    await crowd.request(PERMITS, "next in turn")
    for _ in range(2):
        crowd.tasks[await crowd.request(PERMITS, "one")].cancel()
        await crowd.settled()
    again = [await crowd.request(PERMITS, "one") for _ in range(2)]
    await crowd.release_all()
    assert crowd.begun == [0, 1, *again]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["request", "release", "cancel"]), st.integers(1, 12), st.integers(0, 20), st.integers(0, 2)
        ),
        max_size=40,
    )
)
def test_whatever_happens_no_permit_is_lost_or_held_twice(happenings: list[tuple[str, int, int, int]]) -> None:
    async def happen() -> None:
        crowd = Crowd()
        for what, permits, which, client in happenings:
            if what == "request":
                await crowd.request(permits, client)
            elif crowd.tasks:
                number = which % len(crowd.tasks)
                if what == "release":
                    crowd.releases[number].set()
                else:
                    crowd.tasks[number].cancel()
                await crowd.settled()
            assert crowd.held <= PERMITS
        await crowd.release_all()
        async with asyncio.timeout(PATIENCE), AsyncExitStack() as all_of_it:
            await all_of_it.enter_async_context(crowd.semaphore.hold("last", PERMITS))

    asyncio.run(happen())


async def test_of_many_that_are_cancelled_at_once_none_begins_and_the_next_does() -> None:
    crowd = Crowd()
    for _ in range(4):
        await crowd.request(PERMITS)
    for number in (0, 1, 2):
        crowd.tasks[number].cancel()
    await crowd.settled()
    assert crowd.begun == [0, 3]
    await crowd.release_all()
    assert crowd.tasks[3].exception() is None


@pytest.mark.parametrize("turns", range(5))
async def test_one_that_is_cancelled_when_its_turn_has_just_come_gives_its_permits_back(turns: int) -> None:
    crowd = Crowd()
    await crowd.request(PERMITS)
    await crowd.request(PERMITS)
    crowd.releases[0].set()
    for _ in range(turns):
        await asyncio.sleep(0)
    crowd.tasks[1].cancel()
    await asyncio.wait(crowd.tasks)
    async with asyncio.timeout(PATIENCE), crowd.semaphore.hold(None, PERMITS):
        pass
