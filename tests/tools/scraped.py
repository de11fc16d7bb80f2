"""What a server tells at /metrics, read as Prometheus reads it."""

from collections.abc import Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

__all__ = ["Scrape", "scrape"]


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
    """Ask a server how it is."""
    answer = await http.get("/metrics")
    assert answer.status_code == 200, answer.text
    return Scrape(answer.text)
