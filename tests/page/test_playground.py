"""The playground: GraphiQL as our own build, tried out in a browser that reaches nothing but the server."""

import re

import pytest
from graphql import OperationDefinitionNode, parse
from playwright.async_api import Locator, Page, WebSocket, expect

from graph.schema import schema
from tests.docs.test_examples import EXAMPLES
from tests.tools.api import Api
from tests.tools.browser import Visits, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


def example_names() -> list[str]:
    """What the examples are called, in the order of their files."""
    operations = [parse(path.read_text()).definitions[0] for path in EXAMPLES]
    return [each.name.value for each in operations if isinstance(each, OperationDefinitionNode) and each.name]


async def opened(page: Page, path: str = "/playground") -> None:
    """Return once the editor can be typed into and knows the schema."""
    async with page.expect_response(lambda response: "__schema" in (response.request.post_data or "")):
        await page.goto(path)
    await editor(page).wait_for()


def editor(page: Page) -> Locator:
    """The lines of the operation."""
    return page.get_by_role("region", name="Operation Editor").locator(".view-lines")


def tabs(page: Page) -> Locator:
    return page.get_by_role("tablist", name="Select active operation").get_by_role("tab")


async def write(page: Page, kind: str, name: str, selection: str) -> None:
    """Put an operation in the place of the one there is, as one who pastes it, and return once it is understood."""
    await editor(page).click()
    await page.keyboard.press("ControlOrMeta+A")
    await page.keyboard.insert_text(f"{kind} {name} {selection}")
    await expect(tabs(page).and_(page.locator("[aria-selected=true]"))).to_have_text(name, use_inner_text=True)


async def run(page: Page, example: str | None = None) -> None:
    """Execute what is in the editor, or an example."""
    if example:
        await page.get_by_role("button", name=example, exact=True).click()
        await expect(editor(page)).to_contain_text(example)
    await page.get_by_role("button", name=re.compile("^Execute")).click()


def answer(page: Page) -> Locator:
    """The lines of the answer that are in sight."""
    return page.get_by_role("region", name="Result Window").locator(".view-lines")


async def shows(page: Page, text: str) -> None:
    """Return once the answer holds a text."""
    # The editor writes each space as one that does not break.
    pattern = r"\s*".join(re.escape(part) for part in text.split())
    await expect(answer(page)).to_contain_text(re.compile(pattern))


class TestThePlayground:
    async def test_has_a_tab_for_every_example_and_is_as_it_was_left(self, page: Page) -> None:
        for path in ("/graphql", "/playground"):
            await opened(page, path)
            await expect(tabs(page)).to_have_text(example_names(), use_inner_text=True)
        await write(page, "query", "Mine", "{ jobs { id } }")
        # Kept a moment after the typing rests.
        await until(page, "(localStorage['graphiql:tabState'] ?? '').includes('query Mine')")
        await page.get_by_role("link", name="Training Jobs").click()
        await expect(page).to_have_title("Training Jobs")
        await page.get_by_role("link", name="Playground").click()
        await expect(page).to_have_title("training-monitor playground")
        await expect(tabs(page)).to_have_text(["Mine", *example_names()[1:]], use_inner_text=True)
        await expect(editor(page)).to_contain_text("Mine")


class TestAnOperation:
    async def test_is_answered_and_one_that_changes_something_does_so(self, page: Page, trainer: Api) -> None:
        await trainer.created(name="asked for")
        await opened(page)
        await run(page, "TryJobs")
        await shows(page, '"name": "asked for"')
        await run(page, "TryCreateJob")
        await shows(page, '"__typename": "CreateJobSuccess"')
        (job, *_) = (await trainer.data('{ jobs(search: "My first run") { status scenario } }'))["jobs"]
        assert job == {"status": "QUEUED", "scenario": "SPIKES"}

    async def test_of_an_example_changes_no_job_but_the_one_that_the_reader_names(
        self, page: Page, trainer: Api
    ) -> None:
        every = "{ jobs(limit: 500) { id status metricCount updatedAt } }"
        await trainer.created(name="another's")
        await trainer.started(name="another's")
        before = await trainer.data(every)
        await opened(page)
        for name in (
            "TryStartJob", "TrySimulateStep", "TryLogMetrics", "TryCompleteJob", "TryFailJob", "TryUpdateJob",
            "TryArchiveJob", "TryDeleteJob",
        ):  # fmt: skip
            await run(page, name)
            await shows(page, "the id of your job")
        assert await trainer.data(every) == before
        mine = await trainer.created(name="mine")
        await page.get_by_role("button", name="TryStartJob", exact=True).click()
        await expect(editor(page)).to_contain_text("TryStartJob")
        await page.get_by_role("region", name="Variables").click()
        await page.keyboard.press("ControlOrMeta+A")
        # Typed, the editor would close the quotes by itself.
        await page.evaluate("(text) => navigator.clipboard.writeText(text)", f'{{"id": "{mine}"}}')
        await page.keyboard.press("ControlOrMeta+V")
        await run(page)
        await shows(page, '"__typename": "StartJobSuccess"')
        assert (await trainer.job(mine))["status"] == "RUNNING"

    async def test_is_executed_by_keyboard_and_one_that_is_wrong_is_told_why(self, visits: Visits) -> None:
        visits.expects("400")
        page = await visits.page()
        await opened(page)
        await write(page, "query", "ByKeyboard", "{ jobs(limit: 1) { __typename } }")
        await page.keyboard.press("ControlOrMeta+Enter")
        await shows(page, '"jobs": [')
        await write(page, "query", "Wrong", "{ nothing }")
        await run(page)
        await shows(page, "Cannot query field 'nothing' on type 'Query'.")


async def test_a_subscription_shows_what_happens_over_a_websocket_until_it_is_stopped_or_ends_or_is_refused(
    page: Page, trainer: Api
) -> None:
    execute, stop = (page.get_by_role("button", name=re.compile(f"^{name}")) for name in ("Execute", "Stop"))
    id = await trainer.started()
    await opened(page)
    await write(page, "subscription", "Mine", f'{{ metricAdded(jobId: "{id}", after: 0) {{ seq loss }} }}')
    async with page.expect_websocket() as opening:
        await run(page)
    socket: WebSocket = await opening.value
    assert socket.url == trainer.http.base_url.copy_with(scheme="ws").join("/graphql")
    for seq, loss in ((1, 0.25), (2, 0.125)):
        await trainer.log(id, [{"step": seq, "loss": loss}])
        await shows(page, f'"seq": {seq},')
        await shows(page, f'"loss": {loss}')
    async with socket.expect_event("close"):
        await stop.click()
    await expect(execute).to_be_visible()
    await run(page)
    await shows(page, '"loss": 0.125')
    await expect(stop).to_be_visible()
    await trainer.complete(id)
    await expect(execute).to_be_visible()
    await shows(page, '"loss": 0.125')
    await write(page, "subscription", "Refused", '{ metricAdded(jobId: "99999") { seq } }')
    await run(page)
    await shows(page, "99999")
    await expect(execute).to_be_visible()


async def test_its_panels_keep_the_history_build_an_operation_from_the_schema_and_explain_it(page: Page) -> None:
    await opened(page)
    await write(page, "query", "Remembered", "{ __typename }")
    await run(page)
    await shows(page, '"__typename": "Query"')
    await write(page, "query", "Built", "{ __typename }")
    await page.get_by_role("button", name="Show GraphiQL Explorer").click()
    explorer = page.locator(".graphiql-explorer-root")
    query, root = schema.graphql.query_type, schema.graphql.subscription_type
    assert query is not None
    assert root is not None
    for field in query.fields:
        await expect(explorer.get_by_text(field, exact=True)).to_be_visible()
    await explorer.get_by_text("jobs", exact=True).click()
    await expect(editor(page)).to_contain_text("jobs")
    await page.get_by_role("button", name="Show History").click()
    await page.get_by_role("region", name="History").get_by_text("Remembered").click()
    await expect(editor(page)).to_contain_text("Remembered")
    await page.get_by_role("button", name="Show Documentation Explorer").click()
    docs = page.get_by_role("region", name="Documentation Explorer")
    await docs.get_by_role("link", name="Subscription", exact=True).click()
    await docs.get_by_role("link", name="metricAdded", exact=True).click()
    # Its quotes are set as code.
    said = (root.fields["metricAdded"].description or "").replace("`", "")
    await expect(docs).to_contain_text(said)
