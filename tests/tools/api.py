"""A client of the API, in process or over sockets, that tests speak through."""

from collections.abc import Mapping
from typing import Any, cast

import httpx

JOB = "id name status progress metricCount startedAt finishedAt failureReason"
BY_THE_VIEW = {"Accept": "application/json", "Content-Type": "application/json; charset=utf8"}
"""Headers in a form that is read by Strawberry's view, not past it."""
METRIC = "seq step epoch loss accuracy learningRate values { name value nonFinite }"


class Api:
    """Runs operations and gives what they answer; each mutation as a method that gives the member of its union."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def post(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The whole answer: data and errors."""
        response = await self.http.post("/graphql", json={"query": query, "variables": variables or {}})
        assert response.status_code == 200, (response.status_code, response.text)
        return cast("dict[str, Any]", response.json())

    async def data(self, query: str, **variables: Any) -> Any:
        """The data of an answer without errors."""
        answer = await self.post(query, variables)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    async def error(self, query: str, **variables: Any) -> dict[str, Any]:
        """The one error of an answer."""
        answer = await self.post(query, variables)
        (error,) = answer["errors"]
        return cast("dict[str, Any]", error)

    async def create(self, **settings: Any) -> dict[str, Any]:
        given = {"name": "run", "modelName": "resnet", "epochs": 1, "learningRate": 0.1, **settings}
        query = f"""mutation ($input: CreateJobInput!) {{ createJob(input: $input) {{
            __typename ... on CreateJobSuccess {{ job {{ {JOB} }} }} ... on InvalidInput {{ field message }} }} }}"""
        return await self._mutate(query, "createJob", input=given)

    async def created(self, **settings: Any) -> str:
        """The id of a new job."""
        answer = await self.create(**settings)
        assert answer["__typename"] == "CreateJobSuccess", answer
        return cast("str", answer["job"]["id"])

    async def started(self, **settings: Any) -> str:
        """The id of a new job that was started."""
        id = await self.created(**settings)
        assert (await self.start(id))["__typename"] == "StartJobSuccess"
        return id

    async def start(self, id: Any) -> dict[str, Any]:
        return await self._verb("startJob", "StartJobSuccess", id)

    async def step(self, id: Any) -> dict[str, Any]:
        extra = f"metric {{ {METRIC} }} complete progress"
        return await self._verb("simulateStep", "SimulateStepSuccess", id, extra)

    async def complete(self, id: Any) -> dict[str, Any]:
        return await self._verb("completeJob", "CompleteJobSuccess", id)

    async def fail(self, id: Any, reason: str | None = None) -> dict[str, Any]:
        query = f"""mutation ($id: ID!, $reason: String) {{ failJob(id: $id, reason: $reason) {{
            __typename ... on FailJobSuccess {{ job {{ {JOB} }} }} {_ERRORS} }} }}"""
        return await self._mutate(query, "failJob", id=id, reason=reason)

    async def resume(self, id: Any, from_step: int | None = None) -> dict[str, Any]:
        query = f"""mutation ($id: ID!, $fromStep: Long) {{ resumeJob(id: $id, fromStep: $fromStep) {{
            __typename ... on ResumeJobSuccess {{ job {{ {JOB} }} }} ... on InvalidInput {{ field }} {_ERRORS} }} }}"""
        return await self._mutate(query, "resumeJob", id=id, fromStep=from_step)

    async def request_stop(self, id: Any, reason: str | None = None) -> dict[str, Any]:
        query = f"""mutation ($id: ID!, $reason: String) {{ requestStop(id: $id, reason: $reason) {{
            __typename ... on RequestStopSuccess {{ job {{ {JOB} }} }} {_ERRORS} }} }}"""
        return await self._mutate(query, "requestStop", id=id, reason=reason)

    async def archive(self, id: Any) -> dict[str, Any]:
        return await self._verb("archiveJob", "ArchiveJobSuccess", id)

    async def unarchive(self, id: Any) -> dict[str, Any]:
        return await self._verb("unarchiveJob", "ArchiveJobSuccess", id)

    async def delete(self, id: Any) -> dict[str, Any]:
        query = f"""mutation ($id: ID!) {{ deleteJob(id: $id) {{
            __typename ... on DeleteJobSuccess {{ id }} {_ERRORS} }} }}"""
        return await self._mutate(query, "deleteJob", id=id)

    async def log(self, id: Any, metrics: list[dict[str, Any]], *, late: bool = False) -> dict[str, Any]:
        query = f"""mutation ($id: ID!, $metrics: [MetricInput!]!, $late: Boolean!) {{
            logMetrics(id: $id, metrics: $metrics, late: $late) {{
            __typename ... on LogMetricsSuccess {{ recorded stopRequested job {{ {JOB} }} }}
            ... on InvalidInput {{ field }} {_ERRORS} }} }}"""
        return await self._mutate(query, "logMetrics", id=id, metrics=metrics, late=late)

    async def job(self, id: Any, fields: str = JOB) -> dict[str, Any]:
        data = await self.data(f"query ($id: ID!) {{ job(id: $id) {{ {fields} }} }}", id=id)
        return cast("dict[str, Any]", data["job"])

    async def metrics(self, id: Any, limit: int = 10_000, after: int = 0) -> list[dict[str, Any]]:
        job = await self.job(id, f"metrics(limit: {limit}, after: {after}) {{ {METRIC} }}")
        return cast("list[dict[str, Any]]", job["metrics"])

    async def _verb(self, verb: str, success: str, id: Any, extra: str = "") -> dict[str, Any]:
        query = f"""mutation ($id: ID!) {{ {verb}(id: $id) {{
            __typename ... on {success} {{ job {{ {JOB} }} {extra} }} {_ERRORS} }} }}"""
        return await self._mutate(query, verb, id=id)

    async def _mutate(self, query: str, verb: str, **variables: Any) -> dict[str, Any]:
        return cast("dict[str, Any]", (await self.data(query, **variables))[verb])


_ERRORS = """... on Error { message } ... on JobNotFound { id } ... on IllegalTransition { job { id status } }"""
