"""What a server exposes at /metrics, read as Prometheus reads it."""

import asyncio
from collections.abc import Callable, Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.tools.waiting import PATIENCE


class Scrape:
    """The samples of one scrape."""

    def __init__(self, text: str) -> None:
        self.samples: list[Sample] = [
            sample for family in text_string_to_metric_families(text) for sample in family.samples
        ]

    @property
    def names(self) -> set[str]:
        """What they are called."""
        return {sample.name for sample in self.samples}

    def values(self, name: str) -> Mapping[tuple[str, ...], float]:
        """The values of a metric of ours, by those of its labels."""
        full = f"training_monitor_{name}"
        return {(*sample.labels.values(),): sample.value for sample in self.samples if sample.name == full}

    def value(self, name: str, *labels: str) -> float:
        """One of them; 0 where there is none."""
        return self.values(name).get(labels, 0.0)


async def scrape(http: httpx.AsyncClient) -> Scrape:
    """Scrape a server."""
    answer = await http.get("/metrics")
    assert answer.status_code == 200, answer.text
    return Scrape(answer.text)


async def scraped_once(http: httpx.AsyncClient, holds: Callable[[Scrape], bool]) -> Scrape:
    """The first scrape of which that holds. Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE):
        while not holds(found := await scrape(http)):  # noqa: ASYNC110  # a scrape has no event to wait for
            await asyncio.sleep(0.02)
    return found
