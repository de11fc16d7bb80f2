"""What a person who does something by mistake is told."""

from pathlib import Path

import httpx
import pytest

from graph.app import create_app
from graph.settings import Settings
from tests.conftest import running
from tests.tools.process import command

pytestmark = pytest.mark.sqlite_alone("refused before the store is asked")


@pytest.fixture
def small(database_url: str) -> Settings:
    """Settings that take short bodies only."""
    return Settings(database_url=database_url, max_message_bytes=1024)


@pytest.mark.parametrize(("length", "status"), [(1024, 200), (1025, 413)])
async def test_a_body_is_taken_up_to_the_limit_and_refused_one_byte_past_it(
    small: Settings, length: int, status: int
) -> None:
    app = create_app(small)
    body = b'{"query": "{ __typename }"}'.ljust(length)
    async with running(app), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http:
        response = await http.post("/graphql", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == status
    assert ("errors" in response.json()) is (status == 413)


@pytest.mark.parametrize("value", ["NaN", "-Infinity"])
async def test_who_sends_nan_as_json_is_told_how_to_send_it(settings: Settings, value: str) -> None:
    app = create_app(settings)
    body = f'{{"query": "query ($x: Float) {{ __typename }}", "variables": {{"x": {value}}}}}'
    async with running(app), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http:
        response = await http.post("/graphql", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert "nonFinite" in response.json()["errors"][0]["message"]


def test_simulate_makes_no_database_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "typo.sqlite3"
    ended = command("simulate", "1", "--database-url", f"sqlite://{path}")
    assert ended.returncode == 2
    assert "There is no database" in ended.stderr
    assert "--database-url" in ended.stderr
    assert not path.exists()
