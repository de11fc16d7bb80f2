"""A real browser on a page of another site: whatever it tries at this server is refused, and changes nothing."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.tools.api import Api
from tests.tools.process import ServerProcess
from tests.tools.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

TRIES = {
    "a form": """([url, query]) => new Promise((done) => {
        document.body.innerHTML = `<iframe name="there"></iframe>
            <form method="post" target="there" enctype="text/plain" action="${url}/graphql"><input></form>`;
        const input = document.querySelector("input");
        input.name = `{"query": ${JSON.stringify(query)}, "x": "`;
        input.value = `"}`;
        document.querySelector("iframe").onload = () => done("nothing to read");
        document.querySelector("form").submit();
    })""",
    "a request of JSON": """async ([url, query]) => {
        const headers = { "Content-Type": "application/json" };
        const request = { method: "POST", headers, body: JSON.stringify({ query }) };
        return fetch(`${url}/graphql`, request).then(() => "read", () => "refused");
    }""",
    "a request to read": """async ([url]) =>
        fetch(`${url}/graphql?query={jobs{name}}`).then(() => "read", () => "refused")""",
    "an event source": """([url]) => new Promise((done) => {
        const source = new EventSource(`${url}/graphql?query=subscription{jobChanged{id}}`);
        source.onopen = () => done("read");
        source.onerror = () => { source.close(); done("refused"); };
    })""",
    "a socket": """([url]) => new Promise((done) => {
        const socket = new WebSocket(url.replace("http", "ws") + "/graphql", "graphql-transport-ws");
        socket.onopen = () => done("read");
        socket.onerror = () => done("refused");
    })""",
}
NOTHING_TO_READ = {"nothing to read", "opaque", "refused"}


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that logs each request."""
    url = f"sqlite://{tmp_path_factory.mktemp('telling') / 'test.sqlite3'}"
    with ServerProcess(url, "--log-level", "info", "--log-format", "json") as server:
        yield server


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An empty page, whatever is requested."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<!doctype html>")
    await writer.drain()
    writer.close()


@pytest_asyncio.fixture(loop_scope="session", params=["127.0.0.1", "evil.localhost"])
async def foreign(request: pytest.FixtureRequest, browser: Browser) -> AsyncIterator[Page]:
    """An empty page of another site: of another port, or of another name."""
    context = await browser.new_context()
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        page = await context.new_page()
        await page.goto(f"http://{request.param}:{server.sockets[0].getsockname()[1]}/")
        yield page
        await context.close()


LOADS = {
    kind: f"""(url) => new Promise((done) => {{
        const element = document.createElement("{kind}");
        Object.assign(element, {{ {address}: url, onload: done, onerror: done }});
        document.body.append(element);
    }})"""
    for kind, address in {"img": "src", "script": "src", "iframe": "src", "object": "data"}.items()
} | {
    "style": """(url) => new Promise((done) => {
        const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: url });
        Object.assign(link, { onload: done, onerror: done });
        document.head.append(link);
    })""",
    "fetch": """(url) => fetch(url, { mode: "no-cors" }).catch(() => null)""",
}
"""What a page may make a browser ask for without any leave, and without an Origin."""


async def test_what_a_foreign_page_loads_without_leave_is_not_executed(foreign: Page, telling: ServerProcess) -> None:
    def requests() -> list[dict[str, object]]:
        return [line for line in map(json.loads, telling.log.splitlines()) if line["event"] == "request"]

    before = len(requests())
    for load in LOADS.values():
        await foreign.evaluate(load, f"{telling.url}/graphql?query={{jobs{{name}}}}")
    await eventually(lambda: len(requests()) == before + len(LOADS))
    seen = {(line["path"], line["status"], line["outcome"]) for line in requests()[before:]}
    assert seen == {("/graphql", 403, "refused")}


async def test_a_link_of_a_foreign_page_leads_to_a_page_but_to_no_answer(foreign: Page, site: ServerProcess) -> None:
    start = foreign.url
    for path, status in {"/training/jobs": 200, "/graphql": 200, "/graphql?query={jobs{name}}": 403}.items():
        await foreign.goto(start)
        await foreign.set_content(f'<a href="{site.url}{path}">look</a>')
        async with foreign.expect_response(lambda response: response.url.startswith(site.url)) as followed:
            await foreign.get_by_role("link", name="look").click()
        assert (await followed.value).status == status, path


async def test_whatever_a_foreign_page_tries_is_refused_and_changes_nothing(
    foreign: Page, site: ServerProcess, trainer: Api
) -> None:
    id = await trainer.created(name="not to be started")
    mutation = f"mutation {{ startJob(id: {id}) {{ __typename }} }}"
    for attempt, script in TRIES.items():
        assert await foreign.evaluate(script, [site.url, mutation]) in NOTHING_TO_READ, attempt
    assert (await trainer.job(id))["status"] == "QUEUED"
