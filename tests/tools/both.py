"""The same operations sent to two apps over one store: one with compiled plans, one with Strawberry alone."""

import json
from typing import Any

import httpx

from graph.app import App
from graph.plans.answers import Answers

JSON = "application/json"


class Both:
    """Sends the same to both."""

    def __init__(self, planned: App, plain: App) -> None:
        assert planned.services.answers is not None
        assert plain.services.answers is None, "so that it never meets a plan"
        self.answers: Answers = planned.services.answers
        self._planned, self._plain = (
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")
            for app in (planned, plain)
        )

    async def planned(self, body: bytes) -> tuple[int, str]:
        """The status and the text of the answer of the app with plans."""
        return await _answer(self._planned, body)

    async def plain(self, body: bytes) -> tuple[int, str]:
        """The same of the app without."""
        return await _answer(self._plain, body)

    async def same(self, query: str, variables: Any = None, operation_name: Any = None) -> str:
        """The text of the answer, which must be the same in both, and a second time."""
        body = body_of(query, variables, operation_name)
        plain = await self.plain(body)
        assert await self.planned(body) == plain
        assert await self.planned(body) == plain, "and again"
        return plain[1]

    async def alike(self, query: str, variables: Any, operation_name: Any) -> None:
        """Both answer the same, but for the errors of fields that failed at the same time."""
        body = body_of(query, variables, operation_name)
        status, plain = await self.plain(body)
        for _ in range(2):
            planned = await self.planned(body)
            assert (planned[0], _without_chance(planned[1])) == (status, _without_chance(plain))

    async def is_planned(self, query: str, variables: Any = None) -> bool:
        """Whether an operation is answered by a plan."""
        before = self.answers.count
        await self.planned(body_of(query, variables))
        return self.answers.count > before


async def _answer(http: httpx.AsyncClient, body: bytes) -> tuple[int, str]:
    response = await http.post("/graphql", content=body, headers={"Content-Type": JSON, "X-Request-Id": "same"})
    return response.status_code, response.text


def body_of(query: str, variables: Any = None, operation_name: Any = None) -> bytes:
    body = {"query": query, "variables": variables, "operationName": operation_name}
    return json.dumps({name: value for name, value in body.items() if value is not None}).encode()


def _without_chance(text: str) -> tuple[str, list[str]]:
    """An answer's data, to the byte, and of its errors what is the same each time.

    Fields are resolved at the same time. Where the null of a field that must not be null takes others along that were
    to fail too, GraphQL leaves open which of them are reported; that the null has an error is sure.
    """
    data, _, _ = text.partition(',"errors":')
    answer = json.loads(text)
    return data, sorted({_null_of(answer.get("data"), error) for error in answer.get("errors", ())})


def _null_of(data: Any, error: dict[str, Any]) -> str:
    """Where the null is that an error put into the data; of an error that is of no field, all of it."""
    if "path" not in error:
        return json.dumps(error)
    place = []
    for key in error["path"]:
        if data is None:
            break
        data = data[key]
        place.append(key)
    assert data is None
    return json.dumps(place)
