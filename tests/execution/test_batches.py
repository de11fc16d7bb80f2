"""The points of one logMetrics."""

import httpx

from graph.app import create_app
from graph.settings import Settings
from tests.conftest import running
from tests.tools.api import Api
from tests.tools.serving import served


async def test_the_largest_is_taken_and_one_more_point_is_not(database_url: str) -> None:
    settings = Settings(database_url=database_url, max_batch=3)
    app = create_app(settings)
    async with running(app), served(app, settings) as address, httpx.AsyncClient(base_url=address) as http:
        api = Api(http)
        id = await api.started()
        assert (await api.log(id, [{"step": step} for step in range(3)]))["recorded"] == 3
        refused = await api.log(id, [{"step": step} for step in range(10, 14)])
        assert (refused["__typename"], refused["field"]) == ("InvalidInput", "metrics")
        assert refused["message"] == "metrics: a batch is 1 to 3 points, and this one has more."
        literal = "step: 1}, {step: 2}, {step: 3}, {step: 4"
        usual = await api.data(
            f"mutation {{ logMetrics(id: {id}, metrics: [{{{literal}}}]) {{ ... on InvalidInput {{ message }} }} }}"
        )
        assert usual["logMetrics"] == {"message": refused["message"]}
