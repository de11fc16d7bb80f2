"""Two apps over one store: one with compiled plans, one without."""

from collections.abc import AsyncIterator

import pytest

from graph.app import App, create_app
from graph.settings import Settings
from tests.conftest import running
from tests.tools.api import Api
from tests.tools.both import Both

DIVERGED = [{"name": "loss", "nonFinite": "NAN"}, {"name": "norm", "nonFinite": "NEGATIVE_INFINITY"}]


@pytest.fixture
async def both(api: Api, app: App, settings: Settings, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Both]:
    """Over a store with jobs in several statuses, with points of several kinds and without. No plan may fail."""
    failed = await api.started(name="fäiled \U0001f600", scenario="DIVERGENCE", seed=3)
    await api.log(failed, [{"step": 1, "accuracy": 0.5, "values": DIVERGED}, {"step": 0}, {"step": 7, "loss": 1e-300}])
    await api.fail(failed, 'because of "quotes"\n')
    await api.created(schedule="LINEAR")
    running_job = await api.started(stepsPerEpoch=10, seed=1)
    for _ in range(5):
        await api.step(running_job)
    stopped = await api.started(tags=["a", "é"], group="sweep", config={"lr": 0.1, "token": "x"}, parentId=failed)
    await api.data('mutation ($id: ID!) { requestStop(id: $id, reason: "") { __typename } }', id=stopped)
    await api.log(stopped, [{"step": 2**40, "epoch": 0.5, "loss": 1, "loggedAt": "2026-01-01T00:00:00Z"}])
    plain = create_app(settings, plans=False)
    async with running(plain):
        yield Both(app, plain)
    assert "compiled plan failed" not in caplog.text
