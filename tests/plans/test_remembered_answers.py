"""An answer is remembered for as long as the store stays as it is, in bounded memory."""

import pytest

from graph.plans.answers import REMEMBERED_BYTES
from tests.tools.api import Api
from tests.tools.both import Both, body_of
from tests.tools.outside import Outside


async def test_it_is_read_once_while_the_store_stays_as_it_is(both: Both, database_url: str) -> None:
    query = '{ job(id: "3") { metricCount } }'
    before = both.answers.remembered_bytes
    first = await both.same(query)
    grown = both.answers.remembered_bytes
    assert (grown == before) == database_url.startswith("postgres"), "which cannot tell when it has changed"
    assert await both.same(query) == first
    assert both.answers.remembered_bytes == grown


async def test_it_is_read_again_after_each_change_of_ours_and_of_others(both: Both, api: Api, outside: Outside) -> None:
    query = '{ job(id: "3") { metricCount name } jobs { id } }'
    for turn in range(1, 4):
        await api.step("3")
        assert f'"metricCount":{5 + turn}' in await both.same(query)
        outside.execute("UPDATE job SET name = ? WHERE id = 3", [f"turn {turn}"])
        assert f'"name":"turn {turn}"' in await both.same(query)
        await api.created()
        assert await both.same(query) == await both.same(query)


@pytest.mark.sqlite_alone("a file's version is known")
async def test_answers_to_different_variables_and_names_are_kept_apart(both: Both) -> None:
    query = "query A($id: ID!) { job(id: $id) { id } } query B($id: ID!) { job(id: $id) { id name } }"
    answers = {await both.same(query, {"id": id}, name) for id in ("1", "2", "3") for name in ("A", "B")}
    assert len(answers) == 6


@pytest.mark.sqlite_alone("a file's version is known")
async def test_it_takes_bounded_memory(both: Both) -> None:
    for number in range(30):
        await both.planned(body_of("{ __typename }", {"unused": f"{number:06}" * 100_000}))
        assert both.answers.remembered_bytes <= REMEMBERED_BYTES
    assert both.answers.remembered_bytes > REMEMBERED_BYTES / 2


@pytest.mark.sqlite_alone("a file's version is")
async def test_a_store_that_cannot_be_read_says_so_and_is_read_again_afterwards(both: Both, outside: Outside) -> None:
    query = "{ jobs { id } }"
    before = await both.same(query)
    outside.execute("ALTER TABLE job RENAME TO gone")
    assert "SERVICE_UNAVAILABLE" in await both.same(query)
    outside.execute("ALTER TABLE gone RENAME TO job")
    assert await both.same(query) == before
