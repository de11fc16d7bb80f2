"""Stores with one connection, on which reads are answered one after another: see `all_has_begun`."""

from collections.abc import AsyncIterator

import pytest

from models.jobs import Jobs
from tests.tools.domain import Domain, opened_domain


@pytest.fixture
async def domain(database_url: str) -> AsyncIterator[Domain]:
    async with opened_domain(database_url, connections=1) as domain:
        yield domain


@pytest.fixture
async def elsewhere(domain: Domain, database_url: str) -> AsyncIterator[Jobs]:
    """The verbs on the same store by another Database, whose feed no test hears: a second process's writes."""
    async with opened_domain(database_url, connections=1) as other:
        yield other.jobs
