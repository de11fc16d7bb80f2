"""A stream that begins while the store is away waits for it, on every transport, as one that is open does."""

import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from graph.app import create_app
from graph.settings import Settings
from tests.conftest import running
from tests.tools.api import Api
from tests.tools.postgres import Postgres, migrate
from tests.tools.serving import served
from tests.tools.streaming import METRICS, TRANSPORTS
from tests.tools.waiting import eventually

STREAMS: dict[str, tuple[str, dict[str, Any], list[Any]]] = {
    "metricAdded": (METRICS, {"after": 0}, [{"metricAdded": {"seq": 1}}, {"metricAdded": {"seq": 2}}]),
    "metricsAdded": (
        "subscription ($id: ID!) { metricsAdded(jobId: $id, after: 0) { seq } }",
        {},
        [{"metricsAdded": [{"seq": 1}, {"seq": 2}]}],
    ),
    "jobChanged": (
        "subscription ($id: ID!) { jobChanged(id: $id, current: true, everyMs: 100) { metricCount } }",
        {},
        [{"jobChanged": {"metricCount": 2}}],
    ),
}


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL of these tests' own, which goes away."""
    with Postgres() as server:
        yield server


@pytest.mark.parametrize(
    ("transport", "stream"),
    [(transport, "metricAdded") for transport in TRANSPORTS] + [(next(iter(TRANSPORTS)), name) for name in STREAMS][1:],
)
async def test_a_stream_that_begins_while_the_store_is_away_waits_for_it(
    postgres: Postgres, caplog: pytest.LogCaptureFixture, transport: str, stream: str
) -> None:
    url = postgres.new()
    await migrate(url)
    settings = Settings(database_url=url, live_check_seconds=0.1, database_seconds=2, ping_seconds=0.2)
    app = create_app(settings)
    async with running(app), served(app, settings) as address:
        async with httpx.AsyncClient(base_url=address) as http:
            api = Api(http)
            id = await api.started()
            await api.log(id, [{"step": step, "loss": 0.5} for step in (1, 2)])
        postgres.stop()
        query, variables, expected = STREAMS[stream]
        with caplog.at_level(logging.WARNING):
            async with TRANSPORTS[transport](address, query, id=id, **variables) as begun:
                await eventually(lambda: "a stream waits for the store" in caplog.text)
                postgres.start()
                assert [await begun.data() for _ in expected] == expected
