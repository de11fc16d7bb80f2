"""Where stores are: what their addresses say, and what distinguishes one from its copies."""

import shutil
from urllib.parse import quote

import pytest

from models.store.database import Database
from tests.tools.outside import Outside, path_of
from tests.tools.postgres import Postgres


async def identity_of(url: str) -> str:
    """What distinguishes the store from every other, opened now."""
    async with Database(url) as database:
        return database.identity


async def test_a_store_is_the_same_for_every_process_and_at_any_time(database_url: str) -> None:
    async with Database(database_url) as database:
        assert await identity_of(database_url) == database.identity
    assert await identity_of(database_url) == database.identity


async def test_a_copy_is_another_store_though_it_was_made_at_the_same_moment(
    database_url: str, another_url: str, request: pytest.FixtureRequest
) -> None:
    original = await identity_of(database_url)
    if database_url.startswith("sqlite"):
        shutil.copy(path_of(database_url), path_of(another_url))
    else:
        postgres: Postgres = request.getfixturevalue("postgres")
        postgres.drop(another_url)
        names = [url.rpartition("/")[2] for url in (another_url, database_url)]
        postgres.run('CREATE DATABASE "{}" TEMPLATE "{}"'.format(*names))
    assert await identity_of(another_url) != original
    assert await identity_of(database_url) == original


async def test_a_schema_of_its_own_is_a_store_of_its_own(postgres_url: str) -> None:
    with Outside(postgres_url) as outside:
        outside.execute("CREATE SCHEMA apart")
        assert await identity_of(postgres_url + "?schema=apart") != await identity_of(postgres_url)
        assert await identity_of(postgres_url + "?schema=apart") == await identity_of(postgres_url + "?schema=apart")


@pytest.mark.parametrize("permitted", [True, False])
async def test_an_ordinary_role_with_any_name_opens_a_database_with_any_name(
    postgres: Postgres, permitted: bool
) -> None:
    """Also where it may not ask which cluster it is in."""
    role, name = f"we ird@:/?#%{permitted}", f"a b/?#%{permitted}"
    postgres.run(f'CREATE ROLE "{role}" LOGIN')
    postgres.run(f'CREATE DATABASE "{name}" OWNER "{role}"')
    place = f"127.0.0.1:{postgres.port}/{quote(name, safe='')}"
    if not permitted:
        with Outside(f"postgres://postgres@{place}") as outside:
            outside.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    url = f"postgres://{quote(role, safe='')}@{place}"
    try:
        assert await identity_of(url) == await identity_of(url)
        assert (await identity_of(url) == await identity_of(f"postgres://postgres@{place}")) is permitted
    finally:
        postgres.run(f'DROP DATABASE "{name}" WITH (FORCE)')
        postgres.run(f'DROP ROLE "{role}"')


@pytest.mark.parametrize("said", ["sslmode=disable", "sslmode=prefer", "timeout=2.5&minsize=0&maxsize=3"])
async def test_an_address_may_say_more(postgres_url: str, said: str) -> None:
    assert await identity_of(f"{postgres_url}?{said}") == await identity_of(postgres_url)


async def test_the_shortest_time_limit_is_still_one(sqlite_url: str, postgres_url: str) -> None:
    """Of 0 milliseconds both make no limit at all."""
    postgres = Database(postgres_url, seconds=0.0004)._backend.connection["credentials"]
    assert postgres["server_settings"]["statement_timeout"] == "1"
    assert Database(sqlite_url, seconds=0.0004)._backend.connection["credentials"]["busy_timeout"] == 1
