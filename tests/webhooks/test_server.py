"""Webhooks of a server as its command line starts it: over kill -9, to its end, and by its settings."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.tools.api import Api
from tests.tools.outside import Outside
from tests.tools.process import ServerProcess
from tests.tools.receivers import OK, SILENT, Receiver, receiving
from tests.tools.scraped import scraped_once
from tests.tools.waiting import PATIENCE

CREATE = """mutation ($input: AlertRuleInput!) { createAlertRule(input: $input) {
    ... on AlertRuleSuccess { rule { webhookHost } } ... on InvalidInput { field message } } }"""
RULE = {"name": "high", "condition": "ABOVE", "series": "loss", "threshold": 2}
PAST = "2020-01-01 00:00:00+00:00"
FLAGS = ("--allowed-webhooks", "127.0.0.1", "--live-check-seconds", "0.2", "--log-level", "info")
DOCUMENT = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text()


@asynccontextmanager
async def client(server: ServerProcess) -> AsyncIterator[Api]:
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as http:
        yield Api(http)


async def rule_with(api: Api, webhook: str) -> Any:
    return (await api.data(CREATE, input={**RULE, "webhook": webhook}))["createAlertRule"]


async def raised(api: Api, receiver: Receiver) -> None:
    """A rule with a webhook, and a point that raises its alert."""
    answer = await rule_with(api, f"http://127.0.0.1:{receiver.port}/s3cret")
    assert answer["rule"] == {"webhookHost": "127.0.0.1"}
    await api.log(await api.started(), [{"step": 1, "loss": 3}])


async def test_what_a_killed_process_was_about_to_tell_is_told_by_the_next_one(
    database_url: str, outside: Outside
) -> None:
    async with receiving(SILENT) as receiver:
        with ServerProcess(database_url, *FLAGS) as server:
            async with client(server) as api:
                await raised(api, receiver)
                await receiver.until(1)
            server.kill()
            outside.execute(f"UPDATE alert_delivery SET due_at = '{PAST}'")  # the lease runs out
            receiver.answer = OK
            server.start()
            first, second = await receiver.until(2)
            async with client(server) as api:
                await scraped_once(api.http, lambda found: found.values("webhooks_total")[("delivered",)] == 1)
            assert "s3cret" not in server.log
    assert outside.execute("SELECT * FROM alert_delivery") == []
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)


@pytest.mark.sqlite_alone("what the connections do is the same")
async def test_a_receiver_that_does_not_answer_delays_no_end(database_url: str) -> None:
    async with receiving(SILENT) as receiver:
        with ServerProcess(database_url, *FLAGS, "--log-level", "warning") as server:
            async with client(server) as api:
                await raised(api, receiver)
                await receiver.until(1)
            assert await asyncio.to_thread(server.stop) == 0
            assert server.log == ""


@pytest.mark.sqlite_alone("no store is asked")
async def test_the_check_of_a_signature_in_the_documentation_is_right(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    (check,) = re.findall(r"^```python\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    scope: dict[str, Any] = {}
    exec(check, scope)
    async with receiving() as receiver:
        with ServerProcess(database_url, *FLAGS, "--webhook-secret-file", str(tmp_path / "secret")) as server:
            async with client(server) as api:
                await raised(api, receiver)
                (request,) = await receiver.until(1)
    assert scope["is_genuine"](request.headers, request.body, b"s3cret")
    assert not scope["is_genuine"](request.headers, request.body + b" ", b"s3cret")
    assert not scope["is_genuine"](request.headers, request.body, b"another")
    assert not scope["is_genuine"]({**request.headers, "webhook-timestamp": "1"}, request.body, b"s3cret")


@pytest.mark.sqlite_alone("no store is asked")
async def test_an_address_within_the_network_is_refused_unless_it_is_allowed(api: Api) -> None:
    for address in ("https://127.0.0.1/", "https://2130706433/", "https://0177.0.0.1/", "https://[::ffff:10.0.0.5]/"):
        answer = await rule_with(api, address)
        assert (answer["field"], "--allowed-webhooks" in answer["message"]) == ("webhook", True)
    assert (await rule_with(api, "http://127.0.0.1/"))["message"] == "webhook: must be an https address."
