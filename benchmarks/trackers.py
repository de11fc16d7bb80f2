"""Servers that keep points, and how each is talked to: training-monitor, MLflow and Trackio."""

import itertools
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx

from benchmarks.calls import LOG
from benchmarks.load import request
from benchmarks.servers import QUERY, ours, peer

__all__ = ["MLflow", "Tracker", "Trackio", "TrainingMonitor"]

TOKEN = "bench"


def point(step: int) -> dict[str, float]:
    """The values of a step."""
    return {"loss": 1 / step, "accuracy": 1 - 1 / step, "learningRate": 0.1, "grad_norm": 2 / step}


class Call(NamedTuple):
    """A request."""

    path: str
    body: Any = None
    """What is posted as JSON; nothing gets."""
    headers: Mapping[str, str] = {}


class Tracker(ABC):
    """One server, its runs, and what was measured there."""

    name: str
    health: str
    """A path that answers once it serves."""
    most = 1_000
    """Points of one request."""

    def __init__(self) -> None:
        self.url = ""
        self.start = 0.0
        """Seconds from its start to its first answer."""
        self.rates: dict[str, list[float]] = {}
        """By case: the points logged, or the reads, a second of each round."""
        self.stored: Counter[str] = Counter()
        """Run -> the points that it acknowledged."""
        self.memory = 0
        self.share = 0
        self._steps: Counter[str] = Counter()

    def send(self, call: Call) -> Any:
        """What it answers."""
        method = "GET" if call.body is None else "POST"
        answer = httpx.request(method, self.url + call.path, json=call.body, headers=call.headers, timeout=120)
        content = answer.raise_for_status().json()
        assert "errors" not in content, content
        return content

    def bytes_of(self, call: Call) -> bytes:
        """A request as it is sent."""
        return request(self.url, call.body, call.path, **call.headers)

    def logging_on(self, run: str, size: int) -> Iterator[Call]:
        """Requests that log so many points each, without end; every step of a run once."""
        while True:
            first = self._steps[run] + 1
            self._steps[run] += size
            yield self.logging(run, range(first, first + size))

    @abstractmethod
    def command(self, folder: str) -> list[str]:
        """What starts it, with its data in a folder."""

    @abstractmethod
    def new_run(self) -> str:
        """The id of a new run."""

    @abstractmethod
    def logging(self, run: str, steps: range) -> Call:
        """Log the points of some steps."""

    @abstractmethod
    def reading(self, run: str, count: int) -> Call:
        """Read the losses of a run, which has so many."""

    @abstractmethod
    def losses(self, answer: Any) -> list[float]:
        """Those that were read."""

    @abstractmethod
    def count(self, run: str) -> int:
        """The points that a run has."""


class TrainingMonitor(Tracker):
    """This project."""

    name = "training-monitor"
    health = QUERY

    def command(self, folder: str) -> list[str]:
        return ours(folder)

    def new_run(self) -> str:
        settings = 'name: "bench", modelName: "bench", epochs: 100000, stepsPerEpoch: 1000, learningRate: 1'
        created = self._ask(
            f"mutation {{ createJob(input: {{ {settings} }}) {{ ... on CreateJobSuccess {{ job {{ id }} }} }} }}"
        )
        id = str(created["createJob"]["job"]["id"])
        self._ask(f'mutation {{ startJob(id: "{id}") {{ __typename }} }}')
        return id

    def logging(self, run: str, steps: range) -> Call:
        metrics = []
        for step in steps:
            *fields, (name, value) = point(step).items()
            metrics.append({"step": step, **dict(fields), "values": [{"name": name, "value": value}]})
        return _operation(LOG, id=run, metrics=metrics)

    def reading(self, run: str, count: int) -> Call:
        query = "query ($id: ID!, $limit: Int!) { job(id: $id) { metrics(limit: $limit) { step loss } } }"
        return _operation(query, id=run, limit=count)

    def losses(self, answer: Any) -> list[float]:
        return [metric["loss"] for metric in answer["data"]["job"]["metrics"]]

    def count(self, run: str) -> int:
        return int(self._ask(f'{{ job(id: "{run}") {{ metricCount }} }}')["job"]["metricCount"])

    def _ask(self, query: str) -> Any:
        return self.send(_operation(query))["data"]


def _operation(query: str, **variables: Any) -> Call:
    return Call("/graphql", {"query": query, "variables": variables})


class MLflow(Tracker):
    """Four workers, as it comes."""

    name = "MLflow"
    health = "/health"
    most = 250  # it takes 1,000 values a request

    def command(self, folder: str) -> list[str]:
        return peer("trackers/serve_mlflow", folder)

    def new_run(self) -> str:
        created = self.send(Call("/api/2.0/mlflow/runs/create", {"experiment_id": "0"}))
        return str(created["run"]["info"]["run_id"])

    def logging(self, run: str, steps: range) -> Call:
        metrics = [
            {"key": name, "value": value, "timestamp": step, "step": step}
            for step in steps
            for name, value in point(step).items()
        ]
        return Call("/api/2.0/mlflow/runs/log-batch", {"run_id": run, "metrics": metrics})

    def reading(self, run: str, count: int) -> Call:
        return self._history(run, max_results=count)

    def losses(self, answer: Any) -> list[float]:
        return [metric["value"] for metric in answer.get("metrics", [])]

    def count(self, run: str) -> int:
        counted = 0
        token: dict[str, str] = {}
        while True:
            page = self.send(self._history(run, max_results=25_000, **token))
            counted += len(self.losses(page))
            if not page.get("next_page_token"):
                return counted
            token = {"page_token": page["next_page_token"]}

    def _history(self, run: str, **page: Any) -> Call:
        wanted = urlencode({"run_id": run, "metric_key": "loss", **page})
        return Call(f"/api/2.0/mlflow/metrics/get-history?{wanted}")


class Trackio(Tracker):
    """As its own client talks to it."""

    name = "Trackio"
    health = "/version"

    def __init__(self) -> None:
        super().__init__()
        self._runs = itertools.count(1)

    def command(self, folder: str) -> list[str]:
        return peer("trackers/serve_trackio", folder, TOKEN)

    def new_run(self) -> str:
        return f"run-{next(self._runs)}"  # made with its first point

    def logging(self, run: str, steps: range) -> Call:
        logs = [{"project": "bench", "run": run, "metrics": point(step), "step": step} for step in steps]
        return Call("/api/bulk_log", {"logs": logs, "hf_token": None}, {"X-Trackio-Write-Token": TOKEN})

    def reading(self, run: str, count: int) -> Call:
        return Call("/api/get_metric_values", {"project": "bench", "run": run, "metric_name": "loss"})

    def losses(self, answer: Any) -> list[float]:
        return [metric["value"] for metric in answer["data"]]

    def count(self, run: str) -> int:
        return len(self.losses(self.send(self.reading(run, 0))))
