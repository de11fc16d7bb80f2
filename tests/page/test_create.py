"""Create job: the dialog, as people see it in a browser."""

import re

import pytest
from playwright.async_api import Locator, Page, expect

from graph.schema import schema
from tests.tools.api import Api
from tests.tools.browser import card, toast

pytestmark = pytest.mark.asyncio(loop_scope="session")

LABELS: dict[str, str | re.Pattern[str]] = {
    "name": "Name",
    "modelName": "Model name",
    "epochs": "Epochs",
    "learningRate": "Learning rate",
    "stepsPerEpoch": "Steps per epoch",
    "scenario": "Scenario",
    "schedule": "Schedule",
    "seed": re.compile("^Seed"),
    "batchSize": "Batch size",
}
"""Of each setting, what it is called in the dialog."""


async def opened(page: Page) -> Locator:
    """The dialog on the list's page."""
    await page.goto("/")
    await page.get_by_role("button", name="Create job", exact=True).click()
    dialog = page.get_by_role("dialog", name="Create job")
    await dialog.wait_for()
    return dialog


def field(dialog: Locator, setting: str) -> Locator:
    return dialog.get_by_label(LABELS[setting], exact=True)


async def test_it_has_every_setting_of_a_simulated_job_with_what_the_server_says_of_it_and_a_preview_that_follows_them(
    page: Page,
) -> None:
    dialog = await opened(page)
    fields = schema.graphql.type_map["CreateJobInput"].fields  # type: ignore[attr-defined]  # it is an input type
    assert fields.keys() >= LABELS.keys()
    for setting in LABELS:
        await expect(field(dialog, setting)).to_be_visible()
    for setting in ("epochs", "batchSize", "seed"):
        await expect(field(dialog, setting)).to_have_accessible_description(
            re.compile(re.escape(fields[setting].description))
        )
    curves = dialog.get_by_role("region", name="Preview").get_by_role("img")
    rate, loss = curves.nth(0), curves.nth(1)
    await field(dialog, "schedule").select_option("CONSTANT")
    await expect(rate).to_have_accessible_name(re.compile("Learning rate stays at 0.001"))
    await field(dialog, "schedule").select_option("LINEAR")
    await expect(rate).to_have_accessible_name(re.compile("Learning rate falls from"))
    await field(dialog, "scenario").select_option("DIVERGENCE")
    await expect(loss).to_have_accessible_name(re.compile("not finite from step"))
    await field(dialog, "scenario").select_option("HEALTHY")
    await expect(loss).not_to_have_accessible_name(re.compile("not finite"))


async def test_a_job_is_created_with_everything_that_was_set(page: Page, trainer: Api) -> None:
    dialog = await opened(page)
    wanted = {
        "name": "set by hand", "modelName": "vit-base", "epochs": 7, "learningRate": 0.003, "stepsPerEpoch": 50,
        "scenario": "OVERFITTING", "schedule": "LINEAR", "seed": 42, "batchSize": 64,
    }  # fmt: skip
    for setting, value in wanted.items():
        if setting in {"scenario", "schedule", "batchSize"}:
            await field(dialog, setting).select_option(str(value))
        else:
            await field(dialog, setting).fill(str(value))
    await dialog.get_by_role("button", name="Create job").click()
    await expect(dialog).to_be_hidden()
    await expect(toast(page, "Job Created")).to_be_visible()
    await expect(card(page, "set by hand").get_by_text("Queued", exact=True)).to_be_visible()
    (job,) = (await trainer.data(f'{{ jobs(search: "set by hand") {{ {" ".join(wanted)} }} }}'))["jobs"]
    assert job == wanted


async def test_a_job_can_be_started_as_it_is_created(page: Page) -> None:
    dialog = await opened(page)
    await field(dialog, "name").fill("at once")
    await dialog.get_by_role("button", name="Create and start").click()
    await expect(card(page, "at once").get_by_text("Running", exact=True)).to_be_visible()


async def test_an_error_stands_beside_its_field_and_escape_creates_nothing(page: Page, trainer: Api) -> None:
    dialog = await opened(page)
    for setting, value, error in (
        ("name", "  ", "empty or blank"),
        ("epochs", "0", "got 0"),
        ("epochs", "many", "whole number"),
        ("learningRate", "-1", "got -1"),
        ("stepsPerEpoch", "1.5", "whole number"),
        ("seed", "-1", "got -1"),
    ):
        await field(dialog, "name").fill("never there")
        right = await field(dialog, setting).input_value()
        await field(dialog, setting).fill(value)
        await dialog.get_by_role("button", name="Create job").click()
        await expect(field(dialog, setting)).to_have_attribute("aria-invalid", "true")
        await expect(field(dialog, setting)).to_have_accessible_description(re.compile(error))
        await expect(field(dialog, setting)).to_be_focused()
        await expect(dialog.locator("[aria-invalid=true]")).to_have_count(1)
        await field(dialog, setting).fill(right)
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    assert (await trainer.data('{ jobs(search: "never there") { id } }'))["jobs"] == []
